//! The link between an app and a repository.

use annals_model::app::{Link, LinkSettings, Unlink, UpdateLink};
use annals_model::{App, AppId, EventId, PrivateState, Time};
use annals_service::{Service, Visibility};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::{created, ok};
use crate::api::{Api, op};
use crate::error::ApiError;
use crate::extract::{AnyCollaborator, Authorized, JsonBody, Readable, required};

pub(crate) fn api() -> Api {
    const PATH: &str = "/v1/apps/{app}/scm_repo_link";
    Api::of("Source control")
        .get(PATH, show_link, op("The repository of an app").anybody_known().ok::<LinkAnswer>())
        .post(
            PATH,
            link,
            op("Link an app to a repository (link_scm)").body::<LinkBody>().created::<LinkAnswer>(),
        )
        .patch(
            PATH,
            update_link,
            op("Change what happens by itself (update_scm)").body::<UpdateBody>().ok::<LinkAnswer>(),
        )
        .delete(PATH, unlink, op("Unlink an app from its repository (unlink_scm)").no_content())
        .get(
            "/v1/apps/{app}/scm_repo_link/hook",
            show_hook,
            op("Where the forge is to send its webhooks, and with which secret").ok::<HookAnswer>(),
        )
}

/// Shows the link of an app.
async fn show_link(State(service): State<Service>, readable: Readable) -> Result<Response, ApiError> {
    let access = readable.live()?;
    let private = service.private_state(access.app.id).await?;
    Ok(ok(&LinkAnswer::new(&access.app, &private, access.visibility())?))
}

#[derive(Deserialize, JsonSchema)]
struct LinkBody {
    scm_repo_link: Option<LinkFields>,
}

#[derive(Deserialize, JsonSchema)]
struct LinkFields {
    /// The repository's URL.
    source: Option<String>,
    /// The identifier of the integration, as in `/v1/scm_integrations`.
    auth_integration_uuid: Option<String>,
    #[serde(flatten)]
    settings: SettingsFields,
}

#[derive(Deserialize, JsonSchema)]
struct SettingsFields {
    branch: Option<String>,
    auto_deploy_enabled: Option<bool>,
    deploy_review_apps_enabled: Option<bool>,
    delete_on_close_enabled: Option<bool>,
    hours_before_delete_on_close: Option<u32>,
    delete_stale_enabled: Option<bool>,
    hours_before_delete_stale: Option<u32>,
    automatic_creation_from_forks_allowed: Option<bool>,
}

impl From<SettingsFields> for LinkSettings {
    fn from(fields: SettingsFields) -> Self {
        Self {
            branch: fields.branch.filter(|branch| !branch.is_empty()),
            auto_deploy: fields.auto_deploy_enabled,
            auto_deploy_review_apps: fields.deploy_review_apps_enabled,
            delete_on_close: fields.delete_on_close_enabled,
            hours_before_delete_on_close: fields.hours_before_delete_on_close,
            delete_stale: fields.delete_stale_enabled,
            hours_before_delete_stale: fields.hours_before_delete_stale,
            creation_from_forks_allowed: fields.automatic_creation_from_forks_allowed,
        }
    }
}

/// Links an app to a repository.
async fn link(access: Authorized<Link>, body: JsonBody<LinkBody>) -> Result<Response, ApiError> {
    let fields = required(body.value.scm_repo_link, "scm_repo_link")?;
    let action = Link {
        source: required(fields.source, "source")?,
        integration_id: required(fields.auth_integration_uuid, "auth_integration_uuid")?,
        settings: fields.settings.into(),
    };
    let outcome = access.act(action, &body.bytes).await?;
    Ok(created(&LinkAnswer::new(&outcome.app, &outcome.private, Visibility::ALL)?))
}

#[derive(Deserialize, JsonSchema)]
struct UpdateBody {
    scm_repo_link: Option<SettingsFields>,
}

/// Changes the automation settings.
async fn update_link(
    access: Authorized<UpdateLink>,
    body: JsonBody<UpdateBody>,
) -> Result<Response, ApiError> {
    let fields = required(body.value.scm_repo_link, "scm_repo_link")?;
    let outcome = access.act(UpdateLink(fields.into()), &body.bytes).await?;
    Ok(ok(&LinkAnswer::new(&outcome.app, &outcome.private, Visibility::ALL)?))
}

/// Unlinks an app from its repository.
async fn unlink(access: Authorized<Unlink>) -> Result<Response, ApiError> {
    access.act(Unlink, b"").await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Shows the URL and the secret to set up the webhook at the forge.
async fn show_hook(
    State(service): State<Service>,
    access: Authorized<AnyCollaborator>,
) -> Result<Response, ApiError> {
    let private = service.private_state(access.app.id).await?;
    let secret = private.hook_secret.clone().ok_or(ApiError::NotFound("scm_repo_link"))?;
    let url = format!("{}/v1/apps/{}/scm_repo_link/hook", service.public_url(), access.app.id);
    Ok(ok(&HookAnswer { hook: HookView { url, secret: secret.0 } }))
}

#[derive(Serialize, JsonSchema)]
struct LinkAnswer {
    scm_repo_link: LinkView,
}

#[derive(Serialize, JsonSchema)]
struct LinkView {
    id: EventId,
    app_id: AppId,
    auth_integration_uuid: Option<String>,
    linker: LinkerView,
    /// The root URL of the forge.
    url: String,
    owner: String,
    repo: String,
    branch: Option<String>,
    scm_type: String,
    created_at: Time,
    updated_at: Time,
    auto_deploy_enabled: bool,
    deploy_review_apps_enabled: bool,
    delete_on_close_enabled: bool,
    hours_before_delete_on_close: u32,
    delete_stale_enabled: bool,
    hours_before_delete_stale: u32,
    automatic_creation_from_forks_allowed: bool,
    last_auto_deploy_at: Option<Time>,
}

#[derive(Serialize, JsonSchema)]
struct LinkerView {
    id: String,
    username: String,
    email: String,
}

impl LinkAnswer {
    fn new(app: &App, private: &PrivateState, visibility: Visibility) -> Result<Self, ApiError> {
        let mut link = app.scm_link.as_deref().cloned().ok_or(ApiError::NotFound("scm_repo_link"))?;
        link.source = visibility.url(&link.source).unwrap_or_default();
        let repo_name = link.repo_name();
        let (owner, repo) = repo_name.rsplit_once('/').unwrap_or(("", &repo_name));
        let url = link.source.strip_suffix(&*repo_name).unwrap_or(&link.source).trim_end_matches('/');
        let scm_type = private.scm_type.clone().unwrap_or_else(|| link.scm_type().to_owned());
        let automation = &link.automation;
        let scm_repo_link = LinkView {
            id: link.id,
            app_id: app.id,
            auth_integration_uuid: private.integration_id.clone(),
            linker: LinkerView {
                id: link.linker.as_ref().map(|linker| linker.id.to_string()).unwrap_or_default(),
                username: link.linker_username.clone(),
                email: link.linker.as_ref().map(|linker| linker.email.clone()).unwrap_or_default(),
            },
            url: url.to_owned(),
            owner: owner.to_owned(),
            repo: repo.to_owned(),
            branch: link.branch.clone(),
            scm_type,
            created_at: link.created_at,
            updated_at: link.updated_at,
            auto_deploy_enabled: automation.auto_deploy,
            deploy_review_apps_enabled: automation.auto_deploy_review_apps,
            delete_on_close_enabled: automation.delete_on_close,
            hours_before_delete_on_close: automation.hours_before_delete_on_close,
            delete_stale_enabled: automation.delete_stale,
            hours_before_delete_stale: automation.hours_before_delete_stale,
            automatic_creation_from_forks_allowed: automation.creation_from_forks_allowed,
            last_auto_deploy_at: None,
        };
        Ok(Self { scm_repo_link })
    }
}

#[derive(Serialize, JsonSchema)]
struct HookAnswer {
    hook: HookView,
}

#[derive(Serialize, JsonSchema)]
struct HookView {
    url: String,
    secret: String,
}
