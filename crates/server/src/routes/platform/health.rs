//! Health, readiness and metrics.

use annals_service::{Error, Service, StoreError};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;

use crate::answer::{json_response, ok};
use crate::api::{Api, op};
use crate::state::AppState;

pub(crate) fn api() -> Api {
    Api::of("Platform")
        .get("/healthz", show_health, op("Check that the process is running").open().ok::<StatusAnswer>())
        .get(
            "/readyz",
            show_readiness,
            op("Check that the store accepts requests")
                .open()
                .ok::<StatusAnswer>()
                .answers::<StatusAnswer>(StatusCode::SERVICE_UNAVAILABLE),
        )
        .get("/metrics", show_metrics, op("Get metrics for Prometheus").open().text(METRICS_TYPE))
}

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Serialize, JsonSchema)]
struct StatusAnswer {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Responds if the process runs.
async fn show_health() -> Response {
    ok(&StatusAnswer { status: "ok", error: None })
}

/// Reports whether the server accepts reads and writes.
async fn show_readiness(State(service): State<Service>) -> Response {
    let error = match service.ready().await {
        Ok(()) => return ok(&StatusAnswer { status: "ready", error: None }),
        Err(Error::Store(error @ StoreError::Unavailable(_))) => error.to_string(),
        Err(_) => "the store accepts no writes; the server's log has the cause".to_owned(),
    };
    json_response(StatusCode::SERVICE_UNAVAILABLE, &StatusAnswer { status: "not ready", error: Some(error) })
}

/// Shows the metrics, for Prometheus.
async fn show_metrics(State(state): State<AppState>) -> Response {
    let text = state.metrics.text(state.service.measure().await);
    ([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response()
}
