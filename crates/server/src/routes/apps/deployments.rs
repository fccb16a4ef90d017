//! The deployments of an app.

use annals_model::app::{
    BuildDetails, DeployArchive, DeployBranch, DeploymentRecord, ImportDeployment, MoveDeployment, Progress,
};
use annals_model::catalogue::{CommitList, DeploymentType};
use annals_model::{App, AppId, EventId, Person, PrivateState, Role, Time};
use annals_service::{Access, Credential, Outcome, Service};
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{created, ok};
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{
    AnyMember, Authorized, Caller, JsonBody, LastSegment, Paged, Readable, Selection, given, given_time,
    required,
};
use crate::routes::timelines::events::Meta;
use crate::state::AppState;

pub(crate) fn api() -> Api {
    const ALL: &str = "/v1/apps/{app}/deployments";
    const ONE: &str = "/v1/apps/{app}/deployments/{deployment}";
    Api::of("Deployments")
        .get(
            ALL,
            list_deployments,
            op("List the latest deployments of an app").paged().anybody_known().ok::<DeploymentsAnswer>(),
        )
        .post(
            ALL,
            start_deployment,
            action("Deploy an archive. For the operator: record a deployment made elsewhere")
                .records(&["deployment"])
                .anybody_known()
                .body::<StartDeploymentBody>()
                .example(json!({ "deployment": {
                    "source_url": "https://example.com/my-app.tar.gz",
                    "git_ref": "v2",
                } }))
                .created::<DeploymentAnswer>(),
        )
        .get(ONE, show_deployment, op("Get a deployment").anybody_known().ok::<DeploymentAnswer>())
        .patch(
            ONE,
            update_deployment,
            action("Set the progress or the result of a deployment")
                .records(&["deployment"])
                .operator()
                .body::<UpdateDeploymentBody>()
                .example(json!({ "deployment": { "status": "success", "duration": 42 } }))
                .ok::<DeploymentAnswer>(),
        )
        .delete(
            "/v1/apps/{app}/caches/deployment",
            reset_deployment_cache,
            action("Clear the build cache: there is none here, so this does nothing").no_content(),
        )
        .post(
            "/v1/apps/{app}/scm_repo_link/manual_deploy",
            deploy_branch,
            action("Deploy a branch of the linked repository")
                .records(&["deployment"])
                .body::<DeployBranchBody>()
                .example(json!({ "branch": "main" }))
                .ok::<DeploymentAnswer>(),
        )
}

/// Lists the latest deployments, newest first.
async fn list_deployments(
    State(service): State<Service>,
    readable: Readable,
    selection: Selection,
) -> Result<Response, ApiError> {
    let Access { app, role, .. } = readable.live()?;
    let private = service.private_state(app.id).await?;
    let Paged { items, pagination } = selection.page_of(private.deployments.iter().collect());
    let views =
        items.into_iter().map(|record| DeploymentView::new(&service, &app, record).seen_by(role, record));
    let deployments = views.collect();
    Ok(ok(&DeploymentsAnswer { deployments, meta: Meta { pagination } }))
}

/// Shows a deployment.
async fn show_deployment(
    State(service): State<Service>,
    readable: Readable,
    LastSegment(id): LastSegment,
) -> Result<Response, ApiError> {
    let Access { app, role, .. } = readable.live()?;
    let private = service.private_state(app.id).await?;
    let record = private.deployment(parse_id(&id)?).ok_or(ApiError::NotFound("deployment"))?;
    Ok(ok(&DeploymentAnswer {
        deployment: DeploymentView::new(&service, &app, record).seen_by(role, record),
    }))
}

#[derive(Deserialize, JsonSchema)]
struct StartDeploymentBody {
    deployment: Option<StartDeploymentFields>,
}

#[derive(Deserialize, JsonSchema)]
struct StartDeploymentFields {
    /// The URL of the source archive.
    source_url: Option<String>,
    /// The version of the code, such as a commit or a tag.
    git_ref: Option<String>,
    /// The identifier of the user who pushed the code. Only the operator may set it.
    pusher_id: Option<String>,
    #[serde(flatten)]
    build: BuildFields,
}

/// What a builder reports.
#[derive(Deserialize, JsonSchema)]
struct BuildFields {
    /// Its progress (queued, building, pushing or starting) or its result (success, crashed-error, timeout-error,
    /// build-error, hook-error or aborted).
    status: Option<Progress>,
    /// Its duration in seconds.
    duration: Option<u64>,
    #[serde(default, deserialize_with = "given_time")]
    #[schemars(with = "Option<Time>")]
    finished_at: Option<Time>,
    /// The size of the image in bytes.
    image_size: Option<u64>,
    last_commits: Option<CommitList>,
    /// The container types that the code defines.
    container_types: Option<Vec<String>>,
}

impl BuildFields {
    fn into_parts(self, git_ref: Option<String>) -> Result<(Progress, BuildDetails), ApiError> {
        let message = "must be queued, building, pushing, starting, success, crashed-error, timeout-error, build-error, hook-error or aborted";
        let status = self.status.ok_or_else(|| ApiError::invalid("status", message))?;
        let Self { duration, finished_at, image_size, last_commits, container_types, .. } = self;
        Ok((
            status,
            BuildDetails { git_ref, duration, finished_at, image_size, last_commits, container_types },
        ))
    }
}

/// Starts a deployment. For the operator, it records a deployment that happened elsewhere.
async fn start_deployment(
    State(service): State<Service>,
    starting: Starting,
    body: JsonBody<StartDeploymentBody>,
) -> Result<Response, ApiError> {
    let outcome = match starting {
        Starting::Archive(access) => {
            let fields = required(body.value.deployment, "deployment")?;
            let source_url = required(given(fields.source_url), "source_url")?;
            let action = DeployArchive { source_url, git_ref: given(fields.git_ref) };
            access.act(action, &body.bytes).await?
        }
        Starting::Import(access) => {
            let fields = required(body.value.deployment, "deployment")?;
            let pusher = pusher(&service, &access.app, given(fields.pusher_id)).await?;
            let (status, details) = fields.build.into_parts(given(fields.git_ref))?;
            access.act(ImportDeployment { pusher, status, details }, &body.bytes).await?
        }
    };
    Ok(created(&made_by(&service, &outcome)?))
}

/// What the request does, which depends on the caller.
enum Starting {
    Archive(Authorized<DeployArchive>),
    Import(Authorized<ImportDeployment>),
}

impl FromRequestParts<AppState> for Starting {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        match Caller::from_request_parts(parts, state).await?.0 {
            Credential::User(_) => Authorized::from_request_parts(parts, state).await.map(Self::Archive),
            Credential::Operator | Credential::Auditor => {
                Authorized::from_request_parts(parts, state).await.map(Self::Import)
            }
        }
    }
}

/// Returns who pushed the code: the user with this identifier, or the app's owner if `None`.
async fn pusher(service: &Service, app: &App, id: Option<String>) -> Result<Person, ApiError> {
    let unknown = || ApiError::invalid("pusher_id", "must be the identifier or the username of a user");
    let Some(id) = id else { return app.owner.clone().ok_or_else(unknown) };
    let id = service.user_named(&id).await?.ok_or_else(unknown)?;
    Ok(service.account(id).await?.ok_or_else(unknown)?.person.clone())
}

#[derive(Deserialize, JsonSchema)]
struct UpdateDeploymentBody {
    deployment: Option<UpdateDeploymentFields>,
}

#[derive(Deserialize, JsonSchema)]
struct UpdateDeploymentFields {
    git_ref: Option<String>,
    #[serde(flatten)]
    build: BuildFields,
}

/// Records a deployment's progress or result.
async fn update_deployment(
    State(service): State<Service>,
    access: Authorized<MoveDeployment>,
    LastSegment(id): LastSegment,
    body: JsonBody<UpdateDeploymentBody>,
) -> Result<Response, ApiError> {
    let id = parse_id(&id)?;
    let fields = required(body.value.deployment, "deployment")?;
    let (status, details) = fields.build.into_parts(fields.git_ref)?;
    let outcome = access.act(MoveDeployment { id, status, details }, &body.bytes).await?;
    Ok(ok(&DeploymentAnswer::new(&service, &outcome.app, &outcome.private, id)?))
}

#[derive(Deserialize, JsonSchema)]
struct DeployBranchBody {
    branch: Option<String>,
}

/// Deploys a branch of the linked repository.
async fn deploy_branch(
    State(service): State<Service>,
    access: Authorized<DeployBranch>,
    body: JsonBody<DeployBranchBody>,
) -> Result<Response, ApiError> {
    let branch = required(body.value.branch, "branch")?;
    let outcome = access.act(DeployBranch { branch }, &body.bytes).await?;
    Ok(ok(&made_by(&service, &outcome)?))
}

/// Clears the build cache. Nothing is cached here, so no event is recorded.
async fn reset_deployment_cache(_: Authorized<AnyMember>) -> Result<Response, ApiError> {
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) fn parse_id(text: &str) -> Result<EventId, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound("deployment"))
}

fn made_by(service: &Service, outcome: &Outcome<EventId>) -> Result<DeploymentAnswer, ApiError> {
    DeploymentAnswer::new(service, &outcome.app, &outcome.private, outcome.created)
}

#[derive(Serialize, JsonSchema)]
struct DeploymentsAnswer {
    deployments: Vec<DeploymentView>,
    meta: Meta,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct DeploymentAnswer {
    deployment: DeploymentView,
}

impl DeploymentAnswer {
    pub(super) fn new(
        service: &Service,
        app: &App,
        private: &PrivateState,
        id: EventId,
    ) -> Result<Self, ApiError> {
        let record = private.deployment(id).ok_or(ApiError::NotFound("deployment"))?;
        Ok(Self { deployment: DeploymentView::new(service, app, record) })
    }
}

#[derive(Serialize, JsonSchema)]
struct DeploymentView {
    id: EventId,
    app_id: AppId,
    created_at: Time,
    finished_at: Option<Time>,
    status: Progress,
    git_ref: Option<String>,
    previous_git_ref: Option<String>,
    #[serde(rename = "type")]
    kind: DeploymentType,
    image: Option<String>,
    registry: Option<String>,
    postdeploy_hook: Option<String>,
    duration: Option<u64>,
    image_size: Option<u64>,
    stack_base_image: String,
    pusher: Person,
    links: DeploymentLinks,
    /// Where the operator's builder downloads the archive. Missing for everybody else, because it is a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_url: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct DeploymentLinks {
    output: String,
}

impl DeploymentView {
    fn new(service: &Service, app: &App, record: &DeploymentRecord) -> Self {
        let output = format!("{}/v1/apps/{}/deployments/{}/output", service.public_url(), app.id, record.id);
        Self {
            id: record.id,
            app_id: app.id,
            created_at: record.created_at,
            finished_at: record.finished_at,
            status: record.status,
            git_ref: record.git_ref.clone(),
            previous_git_ref: None,
            kind: record.deployment_type,
            image: None,
            registry: None,
            postdeploy_hook: None,
            duration: record.duration,
            image_size: record.image_size,
            stack_base_image: record.stack.clone(),
            pusher: record.pusher.clone(),
            links: DeploymentLinks { output },
            source_url: None,
        }
    }

    /// Adds what only a builder needs, who has the operator token.
    fn seen_by(self, role: Role, record: &DeploymentRecord) -> Self {
        let source_url = record.source_url.clone().filter(|_| role == Role::Operator);
        Self { source_url, ..self }
    }
}
