//! Restarts, and the operations that clients poll.
//!
//! A container operation is complete once its event is recorded, so an operation is another view of its event.

use annals_model::app::Restart;
use annals_model::catalogue::AppOperations;
use annals_model::{AppId, EventId, Time, TypeData};
use annals_service::{Access, RecordedEvent, Service};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::ok;
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{Authorized, JsonBody, LastSegment, Readable};

pub(crate) fn api() -> Api {
    Api::of("Containers")
        .post(
            "/v1/apps/{app}/restart",
            restart_app,
            action("Restart an app, or some of its containers")
                .records(&["restart"])
                .body::<RestartBody>()
                .example(json!({ "scope": ["web"] }))
                .empty(StatusCode::ACCEPTED)
                .with_location(),
        )
        .get(
            "/v1/apps/{app}/operations/{operation}",
            show_operation,
            op("Get the status of an operation").anybody_known().ok::<OperationAnswer>(),
        )
}

#[derive(Deserialize, JsonSchema)]
struct RestartBody {
    /// Container types or single containers, such as `web` and `web-1`. If empty or absent, all restart.
    scope: Option<Scope>,
}

/// Clients send a list or a single entry.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "must be an array of strings")]
enum Scope {
    Many(Vec<String>),
    One(String),
}

/// Restarts containers.
async fn restart_app(
    State(service): State<Service>,
    access: Authorized<Restart>,
    body: JsonBody<RestartBody>,
) -> Result<Response, ApiError> {
    let scope = match body.value.scope {
        Some(Scope::Many(many)) => many,
        Some(Scope::One(one)) => vec![one],
        None => Vec::new(),
    };
    let outcome = access.act(Restart { scope }, &body.bytes).await?;
    let mut response = StatusCode::ACCEPTED.into_response();
    locate_operation(&service, outcome.app.id, outcome.recorded("restart"), &mut response);
    Ok(response)
}

/// Sets the `Location` of the operation that this event belongs to.
pub(crate) fn locate_operation(
    service: &Service,
    app: AppId,
    event: Option<&RecordedEvent>,
    response: &mut Response,
) {
    let Some(event) = event else { return };
    let url = operation_url(service, app, event.id);
    if let Ok(url) = HeaderValue::from_str(&url) {
        response.headers_mut().insert(header::LOCATION, url);
    }
}

/// Returns the URL of an event's operation.
pub(crate) fn operation_url(service: &Service, app: AppId, event: EventId) -> String {
    format!("{}/v1/apps/{app}/operations/{event}", service.public_url())
}

/// Shows the status of an operation.
async fn show_operation(
    State(service): State<Service>,
    readable: Readable,
    LastSegment(id): LastSegment,
) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live()?;
    let id: EventId = id.parse().map_err(|_| ApiError::NotFound("operation"))?;
    let event = service.recorded_event(app.id, id).await?.ok_or(ApiError::NotFound("operation"))?;
    let (kind, error) = match &event.data {
        TypeData::AppOperations(AppOperations::Restart(_)) => ("restart", None),
        TypeData::AppOperations(AppOperations::Scale(_)) => ("scale", None),
        TypeData::AppOperations(AppOperations::Run(run)) if run.detached => ("start-one-off", None),
        TypeData::AppOperations(AppOperations::Run(_)) => (
            "start-one-off",
            Some(
                "annals records commands and does not run them, so there is no terminal to attach: use --detached",
            ),
        ),
        _ => return Err(ApiError::NotFound("operation")),
    };
    let operation = OperationView {
        id,
        app_id: app.id,
        created_at: event.created_at,
        finished_at: Some(event.created_at),
        status: if error.is_some() { "error" } else { "done" },
        kind,
        error,
    };
    Ok(ok(&OperationAnswer { operation }))
}

#[derive(Serialize, JsonSchema)]
struct OperationAnswer {
    operation: OperationView,
}

#[derive(Serialize, JsonSchema)]
struct OperationView {
    id: EventId,
    app_id: AppId,
    created_at: Time,
    finished_at: Option<Time>,
    status: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    error: Option<&'static str>,
}
