//! The deployments of an app.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::settings::stack_name;
use super::{App, AppAction, PrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{self, AppOperations, CommitList, DeploymentStatus, DeploymentType, TypeData};
use crate::id::derived_uuid;
use crate::report::AHEAD_MILLIS_MAX;
use crate::{AppId, Event, EventId, Person, Rejection, Role, Time};

/// The most deployments kept in the private state. The events of older ones remain in the timeline.
const REMEMBERED: usize = 100;
/// The longest duration, in seconds: a year.
const DURATION_MAX: u64 = 366 * 24 * 60 * 60;
/// The longest URL or Git reference.
const TEXT_BYTES_MAX: usize = 2_048;

/// The last finished deployment of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastDeployment {
    /// Its identifier.
    pub id: String,
    /// The username of the user who pushed the code.
    pub pusher: String,
    /// Its result.
    pub status: DeploymentStatus,
    /// When it finished.
    pub finished_at: Time,
}

/// A deployment in the private state, from its start on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentRecord {
    /// Its identifier.
    pub id: EventId,
    /// Where the code comes from.
    pub deployment_type: DeploymentType,
    /// Who pushed the code.
    pub pusher: Person,
    /// The Git hash of the code; `None` if there is none.
    pub git_ref: Option<String>,
    /// The URL of the code's archive; `None` if the code is not an archive.
    pub source_url: Option<String>,
    /// Its stage, or its result.
    pub status: Progress,
    /// When it was started.
    pub created_at: Time,
    /// When it finished; `None` if it has not.
    pub finished_at: Option<Time>,
    /// Its duration in seconds; `None` until it has finished.
    pub duration: Option<u64>,
    /// The size of its image in bytes; `None` if the builder did not report it.
    pub image_size: Option<u64>,
    /// The name of the stack on which it is built.
    pub stack: String,
    /// The deployed commits.
    pub last_commits: CommitList,
}

impl DeploymentRecord {
    /// Returns the identifier of the uploaded archive that was deployed; `None` if it is not one.
    pub fn archive(&self) -> Option<&str> {
        let (_, path) = self.source_url.as_deref()?.split_once("/v1/sources/")?;
        path.split('/').next().filter(|id| is_archive_id(id))
    }
}

/// Returns whether a text is the identifier of an uploaded archive: 64 lower-case hexadecimal digits.
pub fn is_archive_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The stage of a deployment, or its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "must be queued, building, pushing, starting, success, crashed-error, timeout-error, build-error, hook-error or aborted"
)]
pub enum Progress {
    /// It is in progress.
    UnderWay(Stage),
    /// It has finished.
    Ended(DeploymentStatus),
}

/// The stage of a deployment in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "clients know these names, and the names say it")]
pub enum Stage {
    Queued,
    Building,
    Pushing,
    Starting,
}

/// Deploys an archive. Creates the deployment's identifier.
#[derive(Debug, Clone)]
pub struct DeployArchive {
    /// The URL of the archive.
    pub source_url: String,
    /// The version of the code.
    pub git_ref: Option<String>,
}

impl AppAction for DeployArchive {
    const ROLE: Role = Role::Collaborator;
    type Created = EventId;

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision<EventId>, Rejection> {
        if self.source_url.is_empty() {
            return Err(Rejection::invalid("source_url", "is missing"));
        }
        let is_url = self.source_url.starts_with("https://") || self.source_url.starts_with("http://");
        if !is_url || self.source_url.len() > TEXT_BYTES_MAX {
            return Err(Rejection::invalid("source_url", "must be the URL of an archive"));
        }
        check_git_ref(self.git_ref.as_deref())?;
        let started = Start {
            deployment_type: DeploymentType::Archive,
            pusher: context.person().clone(),
            git_ref: self.git_ref.clone(),
            source_url: Some(self.source_url.clone()),
            last_commits: CommitList::default(),
        };
        start(app, private, started, context)
    }
}

/// Deploys a branch of the linked repository. Creates the deployment's identifier.
#[derive(Debug, Clone)]
pub struct DeployBranch {
    /// The branch.
    pub branch: String,
}

impl AppAction for DeployBranch {
    const ROLE: Role = Role::LimitedCollaborator;
    type Created = EventId;

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision<EventId>, Rejection> {
        let link = app.scm_link.as_ref().ok_or(Rejection::NotFound("scm_repo_link"))?;
        let actor = context.person();
        if context.role < Some(Role::Collaborator) && link.branch.as_deref() != Some(&self.branch) {
            let message = "a limited collaborator may deploy only the linked branch".to_owned();
            return Err(Rejection::Forbidden(message));
        }
        if self.branch.is_empty() {
            return Err(Rejection::invalid("branch", "is missing"));
        }
        check_git_ref(Some(&self.branch))?;
        let started = Start::of_commit(actor.clone(), Some(self.branch.clone()), CommitList::default());
        start(app, private, started, context)
    }
}

/// Deploys the latest commit of a pull request, unless it is already deployed. Creates the deployment's identifier.
#[derive(Debug, Clone)]
pub struct DeployCommit {
    /// The user in whose name it is deployed.
    pub pusher: Person,
    /// The Git hash of the commit; empty if unknown.
    pub head: String,
}

impl AppAction for DeployCommit {
    const ROLE: Role = Role::Operator;
    type Created = Option<EventId>;

    fn actor(&self, _: &App, _: &PrivateState, _: Option<&Person>) -> Option<Person> {
        Some(self.pusher.clone())
    }

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision<Option<EventId>>, Rejection> {
        let head = Some(self.head.clone()).filter(|head| !head.is_empty());
        check_git_ref(head.as_deref())?;
        if head.is_some() && private.deployments.last().is_some_and(|last| last.git_ref == head) {
            return Ok(Decision { events: Vec::new(), created: None });
        }
        let started = Start::of_commit(self.pusher.clone(), head, CommitList::default());
        start(app, private, started, context).map(Decision::some)
    }
}

/// Updates a deployment with its builder's report.
#[derive(Debug, Clone)]
pub struct MoveDeployment {
    /// The deployment's identifier.
    pub id: EventId,
    /// Its stage, or its result.
    pub status: Progress,
    /// Further details from the builder.
    pub details: BuildDetails,
}

/// A builder's details of a deployment. `None` keeps the current value.
#[derive(Debug, Clone, Default)]
pub struct BuildDetails {
    /// The Git hash of the code.
    pub git_ref: Option<String>,
    /// The duration in seconds; `None` for the time from the start to the end.
    pub duration: Option<u64>,
    /// When it finished; `None` for now.
    pub finished_at: Option<Time>,
    /// The size of the image in bytes.
    pub image_size: Option<u64>,
    /// The deployed commits.
    pub last_commits: Option<CommitList>,
    /// The container types that the code defines.
    pub container_types: Option<Vec<String>>,
}

impl BuildDetails {
    /// Checks what a builder says of a deployment. `began` is its start; `None` if only the builder knows it.
    fn check(&self, began: Option<Time>, now: Time) -> Result<(), Rejection> {
        check_git_ref(self.git_ref.as_deref())?;
        if let Some(finished_at) = self.finished_at {
            if finished_at > now.plus_millis(AHEAD_MILLIS_MAX) {
                let message = "must not be more than five minutes ahead of the server's clock";
                return Err(Rejection::invalid("finished_at", message));
            }
            // A builder may give whole seconds.
            if let Some(began) =
                began.filter(|began| finished_at.as_millis() / 1000 < began.as_millis() / 1000)
            {
                let message = format!("must not be before the deployment began, at {began}");
                return Err(Rejection::invalid("finished_at", message));
            }
        }
        if self.duration.is_some_and(|duration| duration > DURATION_MAX) {
            return Err(Rejection::invalid(
                "duration",
                format!("must not be more than {DURATION_MAX} seconds"),
            ));
        }
        Ok(())
    }
}

impl AppAction for MoveDeployment {
    const ROLE: Role = Role::Operator;
    type Created = ();

    fn actor(&self, _: &App, private: &PrivateState, _: Option<&Person>) -> Option<Person> {
        private.deployment(self.id).map(|deployment| deployment.pusher.clone())
    }

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let began = private.deployment(self.id).map(|deployment| deployment.created_at);
        self.details.check(began, context.now)?;
        let index = private.deployments.iter().position(|deployment| deployment.id == self.id);
        let index = index.ok_or(Rejection::NotFound("deployment"))?;
        if let Progress::Ended(_) = private.deployments[index].status {
            if private.deployments[index].status == self.status {
                return Ok(Decision::none());
            }
            return Err(Rejection::Conflict("the deployment has already finished".to_owned()));
        }
        Ok(advance(app, Arc::make_mut(private), index, self.status, &self.details, context).into())
    }
}

/// Records a deployment that started elsewhere, such as by a Git push. Creates its identifier.
#[derive(Debug, Clone)]
pub struct ImportDeployment {
    /// Who pushed the code.
    pub pusher: Person,
    /// Its stage, or its result.
    pub status: Progress,
    /// Further details.
    pub details: BuildDetails,
}

impl AppAction for ImportDeployment {
    const ROLE: Role = Role::Operator;
    type Created = EventId;

    fn actor(&self, _: &App, _: &PrivateState, _: Option<&Person>) -> Option<Person> {
        Some(self.pusher.clone())
    }

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision<EventId>, Rejection> {
        self.details.check(None, context.now)?;
        let private = Arc::make_mut(private);
        let started = Start::of_commit(self.pusher.clone(), None, CommitList::default());
        let mut imported = record(app, started, context);
        if let Progress::Ended(_) = self.status {
            // It is over, so it began its duration before its end.
            let finished_at = self.details.finished_at.unwrap_or(context.now);
            let duration_millis = self.details.duration.unwrap_or_default() * 1000;
            imported.created_at =
                Time::from_millis(finished_at.as_millis().saturating_sub(duration_millis)).min(context.now);
        }
        let index = remember(private, imported)?;
        let created = private.deployments[index].id;
        Ok(Decision { events: advance(app, private, index, self.status, &self.details, context), created })
    }
}

/// The inputs of a new deployment.
pub(super) struct Start {
    pub(super) deployment_type: DeploymentType,
    pub(super) pusher: Person,
    pub(super) git_ref: Option<String>,
    pub(super) source_url: Option<String>,
    pub(super) last_commits: CommitList,
}

impl Start {
    /// Returns the inputs of a deployment from a repository.
    pub(super) fn of_commit(pusher: Person, git_ref: Option<String>, last_commits: CommitList) -> Self {
        let deployment_type = DeploymentType::Deployment;
        Self { deployment_type, pusher, git_ref, source_url: None, last_commits }
    }
}

/// Starts a deployment. Without a builder, it finishes immediately.
pub(super) fn start(
    app: &App,
    private: &mut Arc<PrivateState>,
    start: Start,
    context: &Context<'_>,
) -> Result<Decision<EventId>, Rejection> {
    let private = Arc::make_mut(private);
    let index = remember(private, record(app, start, context))?;
    let created = private.deployments[index].id;
    let success = Progress::Ended(DeploymentStatus::Success);
    let events = match context.lookups.rules().instant_builder {
        true => advance(app, private, index, success, &BuildDetails::default(), context),
        false => Vec::new(),
    };
    Ok(Decision { events, created })
}

/// Adds a deployment to the private state, and returns its index. If there are too many, this removes the oldest
/// finished one; one in progress stays, because its event is still to be recorded.
fn remember(private: &mut PrivateState, new: DeploymentRecord) -> Result<usize, Rejection> {
    if private.deployments.len() >= REMEMBERED {
        let ended = private.deployments.iter().position(|known| matches!(known.status, Progress::Ended(_)));
        let ended = ended.ok_or_else(|| {
            Rejection::Conflict(format!(
                "{REMEMBERED} deployments are in progress: first report the result of one"
            ))
        })?;
        private.deployments.remove(ended);
    }
    private.deployments.push(new);
    Ok(private.deployments.len() - 1)
}

fn record(app: &App, start: Start, context: &Context<'_>) -> DeploymentRecord {
    let Start { deployment_type, pusher, git_ref, source_url, last_commits } = start;
    DeploymentRecord {
        id: context.ids.event_id(context.now),
        deployment_type,
        pusher,
        git_ref,
        source_url,
        status: Progress::UnderWay(Stage::Queued),
        created_at: context.now,
        finished_at: None,
        duration: None,
        image_size: None,
        stack: stack_name(app).to_owned(),
        last_commits,
    }
}

/// Updates a deployment, and returns its event once it has finished.
fn advance(
    app: &App,
    private: &mut PrivateState,
    index: usize,
    status: Progress,
    details: &BuildDetails,
    context: &Context<'_>,
) -> Vec<TypeData> {
    if let Some(types) = &details.container_types {
        private.container_types = Some(types.clone());
    }
    let deployment = &mut private.deployments[index];
    deployment.status = status;
    if let Some(git_ref) = &details.git_ref {
        deployment.git_ref = Some(git_ref.clone());
    }
    deployment.image_size = details.image_size.or(deployment.image_size);
    if let Some(last_commits) = &details.last_commits {
        deployment.last_commits = last_commits.clone();
    }
    let Progress::Ended(status) = status else { return Vec::new() };
    let finished_at = details.finished_at.unwrap_or(context.now);
    let passed = finished_at.as_millis().saturating_sub(deployment.created_at.as_millis()) / 1000;
    deployment.finished_at = Some(finished_at);
    deployment.duration = Some(details.duration.unwrap_or(passed));
    vec![
        AppOperations::Deployment(catalogue::Deployment {
            deployment_id: deployment.id.to_string(),
            deployment_uuid: Some(deployment_uuid(app.id, deployment.id)),
            deployment_type: deployment.deployment_type,
            pusher: deployment.pusher.username.clone(),
            git_ref: deployment.git_ref.clone(),
            git_ref_url: deployment.git_ref.as_ref().and_then(|git_ref| git_ref_url(app, git_ref)),
            status,
            duration: deployment.duration.unwrap_or_default(),
            stack: Some(deployment.stack.clone()),
            finished_at: Some(finished_at),
            last_commits: deployment.last_commits.clone(),
        })
        .into(),
    ]
}

/// Returns the identifier of an app's deployment as a UUID, for clients that expect one.
fn deployment_uuid(app: AppId, deployment: EventId) -> String {
    derived_uuid(app.as_bytes(), "deployment", &deployment.to_string()).to_string()
}

/// Returns the URL of a commit at the linked forge; `None` if the app is not linked.
fn git_ref_url(app: &App, git_ref: &str) -> Option<String> {
    let link = app.scm_link.as_ref()?;
    let path = match link.scm_type() {
        "gitlab" | "gitlab-self-hosted" => "/-/commit/",
        "bitbucket" => "/commits/",
        _ => "/commit/",
    };
    Some(format!("{}{path}{git_ref}", link.source))
}

pub(super) fn check_git_ref(git_ref: Option<&str>) -> Result<(), Rejection> {
    let is_good = |text: &str| {
        (1..=TEXT_BYTES_MAX).contains(&text.len())
            && !text.chars().any(|c| c.is_control() || c.is_whitespace())
    };
    if git_ref.is_none_or(is_good) {
        Ok(())
    } else {
        Err(Rejection::invalid("git_ref", "must be a Git reference"))
    }
}

pub(super) fn apply(app: &mut App, data: &catalogue::Deployment, event: &Event) {
    app.last_deployment = Some(LastDeployment {
        id: data.deployment_id.clone(),
        pusher: data.pusher.clone(),
        status: data.status,
        finished_at: data.finished_at.unwrap_or(event.created_at),
    });
    if data.status == DeploymentStatus::Success {
        app.stopped = false;
    }
    // A known stack changes only with `stack_changed`: this deployment may have started before such a change.
    if app.stack.is_none() {
        app.stack.clone_from(&data.stack);
    }
}
