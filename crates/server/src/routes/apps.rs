//! Apps.

use std::collections::HashMap;

use annals_model::App;
use annals_model::app::{CreateApp, DeleteApp, RenameApp};
use annals_store::{Listing, Row, RowKey};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::{Access, Acting, Readable, to_uuid};
use crate::answer::{created, ok};
use crate::auth::SignedIn;
use crate::body::{JsonBody, required};
use crate::error::ApiError;
use crate::limits::APPS_MAX;
use crate::service::Service;

/// The apps that who asks owns or collaborates on, by name. The key is the only one: clients take no other.
pub(crate) async fn list_apps(State(service): State<Service>, user: SignedIn) -> Result<Response, ApiError> {
    let mut apps = Vec::new();
    for (key, _) in service.store.list(Listing::AppsOf(user.id()), APPS_MAX).await? {
        if let RowKey::Member(_, id) = key
            && let Some(Row::App(app)) = service.store.row(&RowKey::App(id)).await?
        {
            apps.push(app);
        }
    }
    apps.sort_by(|a, b| a.name.cmp(&b.name));
    let apps: Vec<Value> = apps.iter().map(|app| view(&service, app)).collect();
    Ok(ok(&json!({ "apps": apps })))
}

#[derive(Deserialize)]
pub(crate) struct CreateBody {
    app: Option<CreateFields>,
}

#[derive(Deserialize)]
struct CreateFields {
    name: Option<String>,
    git_source: Option<String>,
}

/// Makes an app. With `X-Dry-Run: true` it only says whether it would.
pub(crate) async fn create_app(
    State(service): State<Service>,
    acting: Acting,
    body: JsonBody<CreateBody>,
) -> Result<Response, ApiError> {
    let fields = required(body.value.app, "app")?;
    let git_source = fields.git_source.filter(|source| !source.is_empty());
    let action = CreateApp { name: required(fields.name, "name")?, git_source };
    let outcome = service.recorder.create_app(acting.request(&body.bytes), action).await?;
    Ok(created(&json!({ "app": view(&service, &outcome.app) })))
}

/// One app.
pub(crate) async fn show_app(
    State(service): State<Service>,
    readable: Readable,
) -> Result<Response, ApiError> {
    let Readable { app, .. } = readable.live()?;
    Ok(ok(&json!({ "app": view(&service, &app) })))
}

#[derive(Deserialize)]
pub(crate) struct RenameBody {
    current_name: Option<String>,
    new_name: Option<String>,
}

/// Gives an app another name.
pub(crate) async fn rename_app(
    State(service): State<Service>,
    access: Access<RenameApp>,
    body: JsonBody<RenameBody>,
) -> Result<Response, ApiError> {
    let current_name = required(body.value.current_name, "current_name")?;
    let new_name = required(body.value.new_name, "name")?;
    let outcome = access.act(RenameApp { current_name, new_name }, &body.bytes).await?;
    Ok(ok(&json!({ "app": view(&service, &outcome.app) })))
}

#[derive(Deserialize)]
pub(crate) struct DeleteBody {
    current_name: Option<String>,
}

/// Deletes an app. Its timeline stays, by its identifier, for its last owner and the operator.
pub(crate) async fn delete_app(
    access: Access<DeleteApp>,
    Query(mut query): Query<HashMap<String, String>>,
    body: JsonBody<DeleteBody>,
) -> Result<Response, ApiError> {
    let current_name = query.remove("current_name").or(body.value.current_name);
    let current_name = required(current_name, "current_name")?;
    access.act(DeleteApp { current_name }, &body.bytes).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// An app as clients read it.
fn view(service: &Service, app: &App) -> Value {
    let owner = app.owner.as_ref().map_or_else(
        || json!({ "id": "", "username": "", "email": "", "flags": {} }),
        |owner| json!({ "id": owner.id, "username": owner.username, "email": owner.email, "flags": {} }),
    );
    let public_url = &service.config.public_url;
    let host = public_url.split_once("://").map_or(public_url.as_str(), |(_, host)| host);
    let url = format!("{public_url}/{}", app.name);
    let deployment = app.last_deployment.as_ref();
    json!({
        "id": app.id,
        "uuid": to_uuid(app.id),
        "name": app.name,
        "region": service.config.region,
        "parent_app_name": "",
        "git_url": format!("git@{host}:{}.git", app.name),
        "url": url,
        "base_url": url,
        "created_at": app.created_at,
        "updated_at": app.updated_at,
        "status": if deployment.is_some() { "running" } else { "new" },
        "owner": owner,
        "project": { "id": "", "name": "default", "flags": {} },
        "last_deployed_at": deployment.map(|deployment| deployment.finished_at),
        "last_deployed_by": deployment.map(|deployment| &deployment.pusher),
        "last_deployment_id": deployment.map(|deployment| &deployment.id),
        "links": {},
        "git_source": app.git_source,
        "flags": {},
        "limits": {},
        "force_https": false,
        "sticky_session": false,
        "router_logs": false,
        "stack_id": "",
        "hds_resource": false,
        "private_networks_ids": [],
        "data_access_consent": null,
    })
}
