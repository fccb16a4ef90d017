//! One-off commands and the containers of an app.

use annals_model::app::{AuditLogEntry, OneOff, Run, StopOneOff, WriteAuditLog};
use annals_model::{App, AppId, EventId, ResourceId, Time};
use annals_service::{Access, Service, Visibility};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::ok;
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{Authorized, JsonBody, LastSegment, Readable, Segments, required};
use crate::routes::apps::restarts::operation_url;
use crate::routes::platform::features::ContainerSizeView;

pub(crate) fn api() -> Api {
    const AUDIT_LOG: &str = "/v1/apps/{app}/audit_logs/{audit_log}";
    Api::of("Containers")
        .post(
            "/v1/apps/{app}/run",
            run_command,
            action("Run a one-off command")
                .records(&["run"])
                .body::<RunCommandBody>()
                .example(json!({ "command": "bin/migrate", "size": "S", "detached": true }))
                .ok::<RunCommandAnswer>(),
        )
        .get(
            "/v1/apps/{app}/ps",
            list_containers,
            op("List the containers of an app").anybody_known().ok::<ContainersAnswer>(),
        )
        .post(
            "/v1/apps/{app}/containers/{container}/stop",
            stop_container,
            action("Stop a one-off container").empty(StatusCode::ACCEPTED),
        )
        .get(
            AUDIT_LOG,
            show_audit_log,
            op("Get the input and output of a one-off command").anybody_known().ok::<Vec<AuditLogEntry>>(),
        )
        .patch(
            AUDIT_LOG,
            write_audit_log,
            action("Append to the input and output of a one-off command, or mark it as ended")
                .operator()
                .body::<WriteAuditLogBody>()
                .example(json!({
                    "entries": [{ "time": "2026-11-01T12:00:00Z", "content": "migrated", "type": "output" }],
                    "finished": true,
                }))
                .ok::<Vec<AuditLogEntry>>(),
        )
}

/// The environment that clients send is ignored: it may contain secrets.
#[derive(Deserialize, JsonSchema)]
struct RunCommandBody {
    /// The command line.
    command: Option<String>,
    /// The container's size.
    size: Option<String>,
    /// Whether it runs without an attached terminal.
    detached: Option<bool>,
}

/// Records a one-off command.
async fn run_command(
    State(service): State<Service>,
    access: Authorized<Run>,
    body: JsonBody<RunCommandBody>,
) -> Result<Response, ApiError> {
    let command = required(body.value.command, "command")?;
    let action = Run {
        command: command.clone(),
        size: body.value.size.filter(|size| !size.is_empty()),
        detached: body.value.detached.unwrap_or(false),
    };
    let outcome = access.act(action, &body.bytes).await?;
    let one_off = outcome.private.one_offs.iter().find(|one_off| one_off.id == outcome.created);
    let one_off = one_off.ok_or(ApiError::NotFound("container"))?;
    // A stored outcome has no command, but a repeat names it again.
    let one_off = &OneOff { command, ..one_off.clone() };
    let event = outcome.recorded("run").ok_or(ApiError::NotFound("operation"))?;
    let container = ContainerView::of_one_off(&outcome.app, one_off, Visibility::ALL);
    let operation_url = operation_url(&service, outcome.app.id, event.id);
    Ok(ok(&RunCommandAnswer { container, operation_url, attach_url: None }))
}

/// Lists the containers of the formation, and the one-off containers that have not ended.
async fn list_containers(State(service): State<Service>, readable: Readable) -> Result<Response, ApiError> {
    let access = readable.live()?;
    let (app, visibility) = (&access.app, access.visibility());
    let private = service.private_state(app.id).await?;
    let one_offs = private.one_offs.iter().filter(|one_off| one_off.ended_at.is_none());
    let containers = formation(app)
        .chain(one_offs.map(|one_off| ContainerView::of_one_off(app, one_off, visibility)))
        .collect();
    Ok(ok(&ContainersAnswer { containers }))
}

/// Returns the containers of the formation: none before the first deployment, or while the app is stopped.
fn formation(app: &App) -> impl Iterator<Item = ContainerView> {
    let is_running = app.last_deployment.is_some() && !app.stopped;
    app.formation.iter().filter(move |_| is_running).flat_map(move |(name, container)| {
        (1..=container.amount)
            .map(move |index| ContainerView::of_formation(app, name, index, &container.size))
    })
}

/// Ends a one-off command.
async fn stop_container(
    access: Authorized<StopOneOff>,
    Segments([_, id]): Segments<2>,
) -> Result<Response, ApiError> {
    if let Some(container) = formation(&access.app).find(|container| container.id == id) {
        let (label, kind) = (container.label, container.kind);
        let message = format!("{label} is no one-off container: scale {kind} down to stop it");
        return Err(ApiError::invalid("container", &message));
    }
    let id = id.parse().map_err(|_| ApiError::NotFound("container"))?;
    access.act(StopOneOff { id }, b"").await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// Shows the input and output of a one-off command. The body is a list, unlike that of any other response.
async fn show_audit_log(
    State(service): State<Service>,
    readable: Readable,
    LastSegment(id): LastSegment,
) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live_not_limited()?;
    let private = service.private_state(app.id).await?;
    let one_off = private.one_offs.iter().find(|one_off| one_off.id.to_string() == id);
    Ok(ok(&one_off.ok_or(ApiError::NotFound("audit_log"))?.audit_log))
}

#[derive(Deserialize, JsonSchema)]
struct WriteAuditLogBody {
    /// The input and output since the last request.
    entries: Option<Vec<AuditLogEntry>>,
    /// Whether the command has ended.
    finished: Option<bool>,
}

/// Appends to the input and output of a one-off command.
async fn write_audit_log(
    access: Authorized<WriteAuditLog>,
    LastSegment(id): LastSegment,
    body: JsonBody<WriteAuditLogBody>,
) -> Result<Response, ApiError> {
    let id: EventId = id.parse().map_err(|_| ApiError::NotFound("audit_log"))?;
    let WriteAuditLogBody { entries, finished } = body.value;
    let action =
        WriteAuditLog { id, entries: entries.unwrap_or_default(), finished: finished.unwrap_or(false) };
    let private = access.act(action, &body.bytes).await?.private;
    let one_off = private.one_offs.iter().find(|one_off| one_off.id == id);
    Ok(ok(&one_off.ok_or(ApiError::NotFound("audit_log"))?.audit_log))
}

#[derive(Serialize, JsonSchema)]
struct RunCommandAnswer {
    container: ContainerView,
    operation_url: String,
    attach_url: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct ContainersAnswer {
    containers: Vec<ContainerView>,
}

#[derive(Serialize, JsonSchema)]
struct ContainerView {
    id: String,
    app_id: AppId,
    created_at: Time,
    deleted_at: Option<Time>,
    command: String,
    #[serde(rename = "type")]
    kind: String,
    type_index: u32,
    label: String,
    state: &'static str,
    container_size: ContainerSizeView,
}

impl ContainerView {
    fn of_formation(app: &App, name: &str, index: u32, size: &str) -> Self {
        let label = format!("{name}-{index}");
        Self {
            id: ResourceId::derived(app.id, "container", &label).to_string(),
            app_id: app.id,
            created_at: app.last_deployment.as_ref().map_or(app.created_at, |last| last.finished_at),
            deleted_at: None,
            command: String::new(),
            kind: name.to_owned(),
            type_index: index,
            label,
            state: "running",
            container_size: ContainerSizeView::of(size),
        }
    }

    fn of_one_off(app: &App, one_off: &OneOff, visibility: Visibility) -> Self {
        // The part of the identifier that differs between the one-offs of an app.
        let bytes = one_off.id.as_bytes();
        let index = u32::from(u16::from_be_bytes([bytes[8], bytes[9]]));
        Self {
            id: one_off.id.to_string(),
            app_id: app.id,
            created_at: one_off.created_at,
            deleted_at: one_off.ended_at,
            command: visibility.secret(one_off.command.clone()).unwrap_or_default(),
            kind: "one-off".to_owned(),
            type_index: index,
            label: format!("one-off-{index}"),
            state: if one_off.ended_at.is_some() { "stopped" } else { "running" },
            container_size: ContainerSizeView::of(&one_off.size),
        }
    }
}
