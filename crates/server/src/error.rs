//! Error responses: the one place that maps errors to statuses.
//!
//! The bodies have the shapes that clients of the Events API read: `{"error":…}`; `{"resource":…,"error":"not found"}` for
//! a missing resource; `{"errors":{field:[…]}}` for invalid fields. They contain nothing internal.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_model::{FieldErrors, Rejection};
use annals_service::{Error, StoreError};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::answer::json_response;

/// The response to an invalid credential.
/// The same for a wrong name, a wrong password and a locked account, so that nobody learns which it is by trying.
pub(crate) const BAD_CREDENTIALS: ApiError = ApiError::Unauthorized("Invalid credentials");

/// The response to a credential that is not a bearer token.
pub(crate) const USE_BEARER: ApiError = ApiError::Unauthorized("use Authorization: Bearer tk-…");

/// The message for a missing field.
pub(crate) const MISSING: &str = "is missing";

/// Why a request failed.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The request is malformed.
    BadRequest(String),
    /// The request has no valid credential.
    Unauthorized(&'static str),
    /// The caller may not do this.
    Forbidden(String),
    /// The named kind of resource does not exist, or the caller may not know that it does.
    NotFound(&'static str),
    /// The path does not exist.
    NoSuchPath,
    /// The path does not exist; the text says that annals lacks the feature, or which path was meant.
    NotOffered(String),
    /// The path has only these methods, as in `GET or POST`.
    MethodNotAllowed(String),
    /// The caller accepts an invitation to an app that they already work on.
    AlreadyCollaborator,
    /// The request conflicts with the current state.
    Conflict(String),
    /// The body is longer than this many bytes.
    TooLarge(usize),
    /// The request line and the headers are longer than this many bytes.
    HeadTooLarge(usize),
    /// The body arrived too slowly.
    TooSlow,
    /// There was no room for the body in time.
    NoRoom,
    /// Too many streams are open.
    NoStream,
    /// Fields are invalid.
    Invalid(FieldErrors),
    /// The caller exceeded a rate limit.
    TooMany { retry_after_seconds: u64 },
    /// The store is unavailable; the request may or may not have been carried out.
    Unavailable,
    /// The store is unavailable for reading; the request changed nothing if it was a read.
    Unreadable,
    /// The request exceeded the time limit.
    TimedOut { is_read: bool },
    /// An internal error; the log has the cause.
    Internal,
}

/// An error. At least one of `error` and `errors` is present.
#[derive(JsonSchema, serde::Serialize)]
pub(crate) struct ErrorBody {
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What is wrong with each field, by its path.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<BTreeMap<String, Vec<String>>>,
    /// The kind of resource that was not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    /// A short name of the error, if clients act on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The same as `code`, for clients that expect this name.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
}

impl ApiError {
    /// Creates the error of one invalid field.
    pub(crate) fn invalid(field: &str, message: &str) -> Self {
        Self::Invalid(FieldErrors::one(field, message))
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) | Self::AlreadyCollaborator => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) | Self::NoSuchPath | Self::NotOffered(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooLarge(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::Unreadable | Self::TimedOut { .. } | Self::NoRoom | Self::NoStream => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn body(&self) -> Value {
        match self {
            Self::BadRequest(text) | Self::Forbidden(text) | Self::Conflict(text) => json!({ "error": text }),
            Self::AlreadyCollaborator => {
                json!({ "error": Rejection::AlreadyCollaborator.to_string(), "type": "already-collaborator" })
            }
            Self::Unauthorized(text) => json!({ "error": text }),
            Self::NotOffered(text) => json!({ "error": text }),
            Self::NotFound(resource) => json!({ "resource": resource, "error": "not found" }),
            Self::NoSuchPath => json!({ "error": "no such path; list: /docs" }),
            Self::MethodNotAllowed(allowed) => json!({ "error": format!("use {allowed}") }),
            Self::TooLarge(bytes) => {
                json!({ "error": format!("the body must not be longer than {bytes} bytes") })
            }
            Self::HeadTooLarge(bytes) => {
                json!({ "error": format!("the request line and the headers must not be longer than {bytes} bytes") })
            }
            Self::TooSlow => json!({ "error": "the body arrived too slowly; nothing was done" }),
            Self::NoRoom => json!({ "error": "too many bodies are arriving; nothing was done; retry" }),
            Self::NoStream => json!({ "error": "too many streams are open; retry" }),
            Self::Invalid(errors) => json!({ "errors": errors.as_map() }),
            Self::TooMany { .. } => json!({ "error": "Retry later" }),
            Self::Unavailable => {
                json!({ "error": "temporarily unavailable; a change may have been made; repeat the request with the same Idempotency-Key" })
            }
            Self::Unreadable => json!({ "error": "could not be read; retry" }),
            Self::TimedOut { is_read: true } => json!({ "error": "could not be read in time; retry" }),
            Self::TimedOut { is_read: false } => {
                json!({ "error": "timed out; a change may have been made; repeat the request with the same Idempotency-Key" })
            }
            Self::Internal => json!({ "error": "internal error; the server's log has the cause" }),
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
            Self::Unavailable | Self::Unreadable | Self::TimedOut { .. } | Self::NoRoom => {
                Some((header::RETRY_AFTER, HeaderValue::from_static("1")))
            }
            Self::Unauthorized(_) => Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            _ => None,
        };
        response.headers_mut().extend(further);
        // `explain` reads the error, to make the response more precise.
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
            Error::NeedsUser | Error::NeedsOperator | Error::NeedsAuditor | Error::AuditorsOnlyRead => {
                Self::Forbidden(error.to_string())
            }
            Error::Commit(error) => error.into(),
            Error::Store(error) => match error.into() {
                Self::Unavailable => Self::Unreadable,
                error => error,
            },
            Error::NoArchives => Self::NotOffered(error.to_string()),
            Error::Busy => Self::NoRoom,
            Error::Archive(_) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "an archive could not be written or read"
                );
                Self::Unavailable
            }
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
            // The failure was logged when it happened.
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
