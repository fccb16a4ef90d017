//! The repository an app is linked to.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::deployments::{Start, check_git_ref, start};
use super::facts::Secret;
use super::review_apps;
use super::{App, AppAction, Facts};
use crate::action::{Context, Role};
use crate::catalogue::{self, CommitList, SourceControl, TypeData, UnlinkScm};
use crate::{AppId, Event, Person, Rejection, ResourceId, Time};

/// The longest URL or branch.
const TEXT_BYTES_MAX: usize = 1_024;
/// The longest delay, in hours: a year.
const HOURS_MAX: u32 = 366 * 24;
/// How long without activity makes a pull request stale, where nobody said: five days.
const STALE_HOURS: u32 = 5 * 24;

/// A link to a repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScmLink {
    /// The repository's URL.
    pub source: String,
    /// The linked branch.
    pub branch: Option<String>,
    /// Who made the link, where that is known, and their username then.
    pub linker: Option<Person>,
    /// The username of who made the link.
    pub linker_username: String,
    /// When it was made.
    pub created_at: Time,
    /// When it was last updated.
    pub updated_at: Time,
    /// What happens by itself.
    #[serde(flatten)]
    pub automation: Automation,
}

/// What happens by itself when a forge tells of something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Automation {
    /// Whether a push to the branch deploys the app.
    pub auto_deploy: bool,
    /// Whether a pull request gets a review app.
    pub auto_deploy_review_apps: bool,
    /// Whether closing a pull request deletes its review app.
    pub delete_on_close: bool,
    /// How long after the closing, in hours.
    pub hours_before_delete_on_close: u32,
    /// Whether a pull request gone stale loses its review app.
    pub delete_stale: bool,
    /// How long without activity makes it stale, in hours.
    pub hours_before_delete_stale: u32,
    /// Whether a pull request from a fork gets a review app too.
    pub creation_from_forks_allowed: bool,
}

impl ScmLink {
    /// The repository, as `owner/repository`.
    pub fn repo_name(&self) -> &str {
        repo_name(&self.source)
    }

    /// The kind of forge, as its host says.
    pub fn scm_type(&self) -> &'static str {
        match self.source.split('/').nth(2).unwrap_or_default() {
            "github.com" => "github",
            "gitlab.com" => "gitlab",
            host if host.contains("gitlab") => "gitlab-self-hosted",
            _ => "github-enterprise",
        }
    }

    /// Identifies the link.
    pub fn id(&self, app: AppId) -> ResourceId {
        ResourceId::derived(app, "scm_repo_link", &self.created_at.to_string())
    }
}

/// What is to be changed of a link; what is left out stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "as the fields of a link and its automation")]
pub struct LinkSettings {
    pub branch: Option<String>,
    pub auto_deploy: Option<bool>,
    pub auto_deploy_review_apps: Option<bool>,
    pub delete_on_close: Option<bool>,
    pub hours_before_delete_on_close: Option<u32>,
    pub delete_stale: Option<bool>,
    pub hours_before_delete_stale: Option<u32>,
    pub creation_from_forks_allowed: Option<bool>,
}

impl LinkSettings {
    fn over(&self, before: &Automation) -> Automation {
        let delete_stale = self.delete_stale.unwrap_or(before.delete_stale);
        Automation {
            auto_deploy: self.auto_deploy.unwrap_or(before.auto_deploy),
            auto_deploy_review_apps: self.auto_deploy_review_apps.unwrap_or(before.auto_deploy_review_apps),
            delete_on_close: self.delete_on_close.unwrap_or(before.delete_on_close),
            hours_before_delete_on_close: self
                .hours_before_delete_on_close
                .unwrap_or(before.hours_before_delete_on_close),
            delete_stale,
            hours_before_delete_stale: match self.hours_before_delete_stale {
                Some(hours) if hours > 0 => hours,
                // Nothing is stale the moment it is there: the official CLI says 0 where nothing was said to it.
                _ if delete_stale && before.hours_before_delete_stale == 0 => STALE_HOURS,
                _ => before.hours_before_delete_stale,
            },
            creation_from_forks_allowed: self
                .creation_from_forks_allowed
                .unwrap_or(before.creation_from_forks_allowed),
        }
    }

    fn check(&self) -> Result<(), Rejection> {
        let is_branch = |branch: &String| {
            (1..=TEXT_BYTES_MAX).contains(&branch.len())
                && !branch.chars().any(|character| character.is_control() || character.is_whitespace())
        };
        if !self.branch.iter().all(is_branch) {
            return Err(Rejection::invalid("branch", "must be the name of a branch"));
        }
        for (field, hours) in [
            ("hours_before_delete_on_close", self.hours_before_delete_on_close),
            ("hours_before_delete_stale", self.hours_before_delete_stale),
        ] {
            if hours.is_some_and(|hours| hours > HOURS_MAX) {
                return Err(Rejection::invalid(field, format!("must not be more than {HOURS_MAX}")));
            }
        }
        Ok(())
    }
}

/// Links an app to a repository.
#[derive(Debug, Clone)]
pub struct Link {
    /// The repository's URL.
    pub source: String,
    /// The account at the forge, among those the actor connected.
    pub integration_id: String,
    /// What is to happen by itself.
    pub settings: LinkSettings,
}

impl AppAction for Link {
    const ROLE: Role = Role::Collaborator;

    fn decide(
        &self,
        app: &App,
        facts: &mut Arc<Facts>,
        context: &Context<'_>,
    ) -> Result<Vec<TypeData>, Rejection> {
        if app.scm_link.is_some() {
            return Err(Rejection::Conflict(
                "the app is linked to a repository already: unlink it first".to_owned(),
            ));
        }
        self.settings.check()?;
        let actor = context.person();
        let integration = context.platform.integration(actor.id, &self.integration_id).ok_or_else(|| {
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
        if !is_repository || source.len() > TEXT_BYTES_MAX {
            let message =
                format!("must be the URL of a repository, such as {}/owner/repository", integration.url);
            return Err(Rejection::invalid("source", message));
        }
        let facts = Arc::make_mut(facts);
        // What was heard of may be of another repository.
        facts.pull_requests.clear();
        facts.integration_id = Some(integration.id);
        facts.scm_type = Some(integration.scm_type);
        facts.hook_secret = Some(Secret(hex::encode(context.ids.secret())));
        let automation = self.settings.over(&Automation::default());
        let data = event_data(&source, &actor.username, self.settings.branch.clone(), &automation);
        Ok(vec![SourceControl::LinkScm(data).into()])
    }
}

/// Changes what happens by itself.
#[derive(Debug, Clone)]
pub struct UpdateLink(pub LinkSettings);

impl AppAction for UpdateLink {
    const ROLE: Role = Role::Collaborator;

    fn decide(&self, app: &App, facts: &mut Arc<Facts>, _: &Context<'_>) -> Result<Vec<TypeData>, Rejection> {
        let link = app.scm_link.as_ref().ok_or(Rejection::NotFound("scm_repo_link"))?;
        self.0.check()?;
        let automation = self.0.over(&link.automation);
        let branch = self.0.branch.clone().or_else(|| link.branch.clone());
        if automation == link.automation && branch == link.branch {
            return Ok(Vec::new());
        }
        review_apps::reschedule(app, facts, &automation);
        let data = event_data(&link.source, &link.linker_username, branch, &automation);
        Ok(vec![SourceControl::UpdateScm(data).into()])
    }
}

/// Removes the link of an app. Review apps stay, and nothing happens to them by itself any more.
#[derive(Debug, Clone)]
pub struct Unlink;

impl AppAction for Unlink {
    const ROLE: Role = Role::Collaborator;

    fn decide(
        &self,
        app: &App,
        facts: &mut Arc<Facts>,
        context: &Context<'_>,
    ) -> Result<Vec<TypeData>, Rejection> {
        let link = app.scm_link.as_ref().ok_or(Rejection::NotFound("scm_repo_link"))?;
        review_apps::reschedule(app, facts, &Automation::default());
        let facts = Arc::make_mut(facts);
        (facts.integration_id, facts.hook_secret) = (None, None);
        let unlinked = UnlinkScm {
            repo_name: link.repo_name().to_owned(),
            source: link.source.clone(),
            unlinker_username: context.person().username.clone(),
        };
        Ok(vec![SourceControl::UnlinkScm(unlinked).into()])
    }
}

/// A forge tells of a push.
#[derive(Debug, Clone)]
pub struct PushReceived {
    /// The branch that was pushed.
    pub branch: String,
    /// The commit it is at now.
    pub head: String,
    /// What was pushed.
    pub commits: CommitList,
}

impl AppAction for PushReceived {
    const ROLE: Role = Role::Platform;

    fn actor(&self, app: &App, _: &Facts, _: Option<&Person>) -> Option<Person> {
        linker(app)
    }

    fn decide(
        &self,
        app: &App,
        facts: &mut Arc<Facts>,
        context: &Context<'_>,
    ) -> Result<Vec<TypeData>, Rejection> {
        let link = app.scm_link.as_ref().ok_or(Rejection::NotFound("scm_repo_link"))?;
        check_git_ref(Some(&self.head))?;
        let is_wanted = link.automation.auto_deploy && link.branch.as_ref() == Some(&self.branch);
        // A forge that got no answer tells again.
        let is_known = facts.deployments.last().is_some_and(|last| last.git_ref.as_ref() == Some(&self.head));
        let Some(pusher) = context.actor.filter(|_| is_wanted && !is_known) else { return Ok(Vec::new()) };
        let started = Start::of_commit(pusher.clone(), Some(self.head.clone()), self.commits.clone());
        start(app, facts, started, context)
    }
}

/// For whom things happen by themselves.
pub fn linker(app: &App) -> Option<Person> {
    app.scm_link.as_ref()?.linker.clone().or_else(|| app.owner.clone())
}

fn repo_name(source: &str) -> &str {
    let after_scheme = source.split_once("://").map_or(source, |(_, rest)| rest);
    after_scheme.split_once('/').map_or(after_scheme, |(_, path)| path)
}

fn event_data(
    source: &str,
    linker: &str,
    branch: Option<String>,
    automation: &Automation,
) -> catalogue::ScmLink {
    catalogue::ScmLink {
        repo_name: repo_name(source).to_owned(),
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
            app.scm_link = Some(link_after(data, linker, event.created_at, event.created_at).into());
        }
        SourceControl::UpdateScm(data) => {
            let (linker, created_at) = match app.scm_link.take() {
                Some(before) => (before.linker.clone(), before.created_at),
                None => (None, event.created_at),
            };
            app.scm_link = Some(link_after(data, linker, created_at, event.created_at).into());
        }
        SourceControl::UnlinkScm(_) => app.scm_link = None,
        SourceControl::CreateReviewApp(data) => review_apps::apply_created(app, data, event.created_at),
        SourceControl::DestroyReviewApp(data) => _ = app.review_apps.remove(&data.review_app_name),
    }
}

fn link_after(
    data: &catalogue::ScmLink,
    linker: Option<Person>,
    created_at: Time,
    updated_at: Time,
) -> ScmLink {
    ScmLink {
        source: data.source.clone(),
        branch: data.branch.clone(),
        linker,
        linker_username: data.linker_username.clone(),
        created_at,
        updated_at,
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
