//! Review apps: one app per pull request, created and destroyed with it.
//!
//! To create or destroy one changes two apps: the review app itself, and its parent, whose timeline records it. This
//! module decides the parent's part, and what must follow.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::automation::Automation;
use super::deployments::check_git_ref;
use super::lifecycle::CreateApp;
use super::{App, PrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{self, SourceControl};
use crate::limits::APP_NAME_CHARS;
use crate::{AppId, Rejection, ResourceId, Time, directory};

/// The most pull requests kept per app.
const REMEMBERED: usize = 300;
const HOUR_MILLIS: u64 = 60 * 60 * 1000;
/// How many names are tried for a review app.
const NAMES_MAX: usize = 10;

/// A review app of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewApp {
    /// Its identifier; `None` if a report did not give it.
    pub app_id: Option<AppId>,
    /// When it was created.
    pub created_at: Time,
    /// Its URL in the platform's dashboard.
    pub url: Option<String>,
    /// The number of its pull request.
    pub pr_number: u64,
    /// The title of its pull request.
    pub pr_name: String,
    /// The URL of its pull request.
    pub pr_url: String,
    /// The source repository of the pull request, as `owner/repository`.
    pub source_repo_name: String,
    /// The URL of the source repository.
    pub source_repo_url: String,
    /// Whether the source repository is a fork of the linked one.
    pub comes_from_a_fork: bool,
}

/// A pull request, as its forge last described it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// Its identifier at the forge.
    pub id: u64,
    /// Its number in the repository.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its URL.
    pub html_url: String,
    /// The source repository, as `owner/repository`.
    pub source_repo_name: String,
    /// The URL of the source repository.
    pub source_repo_url: String,
    /// Whether the source repository is a fork of the linked one.
    pub comes_from_a_fork: bool,
    /// Its branch in the source repository.
    pub branch: String,
    /// The branch into which it is to be merged.
    pub base_branch: String,
    /// The Git hash of its last commit.
    pub head: String,
    /// When its forge first mentioned it.
    pub opened_at: Time,
    /// When it was closed; `None` if it is open.
    pub closed_at: Option<Time>,
    /// When it was last active.
    pub active_at: Time,
    /// When its review app is due to be destroyed; `None` if it is not.
    pub delete_at: Option<Time>,
}

/// What happened to a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullChange {
    /// It was opened or reopened.
    Opened,
    /// Its commits changed.
    Synchronised,
    /// It was closed, merged or not.
    Closed,
    /// Anything else. It only updates the stored pull request.
    Other,
}

/// What must follow a change of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FollowUp {
    /// Nothing.
    Nothing,
    /// Create its review app.
    Create,
    /// Deploy its new commits to its review app.
    Deploy(AppId),
    /// Destroy its review app.
    Destroy,
}

/// Stores a forge's description of a pull request, and returns what must follow.
///
/// # Errors
///
/// Fails if the app is not linked to a repository.
pub fn pull_request_received(
    app: &App,
    private: &mut Arc<PrivateState>,
    received: PullRequest,
    change: PullChange,
    now: Time,
) -> Result<FollowUp, Rejection> {
    let link = app.scm_link.as_ref().ok_or(Rejection::NotFound("scm_repo_link"))?;
    let automation = &link.automation;
    let before = private.pull_requests.get(&received.number);
    let closed_at = before.and_then(|pull| pull.closed_at);
    let pull = PullRequest {
        opened_at: before.map_or(now, |pull| pull.opened_at),
        // A webhook may be received twice: the first closing counts.
        closed_at: match change {
            PullChange::Closed => closed_at.or(Some(now)),
            PullChange::Opened | PullChange::Synchronised => None,
            PullChange::Other => closed_at,
        },
        active_at: now,
        ..received
    };
    let review_app = of_pull(app, pull.number);
    let has_new_commits = before.is_none_or(|before| before.head != pull.head);
    let follow_up = match (change, review_app) {
        (PullChange::Closed, Some(_))
            if automation.delete_on_close && automation.hours_before_delete_on_close == 0 =>
        {
            FollowUp::Destroy
        }
        (PullChange::Opened | PullChange::Synchronised, Some((_, review_app))) if has_new_commits => {
            review_app.app_id.map_or(FollowUp::Nothing, FollowUp::Deploy)
        }
        (PullChange::Opened, None) if wants_review_app(automation, &pull) => FollowUp::Create,
        _ => FollowUp::Nothing,
    };
    let delete_at = delete_at(review_app.is_some() || follow_up == FollowUp::Create, automation, &pull);
    let pulls = &mut Arc::make_mut(private).pull_requests;
    pulls.insert(pull.number, PullRequest { delete_at, ..pull });
    while pulls.len() > REMEMBERED {
        let oldest = pulls
            .iter()
            .filter(|(number, _)| of_pull(app, **number).is_none())
            .min_by_key(|(_, pull)| pull.active_at)
            .map(|(number, _)| *number);
        let Some(oldest) = oldest else { break };
        pulls.remove(&oldest);
    }
    Ok(follow_up)
}

/// Decides the parent's part of creating a review app: its event, and the review app's name. The caller creates the app
/// itself in the same transaction, with [`create_app`].
///
/// # Errors
///
/// Fails if the app is not linked, or if the pull request is unknown, closed or already has a review app.
pub fn create(
    app: &App,
    private: &mut Arc<PrivateState>,
    number: u64,
    child: AppId,
    name: String,
    context: &Context<'_>,
) -> Result<Decision<String>, Rejection> {
    let link = app.scm_link.as_ref().ok_or(Rejection::NotFound("scm_repo_link"))?;
    let pull = private.pull_requests.get(&number).ok_or(Rejection::NotFound("pull_request"))?;
    if pull.closed_at.is_some() {
        return Err(Rejection::invalid("pull_request_id", "must be the number of an open pull request"));
    }
    if let Some((name, _)) = of_pull(app, number) {
        return Err(Rejection::invalid("pull_request_id", format!("already has a review app: {name}")));
    }
    // Its first deployment must not be refused after the app is created.
    check_git_ref(Some(pull.head.as_str()).filter(|head| !head.is_empty()))?;
    let created = catalogue::ReviewApp {
        review_app_url: Some(url_of(context, &name)),
        review_app_name: name.clone(),
        source_repo_name: pull.source_repo_name.clone(),
        source_repo_url: pull.source_repo_url.clone(),
        pr_name: pull.title.clone(),
        pr_number: number,
        pr_url: pull.html_url.clone(),
        pr_comes_from_a_fork: pull.comes_from_a_fork,
        app_id: Some(child),
    };
    if let Some(pull) = Arc::make_mut(private).pull_requests.get_mut(&number) {
        pull.active_at = context.now;
        pull.delete_at = delete_at(true, &link.automation, pull);
    }
    Ok(Decision::creating(name, SourceControl::CreateReviewApp(created)))
}

/// Returns the action that creates the review app of a pull request, with one of its [`names`]. The review app gets its
/// parent's stack if that is still available.
pub fn create_app(app: &App, number: u64, name: String, now: Time) -> CreateApp {
    CreateApp {
        name,
        stack_id: app.stack.clone().filter(|stack| directory::may_be_chosen(stack, now)),
        parent: Some(app.id),
        pull_request: Some(number),
        ..CreateApp::default()
    }
}

/// Decides the parent's part of renaming a review app: its event. The caller renames the app itself in the same
/// transaction. Without an event if the parent does not know the app.
pub fn rename(app: &App, child: AppId, new_name: &str, context: &Context<'_>) -> Decision {
    let known = app.review_apps.iter().find(|(_, review_app)| review_app.app_id == Some(child));
    let Some((old_name, review_app)) = known.filter(|(old_name, _)| *old_name != new_name) else {
        return Decision::none();
    };
    Decision::of(SourceControl::RenameReviewApp(catalogue::RenameReviewApp {
        app_id: child,
        old_name: old_name.clone(),
        new_name: new_name.to_owned(),
        review_app_url: Some(url_of(context, new_name)),
        pr_number: review_app.pr_number,
    }))
}

/// Decides the parent's part of destroying a review app: its event. `name` is the name under which the parent knows the
/// app, `current_name` the app's own. They differ if only the app's timeline has its rename, as after a report. The
/// caller deletes the app itself in the same transaction.
///
/// # Errors
///
/// Fails if the app has no review app of this name.
pub fn destroy(
    app: &App,
    private: &mut Arc<PrivateState>,
    name: &str,
    current_name: &str,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    let review_app = app.review_apps.get(name).ok_or(Rejection::NotFound("app"))?;
    if private.pull_requests.get(&review_app.pr_number).is_some_and(|pull| pull.delete_at.is_some())
        && let Some(pull) = Arc::make_mut(private).pull_requests.get_mut(&review_app.pr_number)
    {
        pull.delete_at = None;
    }
    let destroyed = catalogue::ReviewApp {
        review_app_name: current_name.to_owned(),
        review_app_url: match name == current_name {
            true => review_app.url.clone(),
            false => Some(url_of(context, current_name)),
        },
        source_repo_name: review_app.source_repo_name.clone(),
        source_repo_url: review_app.source_repo_url.clone(),
        pr_name: review_app.pr_name.clone(),
        pr_number: review_app.pr_number,
        pr_url: review_app.pr_url.clone(),
        pr_comes_from_a_fork: review_app.comes_from_a_fork,
        app_id: review_app.app_id,
    };
    Ok(Decision::of(SourceControl::DestroyReviewApp(destroyed)))
}

/// Removes the timer of a pull request, because it has run or must not run.
pub fn forget_timer(private: &mut Arc<PrivateState>, number: u64) {
    if let Some(pull) = Arc::make_mut(private).pull_requests.get_mut(&number) {
        pull.delete_at = None;
    }
}

/// Returns the review app of a pull request, with its name.
pub fn of_pull(app: &App, number: u64) -> Option<(&String, &ReviewApp)> {
    app.review_apps.iter().find(|(_, review_app)| review_app.pr_number == number)
}

/// Returns the identifier of an app's review app.
pub fn review_app_id(app: AppId, name: &str) -> ResourceId {
    ResourceId::derived(app, "review_app", name)
}

/// Returns the names that the review app of a pull request may get, the preferred one first. Another app may have that one:
/// names are cut to a length, and anybody may take a name.
pub fn names(app: &App, number: u64) -> impl Iterator<Item = String> + '_ {
    (1..=NAMES_MAX).map(move |attempt| {
        let end = if attempt == 1 { format!("-pr{number}") } else { format!("-pr{number}-{attempt}") };
        let room = APP_NAME_CHARS.end().saturating_sub(end.len());
        let stem = app.name.get(..room).unwrap_or(&app.name).trim_end_matches('-');
        format!("{stem}{end}")
    })
}

/// Recomputes when review apps are due to be destroyed, after the settings changed.
pub(super) fn reschedule(app: &App, private: &mut Arc<PrivateState>, automation: &Automation) {
    if private.pull_requests.is_empty() {
        return;
    }
    for (number, pull) in &mut Arc::make_mut(private).pull_requests {
        pull.delete_at = delete_at(of_pull(app, *number).is_some(), automation, pull);
    }
}

pub(super) fn contradiction(app: &App, data: &catalogue::ReviewApp) -> Option<&'static str> {
    let review_app = data.app_id?;
    if review_app == app.id {
        return Some("an app cannot be its own review app: it does not become one");
    }
    (app.parent == Some(review_app))
        .then_some("the parent of an app cannot be its review app: it does not become one")
}

pub(super) fn apply_created(app: &mut App, data: &catalogue::ReviewApp, at: Time) {
    if contradiction(app, data).is_some() {
        return;
    }
    let review_app = ReviewApp {
        app_id: data.app_id,
        created_at: at,
        url: data.review_app_url.clone(),
        pr_number: data.pr_number,
        pr_name: data.pr_name.clone(),
        pr_url: data.pr_url.clone(),
        source_repo_name: data.source_repo_name.clone(),
        source_repo_url: data.source_repo_url.clone(),
        comes_from_a_fork: data.pr_comes_from_a_fork,
    };
    app.review_apps.insert(data.review_app_name.clone(), review_app);
}

pub(super) fn apply_renamed(app: &mut App, data: &catalogue::RenameReviewApp) {
    let name = known_as(app, &data.old_name, Some(data.app_id));
    if let Some(mut review_app) = name.and_then(|name| app.review_apps.remove(&name)) {
        review_app.app_id = Some(data.app_id);
        review_app.url = data.review_app_url.clone().or(review_app.url);
        app.review_apps.insert(data.new_name.clone(), review_app);
    }
}

pub(super) fn apply_destroyed(app: &mut App, data: &catalogue::ReviewApp) {
    if let Some(name) = known_as(app, &data.review_app_name, data.app_id) {
        app.review_apps.remove(&name);
    }
}

/// Returns the name under which the parent knows a review app: that of the review app with this identifier, or else the
/// given one unless it is another app's.
fn known_as(app: &App, name: &str, id: Option<AppId>) -> Option<String> {
    let by_id = app.review_apps.iter().find(|(_, review_app)| id.is_some() && review_app.app_id == id);
    let by_name = || {
        let found = app.review_apps.get_key_value(name);
        found.filter(|(_, review_app)| id.is_none() || review_app.app_id.is_none())
    };
    by_id.or_else(by_name).map(|(name, _)| name.clone())
}

/// Returns the URL of a review app in the dashboard.
fn url_of(context: &Context<'_>, name: &str) -> String {
    format!("{}/apps/{name}", context.lookups.rules().public_url)
}

fn wants_review_app(automation: &Automation, pull: &PullRequest) -> bool {
    automation.auto_deploy_review_apps && (!pull.comes_from_a_fork || automation.creation_from_forks_allowed)
}

/// Returns when the review app of a pull request is due to be destroyed: after a delay since the pull request was closed
/// or last active.
fn delete_at(has_review_app: bool, automation: &Automation, pull: &PullRequest) -> Option<Time> {
    let after = |time: Time, hours: u32| time.plus_millis(u64::from(hours) * HOUR_MILLIS);
    let on_close = pull
        .closed_at
        .filter(|_| automation.delete_on_close)
        .map(|closed_at| after(closed_at, automation.hours_before_delete_on_close));
    let stale = automation.delete_stale.then(|| after(pull.active_at, automation.stale_after_hours()));
    on_close.into_iter().chain(stale).min().filter(|_| has_review_app)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AppRef;

    #[test]
    fn names_are_valid_distinct_and_bounded() {
        for name in [
            "shop",
            "a-name-that-is-as-long-as-a-name-of-an-app-may-be",
            "ends-with-hyphens-where-it-is-cut------------x",
        ] {
            let app = AppRef { id: AppId::from_bytes([1; 12]), name: name.to_owned() };
            let app = App::first_seen(&app, Time::EPOCH);
            for number in [7, u64::MAX] {
                let names: Vec<_> = names(&app, number).collect();
                let distinct: std::collections::BTreeSet<_> = names.iter().collect();
                assert_eq!((names.len(), distinct.len()), (NAMES_MAX, NAMES_MAX));
                assert!(
                    names[0].ends_with(&format!("-pr{number}")) && !names[0].contains("--pr"),
                    "{names:?}"
                );
                assert!(names.iter().all(|name| APP_NAME_CHARS.contains(&name.len())), "{names:?}");
            }
        }
    }
}
