//! The answers to requests that cannot be carried out: the one place that knows the status of each.
//!
//! The shapes are those that the clients of the Events API read: `{"error":…}`, for something that is not there
//! `{"resource":…,"error":"not found"}`, for wrong fields `{"errors":{field:[…]}}`. Nothing internal is in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_model::{FieldErrors, Rejection};
use annals_service::{Error, StoreError};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::answer::json_response;

/// What is answered to a credential that is not valid.
pub(crate) const BAD_CREDENTIALS: ApiError = ApiError::Unauthorized("Invalid credentials");

/// What is answered to a credential that is sent in another form.
pub(crate) const USE_BEARER: ApiError = ApiError::Unauthorized("use Authorization: Bearer tk-…");

/// What is said of a field that is not there.
pub(crate) const MISSING: &str = "is missing";

/// Why a request is not carried out.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// It is not the JSON, or not the request, that was expected.
    BadRequest(String),
    /// The request has no valid credential.
    Unauthorized(&'static str),
    /// The caller may not do this.
    Forbidden(String),
    /// A kind of thing that is not there, or that must seem so.
    NotFound(&'static str),
    /// There is nothing at this path.
    NoSuchPath,
    /// The path knows other methods only, which are these, as in `GET or POST`.
    MethodNotAllowed(String),
    /// The account is locked.
    Locked,
    /// The caller accepts an invitation to an app on which they work already.
    AlreadyCollaborator,
    /// What there is stands against it.
    Conflict(String),
    /// The body is longer than that.
    TooLarge(usize),
    /// Fields are wrong.
    Invalid(FieldErrors),
    /// The user's requests come too fast.
    TooMany { retry_after_seconds: u64 },
    /// The server cannot do it now; whether it did is uncertain.
    Unavailable,
    /// What it needs could not be read.
    Unreadable,
    /// It took longer than a request may.
    TimedOut { is_read: bool },
    /// Something here is wrong; the log says what.
    Internal,
}

/// What an error says; at least one of `error` and `errors` is there.
#[derive(JsonSchema, serde::Serialize)]
pub(crate) struct ErrorBody {
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What is wrong with each field.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<BTreeMap<String, Vec<String>>>,
    /// The kind of thing that is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    /// A short name of what is wrong, where clients act on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The same, where clients expect it under this name.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
}

impl ApiError {
    /// One field is wrong.
    pub(crate) fn invalid(field: &str, message: &str) -> Self {
        Self::Invalid(FieldErrors::one(field, message))
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) | Self::AlreadyCollaborator => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) | Self::Locked => StatusCode::FORBIDDEN,
            Self::NotFound(_) | Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::Unreadable | Self::TimedOut { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn body(&self) -> Value {
        match self {
            Self::BadRequest(text) | Self::Forbidden(text) | Self::Conflict(text) => json!({ "error": text }),
            Self::Locked => json!({ "error": annals_model::account::LOCKED, "code": "account_locked" }),
            Self::AlreadyCollaborator => {
                json!({ "error": Rejection::AlreadyCollaborator.to_string(), "type": "already-collaborator" })
            }
            Self::Unauthorized(text) => json!({ "error": text }),
            Self::NotFound(resource) => json!({ "resource": resource, "error": "not found" }),
            Self::NoSuchPath => json!({ "error": "there is nothing at this path" }),
            Self::MethodNotAllowed(allowed) => json!({ "error": format!("use {allowed}") }),
            Self::TooLarge(bytes) => {
                json!({ "error": format!("the body must not be longer than {bytes} bytes") })
            }
            Self::Invalid(errors) => json!({ "errors": errors.as_map() }),
            Self::TooMany { .. } => json!({ "error": "Retry later" }),
            Self::Unavailable => {
                json!({ "error": "the server cannot do this now; it may or may not have been done" })
            }
            Self::Unreadable => json!({ "error": "could not be read; retry" }),
            Self::TimedOut { is_read: true } => json!({ "error": "could not be read in time; retry" }),
            Self::TimedOut { is_read: false } => {
                json!({ "error": "this took too long; it may or may not have been done" })
            }
            Self::Internal => json!({ "error": "something went wrong here" }),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = json_response(self.status(), &self.body());
        let further = match &self {
            Self::TooMany { retry_after_seconds } => {
                Some((header::RETRY_AFTER, HeaderValue::from(*retry_after_seconds)))
            }
            Self::Unavailable | Self::Unreadable | Self::TimedOut { .. } => {
                Some((header::RETRY_AFTER, HeaderValue::from_static("1")))
            }
            Self::Unauthorized(_) => Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            _ => None,
        };
        response.headers_mut().extend(further);
        // For what the request can add to it.
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Invalid(errors) => Self::Invalid(errors),
            Rejection::NotFound(resource) => Self::NotFound(resource),
            Rejection::Forbidden(text) => Self::Forbidden(text),
            Rejection::Conflict(text) => Self::Conflict(text),
            Rejection::AlreadyCollaborator => Self::AlreadyCollaborator,
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Rejected(rejection) => rejection.into(),
            Error::InvalidCredentials => BAD_CREDENTIALS,
            Error::NeedsUser | Error::NeedsOperator => Self::Forbidden(error.to_string()),
            Error::Commit(error) => error.into(),
            Error::Store(error) => match error.into() {
                Self::Unavailable => Self::Unreadable,
                error => error,
            },
            Error::Hashing(_) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the service failed");
                Self::Internal
            }
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            // Said once in the log when it happened.
            StoreError::ReadOnly | StoreError::Closed => Self::Unavailable,
            StoreError::Unavailable(_) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the store is unavailable");
                Self::Unavailable
            }
            StoreError::InUse
            | StoreError::Newer { .. }
            | StoreError::NotAStore
            | StoreError::NotADirectory(_)
            | StoreError::NotWritable(_)
            | StoreError::NotABackup(_)
            | StoreError::Missing
            | StoreError::Occupied
            | StoreError::Damaged(_)
            | StoreError::Engine(_) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
                Self::Internal
            }
        }
    }
}
