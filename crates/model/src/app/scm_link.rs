//! The link between an app and a repository.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::automation::{Automation, LinkSettings};
use super::deployments::{Start, check_git_ref, start};
use super::review_apps;
use super::{App, AppAction, PrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{self, CommitList, SourceControl, UnlinkScm};
use crate::{Event, EventId, Person, Rejection, Role, Secret, Time, public_url};

/// The longest URL of a repository.
const SOURCE_BYTES_MAX: usize = 1_024;

/// A link to a repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScmLink {
    /// Its identifier, which is that of the event that created it.
    pub id: EventId,
    /// The repository's URL.
    pub source: String,
    /// The linked branch.
    pub branch: Option<String>,
    /// The user who created the link, as they were then; `None` if unknown.
    pub linker: Option<Person>,
    /// The username of the user who created the link.
    pub linker_username: String,
    /// When it was created.
    pub created_at: Time,
    /// When it was last updated.
    pub updated_at: Time,
    /// The automation.
    #[serde(flatten)]
    pub automation: Automation,
}

impl ScmLink {
    /// Returns the repository, as `owner/repository`.
    pub fn repo_name(&self) -> String {
        repo_name(&self.source)
    }

    /// Returns whether a repository is the linked one: it has its name, or had it when its last webhook came.
    pub fn is_to(&self, repository: &Repository, private: &PrivateState) -> bool {
        self.repo_name().eq_ignore_ascii_case(&repository.name)
            || private.repository_id == Some(repository.id)
    }

    /// Returns the kind of forge, judging by the host name.
    pub fn scm_type(&self) -> &'static str {
        match self.source.split('/').nth(2).unwrap_or_default() {
            "github.com" => "github",
            "gitlab.com" => "gitlab",
            "bitbucket.org" => "bitbucket",
            host if host.contains("gitlab") => "gitlab-self-hosted",
            _ => "github-enterprise",
        }
    }
}

/// Links an app to a repository.
#[derive(Debug, Clone)]
pub struct Link {
    /// The repository's URL.
    pub source: String,
    /// The integration (a forge account that the actor connected), by identifier or kind of forge.
    pub integration_id: String,
    /// The branch and the automation.
    pub settings: LinkSettings,
}

impl AppAction for Link {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        if app.scm_link.is_some() {
            return Err(Rejection::Conflict(
                "the app is already linked to a repository: unlink it first".to_owned(),
            ));
        }
        self.settings.check()?;
        let actor = context.person();
        let integration = context.lookups.integration(actor.id, &self.integration_id).ok_or_else(|| {
            Rejection::invalid(
                "auth_integration_uuid",
                "must be a forge that you connected: see /v1/scm_integrations",
            )
        })?;
        let source = self.source.trim_end_matches('/');
        let source = source.strip_suffix(".git").unwrap_or(source).to_owned();
        let path = source
            .strip_prefix(integration.url.trim_end_matches('/'))
            .and_then(|path| path.strip_prefix('/'));
        let is_repository = path.is_some_and(|path| {
            path.split('/').count() >= 2
                && path.split('/').all(|part| {
                    !part.is_empty()
                        && part
                            .bytes()
                            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
                })
        });
        if !is_repository || source.len() > SOURCE_BYTES_MAX {
            let message =
                format!("must be the URL of a repository, such as {}/owner/repository", integration.url);
            return Err(Rejection::invalid("source", message));
        }
        let private = Arc::make_mut(private);
        // The known pull requests may belong to another repository.
        private.pull_requests.clear();
        private.repository_id = None;
        private.integration_id = Some(integration.id);
        private.scm_type = Some(integration.scm_type);
        private.hook_secret = Some(Secret(hex::encode(context.ids.secret())));
        let automation = self.settings.over(&Automation::of_new_link());
        let data = event_data(&source, &actor.username, self.settings.branch.clone(), &automation);
        Ok(Decision::of(SourceControl::LinkScm(data)))
    }
}

/// Changes the branch or the automation of a link.
#[derive(Debug, Clone)]
pub struct UpdateLink(pub LinkSettings);

impl AppAction for UpdateLink {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        _: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let link = app.scm_link.as_ref().ok_or(Rejection::NotFound("scm_repo_link"))?;
        self.0.check()?;
        let automation = self.0.over(&link.automation);
        let branch = self.0.branch.clone().or_else(|| link.branch.clone());
        if automation == link.automation && branch == link.branch {
            return Ok(Decision::none());
        }
        review_apps::reschedule(app, private, &automation);
        let data = event_data(&link.source, &link.linker_username, branch, &automation);
        Ok(Decision::of(SourceControl::UpdateScm(data)))
    }
}

/// Removes the link of an app. Its review apps stay, without automation.
#[derive(Debug, Clone)]
pub struct Unlink;

impl AppAction for Unlink {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let link = app.scm_link.as_ref().ok_or(Rejection::NotFound("scm_repo_link"))?;
        review_apps::reschedule(app, private, &Automation::default());
        let private = Arc::make_mut(private);
        (private.integration_id, private.repository_id, private.hook_secret) = (None, None, None);
        let unlinked = UnlinkScm {
            repo_name: link.repo_name(),
            source: link.source.clone(),
            unlinker_username: context.person().username.clone(),
        };
        Ok(Decision::of(SourceControl::UnlinkScm(unlinked)))
    }
}

/// A repository, as its forge names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The forge's number for it, which no other repository gets.
    pub id: u64,
    /// Its current name, as `owner/repository`.
    pub name: String,
}

impl Repository {
    /// Remembers the number of the linked repository, by which it is known when it has another name.
    pub fn remember(&self, private: &mut Arc<PrivateState>) {
        if private.repository_id != Some(self.id) {
            Arc::make_mut(private).repository_id = Some(self.id);
        }
    }
}

/// Why a push is not deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoDeployment {
    /// The automation is off.
    NotAutomatic,
    /// Another branch is linked, or none.
    OtherBranch,
    /// The message of its last commit says so.
    Skipped,
    /// Its last commit is the deployed one.
    DeployedAlready,
    /// The app has no owner.
    NoActor,
}

impl fmt::Display for NoDeployment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotAutomatic => "the link does not deploy pushes: auto_deploy_enabled is false",
            Self::OtherBranch => "the link deploys another branch",
            Self::Skipped => "the message of the last commit says [skip ci]",
            Self::DeployedAlready => "the commit is deployed already",
            Self::NoActor => "the app has no owner to deploy it for",
        })
    }
}

/// Handles a webhook for a push. Creates the identifier of the deployment, or says why there is none.
#[derive(Debug, Clone)]
pub struct PushReceived {
    /// The pushed repository.
    pub repository: Repository,
    /// Whether the message of its latest commit says that nothing should be built.
    pub is_skipped: bool,
    /// The pushed branch.
    pub branch: String,
    /// The Git hash of its latest commit.
    pub head: String,
    /// The pushed commits.
    pub commits: CommitList,
}

impl AppAction for PushReceived {
    const ROLE: Role = Role::Operator;
    type Created = Result<EventId, NoDeployment>;

    fn actor(&self, app: &App, _: &PrivateState, _: Option<&Person>) -> Option<Person> {
        linker(app)
    }

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision<Self::Created>, Rejection> {
        let link = app.scm_link.as_ref().ok_or(Rejection::NotFound("scm_repo_link"))?;
        check_git_ref(Some(&self.head))?;
        self.repository.remember(private);
        // A forge that got no response sends its webhook again.
        let is_known =
            private.deployments.last().is_some_and(|last| last.git_ref.as_ref() == Some(&self.head));
        let reason = match context.actor {
            _ if !link.automation.auto_deploy => NoDeployment::NotAutomatic,
            _ if link.branch.as_ref() != Some(&self.branch) => NoDeployment::OtherBranch,
            _ if self.is_skipped => NoDeployment::Skipped,
            _ if is_known => NoDeployment::DeployedAlready,
            None => NoDeployment::NoActor,
            Some(pusher) => {
                let started = Start::of_commit(pusher.clone(), Some(self.head.clone()), self.commits.clone());
                let Decision { events, created } = start(app, private, started, context)?;
                return Ok(Decision { events, created: Ok(created) });
            }
        };
        Ok(Decision { events: Vec::new(), created: Err(reason) })
    }
}

/// Returns the user in whose name the automation acts: the one who linked the app, or else its owner.
pub fn linker(app: &App) -> Option<Person> {
    app.scm_link.as_ref()?.linker.clone().or_else(|| app.owner.clone())
}

/// Returns the public part of a repository's name, because the URL in a report may hold credentials.
fn repo_name(source: &str) -> String {
    let source = public_url(source).unwrap_or_default();
    let after_scheme = source.split_once("://").map_or(&*source, |(_, rest)| rest);
    after_scheme.split_once('/').map_or(after_scheme, |(_, path)| path).to_owned()
}

fn event_data(
    source: &str,
    linker: &str,
    branch: Option<String>,
    automation: &Automation,
) -> catalogue::ScmLink {
    catalogue::ScmLink {
        repo_name: repo_name(source),
        linker_username: linker.to_owned(),
        source: source.to_owned(),
        branch,
        auto_deploy: automation.auto_deploy,
        auto_deploy_review_apps: automation.auto_deploy_review_apps,
        delete_on_close: automation.delete_on_close,
        delete_stale: automation.delete_stale,
        hours_before_delete_on_close: automation.hours_before_delete_on_close,
        hours_before_delete_stale: automation.hours_before_delete_stale,
        creation_from_forks_allowed: automation.creation_from_forks_allowed,
    }
}

pub(super) fn apply(app: &mut App, data: &SourceControl, event: &Event) {
    match data {
        SourceControl::LinkScm(data) => {
            let linker = event.user.clone().filter(|user| user.username == data.linker_username);
            app.scm_link = Some(link_after(data, event.id, linker, event.created_at, event).into());
        }
        SourceControl::UpdateScm(data) => {
            let (id, linker, created_at) = match app.scm_link.take() {
                Some(before) => (before.id, before.linker.clone(), before.created_at),
                None => (event.id, None, event.created_at),
            };
            app.scm_link = Some(link_after(data, id, linker, created_at, event).into());
        }
        SourceControl::UnlinkScm(_) => app.scm_link = None,
        SourceControl::CreateReviewApp(data) => review_apps::apply_created(app, data, event.created_at),
        SourceControl::DestroyReviewApp(data) => review_apps::apply_destroyed(app, data),
        SourceControl::RenameReviewApp(data) => review_apps::apply_renamed(app, data),
        SourceControl::LinkGithub(_) | SourceControl::UnlinkGithub(_) => {}
    }
}

fn link_after(
    data: &catalogue::ScmLink,
    id: EventId,
    linker: Option<Person>,
    created_at: Time,
    event: &Event,
) -> ScmLink {
    ScmLink {
        id,
        source: data.source.clone(),
        branch: data.branch.clone(),
        linker,
        linker_username: data.linker_username.clone(),
        created_at,
        updated_at: event.created_at,
        automation: Automation {
            auto_deploy: data.auto_deploy,
            auto_deploy_review_apps: data.auto_deploy_review_apps,
            delete_on_close: data.delete_on_close,
            hours_before_delete_on_close: data.hours_before_delete_on_close,
            delete_stale: data.delete_stale,
            hours_before_delete_stale: data.hours_before_delete_stale,
            creation_from_forks_allowed: data.creation_from_forks_allowed,
        },
    }
}
