//! What the providers of add-ons ask for themselves, with their own credential: which apps have theirs, and that an
//! app's variables be changed, after which it restarts.

use std::collections::BTreeMap;

use annals_model::app::{ConfigureAddon, NewValue, addon_id, find_addon, is_addon_id};
use annals_model::directory::Provider;
use annals_model::{App, AppId};
use annals_store::{Listing, Request, Row, RowKey, TokenHash};
use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::request::Parts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::access::{Segments, find};
use crate::answer::ok;
use crate::api::{Api, op};
use crate::auth::{BAD_CREDENTIALS, name_and_password};
use crate::body::{JsonBody, required};
use crate::error::ApiError;
use crate::limits::APPS_MAX;
use crate::remote_ip::RemoteIp;
use crate::service::Service;

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

/// A provider that presents its credential.
struct Asking(Provider);

impl FromRequestParts<Service> for Asking {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, ApiError> {
        let given = name_and_password(parts).ok_or(BAD_CREDENTIALS)?;
        let directory = service.recorder.directory().await?;
        let provider = directory.provider(&given.name).ok_or(BAD_CREDENTIALS)?;
        let known =
            provider.password_sha256.as_deref().and_then(TokenHash::from_hex).ok_or(BAD_CREDENTIALS)?;
        let is_right: bool = TokenHash::of(&given.password).as_bytes().ct_eq(known.as_bytes()).into();
        if is_right {
            return Ok(Self(provider.clone()));
        }
        let RemoteIp(remote_ip) = RemoteIp::of(parts, &service.config.trusted_proxies);
        service.attempts.check(remote_ip, &given.name)?;
        Err(BAD_CREDENTIALS)
    }
}

/// The apps that have the provider's add-on.
async fn list_apps(State(service): State<Service>, Asking(provider): Asking) -> Result<Response, ApiError> {
    let mut apps = Vec::new();
    for (app, id) in resources(&service, &provider).await? {
        if let Some(app) = find(&service, &app.to_string()).await?
            && let Ok((resource_id, addon)) = find_addon(&app, &id)
        {
            let plan = addon.plan.clone();
            apps.push(AppEntry { addon_provider_id: resource_id.clone(), app_id: id, plan });
        }
    }
    Ok(ok(&AppsAnswer { apps }))
}

/// One app that has the provider's add-on.
async fn show_app(
    State(service): State<Service>,
    Asking(provider): Asking,
    Segments([resource]): Segments<1>,
) -> Result<Response, ApiError> {
    let (app, id) = named(&service, &provider, &resource).await?;
    Ok(ok(&AppAnswer::new(&app, &id)?))
}

#[derive(Deserialize, JsonSchema)]
struct ConfigBody {
    /// The variables of the add-on, with the values they are to have.
    config: Option<BTreeMap<String, String>>,
}

/// Changes variables and restarts the app: in nobody's name, since no user does it.
async fn configure(
    State(service): State<Service>,
    Asking(provider): Asking,
    RemoteIp(remote_ip): RemoteIp,
    Segments([resource]): Segments<1>,
    body: JsonBody<ConfigBody>,
) -> Result<Response, ApiError> {
    let (app, id) = named(&service, &provider, &resource).await?;
    let config = required(body.value.config, "config")?;
    let config = config.into_iter().map(|(name, value)| NewValue { name, value }).collect();
    let request = Request { remote_ip, ..Request::default() };
    let outcome = service.recorder.act(request, app.id, ConfigureAddon { id: id.clone(), config }).await?;
    Ok(ok(&AppAnswer::new(&outcome.app, &id)?))
}

/// The add-ons of that provider, with their apps.
async fn resources(service: &Service, provider: &Provider) -> Result<Vec<(AppId, String)>, ApiError> {
    let listed = service.store.list(Listing::AddonsOf(provider.id.clone()), APPS_MAX).await?;
    let found = listed.into_iter().filter_map(|(key, row)| match (key, row) {
        (RowKey::AddonOf(_, id), Row::AppWithName(app)) => Some((app, id)),
        _ => None,
    });
    Ok(found.collect())
}

/// The add-on that a provider names: by its identifier, its resource, or its app.
async fn named(
    service: &Service,
    provider: &Provider,
    resource: &str,
) -> Result<(std::sync::Arc<App>, String), ApiError> {
    const MISSING: ApiError = ApiError::NotFound("app");
    let app = if is_addon_id(resource) {
        match service.store.row(&RowKey::Addon(resource.to_owned())).await? {
            Some(Row::AppWithName(app)) => find(service, &app.to_string()).await?,
            _ => None,
        }
    } else if resource.parse::<AppId>().is_ok() {
        find(service, resource).await?
    } else {
        let mut found = None;
        for (app, _) in resources(service, provider).await? {
            let app = find(service, &app.to_string()).await?;
            if let Some(app) = app.filter(|app| app.addons.contains_key(resource)) {
                found = Some(app);
                break;
            }
        }
        found
    };
    let app = app.filter(|app| app.deleted_at.is_none()).ok_or(MISSING)?;
    let is_meant = |id: &str, resource_id: &str| {
        resource == id || resource == resource_id || app.id.to_string() == resource
    };
    let id = app
        .addons
        .iter()
        .filter(|(_, addon)| addon.provider == provider.id)
        .map(|(resource_id, _)| (addon_id(app.id, resource_id), resource_id))
        .find(|(id, resource_id)| is_meant(id, resource_id))
        .map(|(id, _)| id)
        .ok_or(MISSING)?;
    Ok((app, id))
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
    /// The variables that the add-on brought.
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
