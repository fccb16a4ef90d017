//! The API for add-on providers, with their own credential: they list the apps with their add-on, and change the add-on's
//! variables, which restarts the app.

use std::collections::BTreeMap;

use annals_model::App;
use annals_model::app::{ConfigureAddon, NewValue, find_addon};
use annals_model::directory::Provider;
use annals_service::{Request, Service, is_password_of};
use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::request::Parts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::ok;
use crate::api::{Api, op};
use crate::error::{ApiError, BAD_CREDENTIALS};
use crate::extract::{JsonBody, RemoteIp, Segments, name_and_password, required};
use crate::state::AppState;

pub(crate) fn api() -> Api {
    const ONE: &str = "/v1/provider/apps/{resource}";
    Api::of("Add-on providers")
        .get(
            "/v1/provider/apps",
            list_apps,
            op("The apps that have the provider's add-on").basic().ok::<AppsAnswer>(),
        )
        .get(ONE, show_app, op("One of them, by add-on, resource or app").basic().ok::<AppAnswer>())
        .patch(
            ONE,
            configure,
            op("Change the add-on's variables and restart the app (new_variable, edit_variable, restart)")
                .basic()
                .body::<ConfigBody>()
                .ok::<AppAnswer>(),
        )
}

/// A provider with a valid credential.
struct Asking(Provider);

impl FromRequestParts<AppState> for Asking {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let given = name_and_password(parts).ok_or(BAD_CREDENTIALS)?;
        let directory = state.service.directory().await?;
        let provider = directory.provider(&given.name).ok_or(BAD_CREDENTIALS)?;
        if is_password_of(provider, &given.password) {
            return Ok(Self(provider.clone()));
        }
        let RemoteIp(remote_ip) = RemoteIp::of(parts, &state.config.trusted_proxies);
        state.attempts.check(remote_ip, &given.name)?;
        Err(BAD_CREDENTIALS)
    }
}

/// Lists the apps that have the provider's add-on.
async fn list_apps(State(service): State<Service>, Asking(provider): Asking) -> Result<Response, ApiError> {
    let mut apps = Vec::new();
    for (app, id) in service.addons_of(&provider.id).await? {
        if let Some(app) = service.app(app).await?
            && let Ok((resource_id, addon)) = find_addon(&app, &id)
        {
            let plan = addon.plan.clone();
            apps.push(AppEntry { addon_provider_id: resource_id.clone(), app_id: id, plan });
        }
    }
    Ok(ok(&AppsAnswer { apps }))
}

/// Shows an app that has the provider's add-on.
async fn show_app(
    State(service): State<Service>,
    Asking(provider): Asking,
    Segments([resource]): Segments<1>,
) -> Result<Response, ApiError> {
    let (app, id) = service.addon_of_provider(&provider, &resource).await?;
    Ok(ok(&AppAnswer::new(&app, &id)?))
}

#[derive(Deserialize, JsonSchema)]
struct ConfigBody {
    /// The new values of the add-on's variables, by name.
    config: Option<BTreeMap<String, String>>,
}

/// Changes variables and restarts the app. The events have no user.
async fn configure(
    State(service): State<Service>,
    Asking(provider): Asking,
    RemoteIp(remote_ip): RemoteIp,
    Segments([resource]): Segments<1>,
    body: JsonBody<ConfigBody>,
) -> Result<Response, ApiError> {
    let (app, id) = service.addon_of_provider(&provider, &resource).await?;
    let config = required(body.value.config, "config")?;
    let config = config.into_iter().map(|(name, value)| NewValue { name, value }).collect();
    let request = Request { remote_ip, ..Request::default() };
    let outcome = service.act(request, app.id, ConfigureAddon { id: id.clone(), config }).await?;
    Ok(ok(&AppAnswer::new(&outcome.app, &id)?))
}

#[derive(Serialize, JsonSchema)]
struct AppsAnswer {
    apps: Vec<AppEntry>,
}

#[derive(Serialize, JsonSchema)]
struct AppEntry {
    addon_provider_id: String,
    app_id: String,
    plan: String,
}

#[derive(Serialize, JsonSchema)]
struct AppAnswer {
    app: AppView,
}

#[derive(Serialize, JsonSchema)]
struct AppView {
    addon_provider_id: String,
    id: String,
    name: String,
    owner_email: Option<String>,
    plan: String,
    /// The add-on's variables, by name.
    config: BTreeMap<String, String>,
}

impl AppAnswer {
    fn new(app: &App, id: &str) -> Result<Self, ApiError> {
        let (resource_id, addon) = find_addon(app, id)?;
        let config =
            addon.variables.iter().filter_map(|name| Some((name.clone(), app.variables.get(name)?.clone())));
        let app = AppView {
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
