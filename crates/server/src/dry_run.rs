//! `X-Dry-Run`: whether a request is only checked.
//!
//! Each operation that changes something has one of two layers before its handler, so no handler can overlook the header:
//! [`honor`] passes it on, [`refuse`] responds that the operation cannot be tried.

use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::error::ApiError;
use crate::state::AppState;

const X_DRY_RUN: HeaderName = HeaderName::from_static("x-dry-run");

/// Whether the request is only checked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DryRun(pub(crate) bool);

impl DryRun {
    pub(crate) fn of(parts: &Parts) -> Self {
        parts.extensions.get().copied().unwrap_or_default()
    }
}

impl FromRequestParts<AppState> for DryRun {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        Ok(Self::of(parts))
    }
}

/// Passes the header on to a handler that checks [`DryRun`]. Marks the response of a dry run, since it looks like that of a
/// real request.
pub(crate) async fn honor(mut request: Request, next: Next) -> Response {
    let is_dry_run = match is_requested(request.headers()) {
        Ok(is_dry_run) => is_dry_run,
        Err(error) => return error.into_response(),
    };
    request.extensions_mut().insert(DryRun(is_dry_run));
    let mut response = next.run(request).await;
    if is_dry_run {
        response.headers_mut().insert(X_DRY_RUN, HeaderValue::from_static("true"));
        // `Location` would lead to something that was not created.
        response.headers_mut().remove(header::LOCATION);
    }
    response
}

/// Refuses a dry run of an operation that cannot be checked without being done.
pub(crate) async fn refuse(request: Request, next: Next) -> Response {
    match is_requested(request.headers()) {
        Ok(false) => next.run(request).await,
        Ok(true) => bad_request("X-Dry-Run is not supported here; nothing was done").into_response(),
        Err(error) => error.into_response(),
    }
}

/// Reads the header. Refuses anything but `true` and `false`, since the worst guess would be to execute a request that was
/// meant as a dry run.
fn is_requested(headers: &HeaderMap) -> Result<bool, ApiError> {
    let mut is_dry_run = false;
    for value in headers.get_all(X_DRY_RUN) {
        if value == "true" {
            is_dry_run = true;
        } else if value != "false" {
            return Err(bad_request("X-Dry-Run must be true or false; nothing was done"));
        }
    }
    Ok(is_dry_run)
}

fn bad_request(message: &str) -> ApiError {
    ApiError::BadRequest(message.to_owned())
}
