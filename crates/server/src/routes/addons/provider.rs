//! The API for add-on providers, who have their own credential. They list the apps with their add-on, and change the
//! add-on's variables, which restarts the app.

use std::collections::BTreeMap;

use annals_model::App;
use annals_model::app::{ConfigureAddon, NewValue, find_addon};
use annals_service::{Request, Service};
use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::ok;
use crate::api::{Api, op};
use crate::error::ApiError;
use crate::extract::{Asking, JsonBody, RemoteIp, Segments, required};
use crate::idempotency::Repeatable;

pub(crate) fn api() -> Api {
    const ONE: &str = "/v1/provider/apps/{resource}";
    Api::of("Add-on providers")
        .get(
            "/v1/provider/apps",
            list_provider_apps,
            op("List the apps that have the provider's add-on").basic().ok::<ProviderAppsAnswer>(),
        )
        .get(
            ONE,
            show_provider_app,
            op("Get an app that has the provider's add-on").basic().ok::<ProviderAppAnswer>(),
        )
        .patch(
            ONE,
            configure_provider_app,
            op("Set the add-on's variables and restart the app")
                .records(&["new_variable", "edit_variable", "restart"])
                .basic()
                .repeatable()
                .body::<ProviderConfigBody>()
                .example(json!({ "config": { "REDIS_URL": "redis://redis.example.com:6379" } }))
                .ok::<ProviderAppAnswer>(),
        )
}

/// Lists the apps that have the provider's add-on.
async fn list_provider_apps(
    State(service): State<Service>,
    Asking(provider): Asking,
) -> Result<Response, ApiError> {
    let mut apps = Vec::new();
    for (app, id) in service.addons_of(&provider.id).await? {
        if let Some(app) = service.app(app).await?
            && let Ok((resource_id, addon)) = find_addon(&app, &id)
        {
            let plan = addon.plan.clone();
            apps.push(ProviderAppEntry { addon_provider_id: resource_id.clone(), app_id: id, plan });
        }
    }
    Ok(ok(&ProviderAppsAnswer { apps }))
}

/// Shows an app that has the provider's add-on.
async fn show_provider_app(
    State(service): State<Service>,
    Asking(provider): Asking,
    Segments([resource]): Segments<1>,
) -> Result<Response, ApiError> {
    let (app, id) = service.addon_of_provider(&provider, &resource).await?;
    Ok(ok(&ProviderAppAnswer::new(&app, &id)?))
}

#[derive(Deserialize, JsonSchema)]
struct ProviderConfigBody {
    /// The new values of the add-on's variables, by name.
    config: Option<BTreeMap<String, String>>,
}

/// Changes variables and restarts the app. The events have no user.
async fn configure_provider_app(
    State(service): State<Service>,
    Asking(provider): Asking,
    RemoteIp(remote_ip): RemoteIp,
    repeatable: Repeatable,
    Segments([resource]): Segments<1>,
    body: JsonBody<ProviderConfigBody>,
) -> Result<Response, ApiError> {
    let (app, id) = service.addon_of_provider(&provider, &resource).await?;
    let config = required(body.value.config, "config")?;
    let config = config.into_iter().map(|(name, value)| NewValue { name, value }).collect();
    let idempotency = repeatable.idempotency_of(&format!("provider {}", provider.id), &body.bytes);
    let request = Request { remote_ip, idempotency, ..Request::default() };
    let outcome = service.act(request, app.id, ConfigureAddon { id: id.clone(), config }).await?;
    Ok(ok(&ProviderAppAnswer::new(&outcome.app, &id)?))
}

#[derive(Serialize, JsonSchema)]
struct ProviderAppsAnswer {
    apps: Vec<ProviderAppEntry>,
}

#[derive(Serialize, JsonSchema)]
struct ProviderAppEntry {
    addon_provider_id: String,
    app_id: String,
    plan: String,
}

#[derive(Serialize, JsonSchema)]
struct ProviderAppAnswer {
    app: ProviderAppView,
}

#[derive(Serialize, JsonSchema)]
struct ProviderAppView {
    addon_provider_id: String,
    id: String,
    name: String,
    owner_email: Option<String>,
    plan: String,
    /// The add-on's variables, by name.
    config: BTreeMap<String, String>,
}

impl ProviderAppAnswer {
    fn new(app: &App, id: &str) -> Result<Self, ApiError> {
        let (resource_id, addon) = find_addon(app, id)?;
        let config =
            addon.variables.iter().filter_map(|name| Some((name.clone(), app.variables.get(name)?.clone())));
        let app = ProviderAppView {
            addon_provider_id: resource_id.clone(),
            id: id.to_owned(),
            name: app.name.clone(),
            owner_email: app.owner.as_ref().map(|owner| owner.email.clone()),
            plan: addon.plan.clone(),
            config: config.collect(),
        };
        Ok(Self { app })
    }
}
