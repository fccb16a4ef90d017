//! JSON responses.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// The content type of every JSON response.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// Returns a response with a status and a value as its body.
pub(crate) fn json_response(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("a response can always be written to memory");
    json_bytes(status, body.into())
}

/// Returns a response with a status and a body that is already JSON.
pub(crate) fn json_bytes(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// Returns a 200 response with a value.
pub(crate) fn ok(value: &impl Serialize) -> Response {
    json_response(StatusCode::OK, value)
}

/// Returns a 201 response with a value.
pub(crate) fn created(value: &impl Serialize) -> Response {
    json_response(StatusCode::CREATED, value)
}
