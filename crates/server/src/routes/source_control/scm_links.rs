//! The link between an app and a repository.

use annals_model::app::{Link, LinkSettings, Unlink, UpdateLink};
use annals_model::{App, AppId, EventId, PrivateState, Time};
use annals_service::{Service, Visibility};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{created, ok};
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{AnyCollaborator, Authorized, JsonBody, Readable, required};

pub(crate) fn api() -> Api {
    const PATH: &str = "/v1/apps/{app}/scm_repo_link";
    Api::of("Source control")
        .get(
            PATH,
            show_scm_link,
            op("Get the repository link of an app").anybody_known().ok::<ScmLinkAnswer>(),
        )
        .post(
            PATH,
            create_scm_link,
            action("Link an app to a repository")
                .records(&["link_scm"])
                .body::<CreateScmLinkBody>()
                .example(json!({ "scm_repo_link": {
                    "source": "https://github.com/jane/my-app",
                    "auth_integration_uuid": "github",
                    "branch": "main",
                    "auto_deploy_enabled": true,
                } }))
                .created::<ScmLinkAnswer>(),
        )
        .patch(
            PATH,
            update_scm_link,
            action("Change what pushes and pull requests to the linked repository trigger")
                .records(&["update_scm"])
                .body::<UpdateScmLinkBody>()
                .example(json!({ "scm_repo_link": { "auto_deploy_enabled": false } }))
                .ok::<ScmLinkAnswer>(),
        )
        .delete(
            PATH,
            delete_scm_link,
            action("Unlink an app from its repository").records(&["unlink_scm"]).no_content(),
        )
        .get(
            "/v1/apps/{app}/scm_repo_link/hook",
            show_scm_hook,
            op("Get the URL and the secret to set up at the Git hosting service").ok::<ScmHookAnswer>(),
        )
}

/// Shows the link of an app.
async fn show_scm_link(State(service): State<Service>, readable: Readable) -> Result<Response, ApiError> {
    let access = readable.live()?;
    let private = service.private_state(access.app.id).await?;
    Ok(ok(&ScmLinkAnswer::new(&access.app, &private, access.visibility())?))
}

#[derive(Deserialize, JsonSchema)]
struct CreateScmLinkBody {
    scm_repo_link: Option<CreateScmLinkFields>,
}

#[derive(Deserialize, JsonSchema)]
struct CreateScmLinkFields {
    /// The repository's URL.
    source: Option<String>,
    /// The identifier of the integration, as in `/v1/scm_integrations`.
    auth_integration_uuid: Option<String>,
    #[serde(flatten)]
    settings: ScmLinkSettings,
}

#[derive(Deserialize, JsonSchema)]
struct ScmLinkSettings {
    branch: Option<String>,
    auto_deploy_enabled: Option<bool>,
    deploy_review_apps_enabled: Option<bool>,
    delete_on_close_enabled: Option<bool>,
    hours_before_delete_on_close: Option<u32>,
    delete_stale_enabled: Option<bool>,
    hours_before_delete_stale: Option<u32>,
    automatic_creation_from_forks_allowed: Option<bool>,
}

impl From<ScmLinkSettings> for LinkSettings {
    fn from(fields: ScmLinkSettings) -> Self {
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
async fn create_scm_link(
    access: Authorized<Link>,
    body: JsonBody<CreateScmLinkBody>,
) -> Result<Response, ApiError> {
    let fields = required(body.value.scm_repo_link, "scm_repo_link")?;
    let action = Link {
        source: required(fields.source, "source")?,
        integration_id: required(fields.auth_integration_uuid, "auth_integration_uuid")?,
        settings: fields.settings.into(),
    };
    let outcome = access.act(action, &body.bytes).await?;
    Ok(created(&ScmLinkAnswer::new(&outcome.app, &outcome.private, Visibility::ALL)?))
}

#[derive(Deserialize, JsonSchema)]
struct UpdateScmLinkBody {
    scm_repo_link: Option<ScmLinkSettings>,
}

/// Changes the automation settings.
async fn update_scm_link(
    access: Authorized<UpdateLink>,
    body: JsonBody<UpdateScmLinkBody>,
) -> Result<Response, ApiError> {
    let fields = required(body.value.scm_repo_link, "scm_repo_link")?;
    let outcome = access.act(UpdateLink(fields.into()), &body.bytes).await?;
    Ok(ok(&ScmLinkAnswer::new(&outcome.app, &outcome.private, Visibility::ALL)?))
}

/// Unlinks an app from its repository.
async fn delete_scm_link(access: Authorized<Unlink>) -> Result<Response, ApiError> {
    access.act(Unlink, b"").await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Shows the URL and the secret to set up the webhook at the forge.
async fn show_scm_hook(
    State(service): State<Service>,
    access: Authorized<AnyCollaborator>,
) -> Result<Response, ApiError> {
    let private = service.private_state(access.app.id).await?;
    let secret = private.hook_secret.clone().ok_or(ApiError::NotFound("scm_repo_link"))?;
    let url = format!("{}/v1/apps/{}/scm_repo_link/hook", service.public_url(), access.app.id);
    Ok(ok(&ScmHookAnswer { hook: ScmHookView { url, secret: secret.0 } }))
}

#[derive(Serialize, JsonSchema)]
struct ScmLinkAnswer {
    scm_repo_link: ScmLinkView,
}

#[derive(Serialize, JsonSchema)]
struct ScmLinkView {
    id: EventId,
    app_id: AppId,
    auth_integration_uuid: Option<String>,
    linker: LinkerView,
    /// The base URL of the Git hosting service.
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

impl ScmLinkAnswer {
    fn new(app: &App, private: &PrivateState, visibility: Visibility) -> Result<Self, ApiError> {
        let mut link = app.scm_link.as_deref().cloned().ok_or(ApiError::NotFound("scm_repo_link"))?;
        link.source = visibility.url(&link.source).unwrap_or_default();
        let repo_name = link.repo_name();
        let (owner, repo) = repo_name.rsplit_once('/').unwrap_or(("", &repo_name));
        let url = link.source.strip_suffix(&*repo_name).unwrap_or(&link.source).trim_end_matches('/');
        let scm_type = private.scm_type.clone().unwrap_or_else(|| link.scm_type().to_owned());
        let automation = &link.automation;
        let scm_repo_link = ScmLinkView {
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
struct ScmHookAnswer {
    hook: ScmHookView,
}

#[derive(Serialize, JsonSchema)]
struct ScmHookView {
    url: String,
    secret: String,
}
