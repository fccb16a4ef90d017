//! How the server does.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::json;

use crate::answer::{json_response, ok};
use crate::service::Service;

/// The process answers.
pub(crate) async fn health() -> Response {
    ok(&json!({ "status": "ok" }))
}

/// Requests can be carried out, writes included.
pub(crate) async fn readiness(State(service): State<Service>) -> Response {
    if service.store.statistics().writable {
        ok(&json!({ "status": "ready" }))
    } else {
        let body =
            json!({ "status": "not ready", "error": "the store accepts no writes: restart the server" });
        json_response(StatusCode::SERVICE_UNAVAILABLE, &body)
    }
}

/// Measurements, for Prometheus.
pub(crate) async fn metrics(State(service): State<Service>) -> Response {
    let text = service.metrics.text(service.store.statistics());
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
