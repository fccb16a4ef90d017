//! Apps.

use std::collections::{BTreeMap, HashMap};

use annals_model::app::{
    ChangeStack, CreateApp, DeleteApp, EditApp, LastDeployment, RenameApp, TransferApp, stack_id,
};
use annals_model::{App, AppId, ProjectRef, Time};
use annals_service::{AppReference, Visibility, to_uuid};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{created, ok};
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{Acting, AnyCollaborator, Authorized, JsonBody, Readable, User, given, required};
use crate::routes::apps::consents::ConsentView;
use crate::state::AppState;

pub(crate) fn api() -> Api {
    let creates = |summary, name| {
        action(summary)
            .records(&["new_app"])
            .body::<CreateAppBody>()
            .example(json!({ "app": { "name": name } }))
            .created::<AppAnswer>()
    };
    Api::of("Apps")
        .get("/v1/apps", list_apps, op("List the apps you own or collaborate on").ok::<AppsAnswer>())
        .post("/v1/apps", create_app, creates("Create an app", "new-app"))
        .get("/v1/apps/{app}", show_app, op("Get an app").anybody_known().ok::<AppAnswer>())
        .patch(
            "/v1/apps/{app}",
            update_app,
            action("Change the owner, the stack or the settings of an app: one of the three per request")
                .records(&["transfer_app", "stack_changed", "edit_app"])
                .query("current_name", "The app's current name, to confirm a transfer.")
                .body::<UpdateAppBody>()
                .example(json!({ "app": { "force_https": true } }))
                .ok::<AppAnswer>(),
        )
        .delete(
            "/v1/apps/{app}",
            delete_app,
            action("Delete an app or a review app")
                .records(&["delete_app", "destroy_review_app"])
                .query("current_name", "The app's current name, as a confirmation.")
                .body::<DeleteAppBody>()
                .example(json!({ "current_name": "my-app" }))
                .no_content(),
        )
        .post(
            "/v1/apps/{app}/rename",
            rename_app,
            action("Rename an app")
                .records(&["rename_app", "rename_review_app"])
                .body::<RenameAppBody>()
                .example(json!({ "current_name": "my-app", "new_name": "our-app" }))
                .ok::<AppAnswer>(),
        )
        .post(
            "/v1/apps/{app}/child_apps",
            create_child_app,
            creates("Create an app as a child of this one", "child-app"),
        )
}

/// Lists the apps that the caller owns or collaborates on, by name. Clients accept no other key beside the list.
async fn list_apps(State(state): State<AppState>, User(user): User) -> Result<Response, ApiError> {
    let apps = state.service.apps_of(user.id()).await?;
    let mut views = Vec::with_capacity(apps.len());
    for (app, visibility) in &apps {
        views.push(AppView::new(&state, app, *visibility).await?);
    }
    Ok(ok(&AppsAnswer { apps: views }))
}

#[derive(Deserialize, JsonSchema)]
struct CreateAppBody {
    app: Option<CreateAppFields>,
}

#[derive(Deserialize, JsonSchema)]
struct CreateAppFields {
    /// 6 to 48 lower-case letters, digits and hyphens.
    name: Option<String>,
    /// The URL of the Git repository with its code.
    git_source: Option<String>,
    /// The stack's identifier or name.
    stack_id: Option<String>,
    /// Must be absent or empty: there is only the default project.
    project_id: Option<String>,
    /// Whether the app will hold health data.
    hds_resource: Option<bool>,
    /// The parent app's name or identifier.
    parent_id: Option<String>,
}

/// Creates an app.
async fn create_app(
    State(state): State<AppState>,
    acting: Acting,
    body: JsonBody<CreateAppBody>,
) -> Result<Response, ApiError> {
    acting.user()?;
    let fields = required(body.value.app, "app")?;
    let parent = match fields.parent_id.as_deref().filter(|parent| !parent.is_empty()) {
        Some(parent) => {
            let parent = state.service.find_app(AppReference::App(parent)).await?;
            Some(parent.ok_or(ApiError::NotFound("app"))?.id)
        }
        None => None,
    };
    create(&state, acting, fields, parent, &body.bytes).await
}

/// Creates an app as a child of another.
async fn create_child_app(
    State(state): State<AppState>,
    access: Authorized<AnyCollaborator>,
    body: JsonBody<CreateAppBody>,
) -> Result<Response, ApiError> {
    let fields = required(body.value.app, "app")?;
    create(&state, access.acting, fields, Some(access.app.id), &body.bytes).await
}

async fn create(
    state: &AppState,
    acting: Acting,
    fields: CreateAppFields,
    parent: Option<AppId>,
    body: &[u8],
) -> Result<Response, ApiError> {
    if given(fields.project_id).is_some() {
        return Err(ApiError::NotFound("project"));
    }
    let action = CreateApp {
        name: required(fields.name, "name")?,
        git_source: given(fields.git_source),
        stack_id: given(fields.stack_id),
        hds_resource: fields.hds_resource.unwrap_or_default(),
        parent,
        pull_request: None,
    };
    let outcome = state.service.create_app(acting.request(body), action).await?;
    Ok(created(&AppAnswer::seen(state, &outcome.app, Visibility::of(outcome.role)).await?))
}

/// Shows an app.
async fn show_app(State(state): State<AppState>, readable: Readable) -> Result<Response, ApiError> {
    let access = readable.live()?;
    Ok(ok(&AppAnswer::seen(&state, &access.app, access.visibility()).await?))
}

#[derive(Deserialize, JsonSchema)]
struct RenameAppBody {
    current_name: Option<String>,
    new_name: Option<String>,
}

/// Renames an app.
async fn rename_app(
    State(state): State<AppState>,
    access: Authorized<RenameApp>,
    body: JsonBody<RenameAppBody>,
) -> Result<Response, ApiError> {
    let current_name = required(body.value.current_name, "current_name")?;
    let new_name = required(body.value.new_name, "name")?;
    let request = access.acting.request(&body.bytes);
    let action = RenameApp { current_name, new_name };
    let outcome = state.service.rename_app(request, access.app.id, action).await?;
    Ok(ok(&AppAnswer::new(&state, &outcome.app).await?))
}

/// Clients send the fields in an object or bare.
#[derive(Deserialize, JsonSchema)]
struct UpdateAppBody {
    app: Option<UpdateAppFields>,
    current_name: Option<String>,
    #[serde(flatten)]
    bare: UpdateAppFields,
}

#[derive(Deserialize, Default, JsonSchema)]
struct UpdateAppFields {
    /// The new owner's email address.
    owner: Option<String>,
    /// The new stack's identifier or name.
    stack_id: Option<String>,
    /// Must be absent or empty: there is only the default project.
    project_id: Option<String>,
    force_https: Option<bool>,
    sticky_session: Option<bool>,
    router_logs: Option<bool>,
}

/// Changes the owner, the stack or the settings: one of the three per request.
async fn update_app(
    State(state): State<AppState>,
    access: Authorized<AnyCollaborator>,
    Query(mut query): Query<HashMap<String, String>>,
    body: JsonBody<UpdateAppBody>,
) -> Result<Response, ApiError> {
    let UpdateAppBody { app, current_name, bare } = body.value;
    let fields = app.unwrap_or(bare);
    let settings = EditApp {
        force_https: fields.force_https,
        sticky_session: fields.sticky_session,
        router_logs: fields.router_logs,
    };
    let has_settings =
        [settings.force_https, settings.sticky_session, settings.router_logs].iter().any(Option::is_some);
    let bytes = &body.bytes;
    let outcome = match (given(fields.owner), given(fields.stack_id), has_settings, given(fields.project_id))
    {
        (Some(owner), None, false, None) => {
            let current_name = query.remove("current_name").or(current_name);
            access.instead().act(TransferApp { owner, current_name }, bytes).await?
        }
        (None, Some(stack_id), false, None) => access.instead().act(ChangeStack { stack_id }, bytes).await?,
        (None, None, true, None) => access.instead().act(settings, bytes).await?,
        (None, None, false, Some(_)) => return Err(ApiError::NotFound("project")),
        (None, None, false, None) => return Err(ApiError::invalid("app", "contains no change")),
        (Some(_), ..) => {
            return Err(ApiError::invalid("owner", "must be the only change in the request"));
        }
        _ => return Err(ApiError::invalid("app", "must not change the stack and settings in one request")),
    };
    Ok(ok(&AppAnswer::new(&state, &outcome.app).await?))
}

#[derive(Deserialize, JsonSchema)]
struct DeleteAppBody {
    current_name: Option<String>,
}

/// Deletes an app. Its last owner and the operator can still read its timeline by its identifier.
async fn delete_app(
    State(state): State<AppState>,
    access: Authorized<DeleteApp>,
    Query(mut query): Query<HashMap<String, String>>,
    body: JsonBody<DeleteAppBody>,
) -> Result<Response, ApiError> {
    let current_name = query.remove("current_name").or(body.value.current_name);
    let request = access.acting.request(&body.bytes);
    state.service.delete_app(request, access.app.id, DeleteApp { current_name }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Serialize, JsonSchema)]
struct AppsAnswer {
    apps: Vec<AppView>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct AppAnswer {
    app: AppView,
}

impl AppAnswer {
    /// Creates the view with all fields, for callers who may change the app.
    ///
    /// # Errors
    ///
    /// As [`Self::seen`].
    pub(crate) async fn new(state: &AppState, app: &App) -> Result<Self, ApiError> {
        Self::seen(state, app, Visibility::ALL).await
    }

    /// Creates the view with what this visibility allows.
    ///
    /// # Errors
    ///
    /// [`ApiError::Unreadable`] if the parent app cannot be read.
    pub(crate) async fn seen(state: &AppState, app: &App, visibility: Visibility) -> Result<Self, ApiError> {
        Ok(Self { app: AppView::new(state, app, visibility).await? })
    }
}

/// An app as clients read it.
#[derive(Serialize, JsonSchema)]
struct AppView {
    id: AppId,
    uuid: String,
    name: String,
    region: String,
    parent_app_name: String,
    git_url: String,
    url: String,
    base_url: String,
    created_at: Time,
    updated_at: Time,
    status: &'static str,
    owner: OwnerView,
    project: ProjectView,
    last_deployed_at: Option<Time>,
    last_deployed_by: Option<String>,
    last_deployment_id: Option<String>,
    links: BTreeMap<String, String>,
    git_source: Option<String>,
    flags: BTreeMap<String, bool>,
    limits: BTreeMap<String, u32>,
    force_https: bool,
    sticky_session: bool,
    router_logs: bool,
    stack_id: String,
    hds_resource: bool,
    private_networks_ids: Vec<String>,
    data_access_consent: Option<ConsentView>,
}

#[derive(Serialize, JsonSchema)]
struct OwnerView {
    id: String,
    username: String,
    email: String,
    flags: BTreeMap<String, bool>,
}

#[derive(Serialize, JsonSchema)]
struct ProjectView {
    id: String,
    name: String,
    flags: BTreeMap<String, bool>,
}

impl ProjectView {
    /// An app that no report moved belongs to the default project, which has no identifier.
    fn new(project: Option<&ProjectRef>) -> Self {
        let (id, name) =
            project.map_or((String::new(), "default".to_owned()), |it| (it.id.clone(), it.name.clone()));
        Self { id, name, flags: BTreeMap::new() }
    }
}

impl AppView {
    async fn new(state: &AppState, app: &App, visibility: Visibility) -> Result<Self, ApiError> {
        let parent_app_name = match app.parent {
            Some(parent) => {
                state.service.app(parent).await?.map(|parent| parent.name.clone()).unwrap_or_default()
            }
            None => String::new(),
        };
        let owner = app.owner.as_ref();
        let public_url = state.service.public_url();
        let host = public_url.split_once("://").map_or(public_url, |(_, host)| host);
        let url = format!("{public_url}/{}", app.name);
        let deployment: Option<&LastDeployment> = app.last_deployment.as_ref();
        Ok(Self {
            id: app.id,
            uuid: to_uuid(app.id),
            name: app.name.clone(),
            region: state.config.region.clone(),
            parent_app_name,
            git_url: format!("git@{host}:{}.git", app.name),
            base_url: url.clone(),
            url,
            created_at: app.created_at,
            updated_at: app.updated_at,
            status: match deployment {
                _ if app.stopped => "stopped",
                Some(_) => "running",
                None => "new",
            },
            owner: OwnerView {
                id: owner.map(|owner| owner.id.to_string()).unwrap_or_default(),
                username: owner.map(|owner| owner.username.clone()).unwrap_or_default(),
                email: owner.map(|owner| owner.email.clone()).unwrap_or_default(),
                flags: BTreeMap::new(),
            },
            project: ProjectView::new(app.project.as_ref()),
            last_deployed_at: deployment.map(|deployment| deployment.finished_at),
            last_deployed_by: deployment.map(|deployment| deployment.pusher.clone()),
            last_deployment_id: deployment.map(|deployment| deployment.id.clone()),
            links: BTreeMap::from([(
                "deployments_stream".to_owned(),
                // `http` becomes `ws`, and `https` becomes `wss`.
                format!("{}/v1/apps/{}/deployments/stream", public_url.replacen("http", "ws", 1), app.id),
            )]),
            git_source: app.git_source.as_deref().and_then(|url| visibility.url(url)),
            flags: BTreeMap::new(),
            limits: BTreeMap::new(),
            force_https: app.force_https,
            sticky_session: app.sticky_session,
            router_logs: app.router_logs,
            stack_id: stack_id(app),
            hds_resource: app.hds_resource,
            private_networks_ids: Vec::new(),
            data_access_consent: app.consent.as_ref().map(|consent| ConsentView::new(app.id, consent)),
        })
    }
}
