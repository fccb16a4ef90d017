//! Checks a request against its operation before the handler runs, and makes the error of a failed read precise after it.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Method;

use crate::error::ApiError;
use crate::state::AppState;

/// Checks the request and responds to it.
pub(crate) async fn explain(state: &AppState, mut request: Request, next: Next) -> Response {
    match state.operations.get().map(|operations| operations.check(&request)).transpose() {
        Ok(known) => _ = known.flatten().map(|known| request.extensions_mut().insert(known)),
        Err(error) => return error.into_response(),
    }
    let is_read = request.method() == Method::GET || request.method() == Method::HEAD;
    let response = next.run(request).await;
    let error = response.extensions().get::<Arc<ApiError>>();
    // The request may have been carried out before the read that failed.
    if !is_read && matches!(error.map(|error| &**error), Some(ApiError::Unreadable)) {
        return ApiError::Unavailable.into_response();
    }
    response
}
