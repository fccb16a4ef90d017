//! Wraps every request: its identifier, its time limit, its line in the log, its metrics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tracing::Instrument;

use crate::error::ApiError;
use crate::explain::explain;
use crate::limits::{HEAD_BYTES_MAX, REQUEST_ID_BYTES_MAX, REQUEST_TIME_MAX, UPLOAD_TIME_MAX};
use crate::routes::apps::sources::UPLOAD_PATH;
use crate::state::AppState;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Assigns the request an identifier unless it has one, enforces the time limit, catches panics, logs and measures.
pub(crate) async fn surround(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    // The pattern, not the path: metrics must not contain names of apps.
    let route: Arc<str> =
        request.extensions().get::<MatchedPath>().map_or_else(|| "none".into(), |path| path.as_str().into());
    let request_id = id.to_str().unwrap_or_default();
    // Most requests are reads, and a span costs more than some of them: it is created only where it is shown.
    let is_read = method == Method::GET || method == Method::HEAD;
    let span = if is_read {
        tracing::debug_span!("request", id = request_id, %method, %route)
    } else {
        tracing::info_span!("request", id = request_id, %method, %route)
    };

    let work = async {
        match is_head_too_large(&request) {
            true => ApiError::HeadTooLarge(HEAD_BYTES_MAX).into_response(),
            false => explain(&state, request, next).await,
        }
    };
    let time_max = if &*route == UPLOAD_PATH { UPLOAD_TIME_MAX } else { REQUEST_TIME_MAX };
    let work = AssertUnwindSafe(work).catch_unwind();
    let mut response = match tokio::time::timeout(time_max, work).instrument(span.clone()).await {
        Ok(Ok(response)) => response,
        // The panic hook has already logged the panic.
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
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Almost every response may hold secrets.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Returns whether the request line and the headers are longer than the limit. The HTTP library's buffer is only about as
/// long, since it does not know where a head ends.
fn is_head_too_large(request: &Request) -> bool {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    // "GET / HTTP/1.1" and "name: value", each with a line break.
    let line = request.method().as_str().len() + target + " HTTP/1.1\r\n".len() + 1;
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    line + headers.sum::<usize>() + 2 > HEAD_BYTES_MAX
}

/// Returns the client's identifier for the request if it sent a harmless one, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sent = headers.get(REQUEST_ID).filter(|value| {
        (1..=REQUEST_ID_BYTES_MAX).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
    });
    sent.cloned().unwrap_or_else(|| {
        let id = hex::encode(rand::random::<[u8; 8]>());
        HeaderValue::from_str(&id).expect("hexadecimal digits are valid in a header")
    })
}
