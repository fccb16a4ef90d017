//! What surrounds every request: its identifier, its bounds, its line in the log, its measurement.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tracing::Instrument;

use crate::error::ApiError;
use crate::explain::explain;
use crate::limits::{REQUEST_ID_BYTES_MAX, REQUEST_TIME_MAX};
use crate::state::AppState;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request an identifier, or keeps the one it has; answers in time, whatever happens; logs and measures.
pub(crate) async fn surround(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    // The pattern, not the path: names of apps are nobody's business in a measurement.
    let route: Arc<str> =
        request.extensions().get::<MatchedPath>().map_or_else(|| "none".into(), |path| path.as_str().into());
    let request_id = id.to_str().unwrap_or_default();
    // Reads are by far the most, and a span costs more than some: theirs is made only where it would be shown.
    let is_read = method == Method::GET || method == Method::HEAD;
    let span = if is_read {
        tracing::debug_span!("request", id = request_id, %method, %route)
    } else {
        tracing::info_span!("request", id = request_id, %method, %route)
    };

    let work = AssertUnwindSafe(explain(request, next)).catch_unwind();
    let mut response = match tokio::time::timeout(REQUEST_TIME_MAX, work).instrument(span.clone()).await {
        Ok(Ok(response)) => response,
        // The panic itself is in the log already, by way of the panic hook.
        Ok(Err(_)) => ApiError::Internal.into_response(),
        Err(_) => ApiError::TimedOut { is_read }.into_response(),
    };
    let status = response.status().as_u16();
    let elapsed = started.elapsed();
    span.in_scope(|| {
        let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        if status >= 500 {
            tracing::error!(request_id, %method, %route, status, elapsed_us, "answered");
        } else if is_read {
            tracing::debug!(status, elapsed_us, "answered");
        } else {
            tracing::info!(status, elapsed_us, "answered");
        }
    });
    state.metrics.answered(&method, route, status, elapsed);
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The client's identifier for the request if it sent a harmless one, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sent = headers.get(REQUEST_ID).filter(|value| {
        (1..=REQUEST_ID_BYTES_MAX).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
    });
    sent.cloned().unwrap_or_else(|| {
        let id = hex::encode(rand::random::<[u8; 8]>());
        HeaderValue::from_str(&id).expect("hexadecimal digits may stand in a header")
    })
}
