//! Webhooks of GitHub, as its documentation describes them, and those of Gitea and Forgejo, which differ in one action's name.

use annals_model::app::{self, PullChange};
use serde::Deserialize;

use super::{
    Commit, Pull, WebhookEvent, commit_list, is_head_skipped, is_nothing, is_skipped, null_as_default, parse,
};
use crate::error::ApiError;

/// Reads a webhook with this event name.
///
/// # Errors
///
/// [`ApiError::BadRequest`] if the body is not what GitHub's documentation describes.
pub(crate) fn read(event: &str, body: &str) -> Result<WebhookEvent, ApiError> {
    match event {
        "push" => Ok(push(parse(body)?)),
        "pull_request" => Ok(pull_request(parse(body)?)),
        _ => Ok(WebhookEvent::Nothing),
    }
}

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    git_ref: String,
    after: String,
    #[serde(default, deserialize_with = "null_as_default")]
    commits: Vec<Commit>,
    repository: Repository,
}

fn push(push: Push) -> WebhookEvent {
    match push.git_ref.strip_prefix("refs/heads/") {
        Some(branch) if !is_nothing(&push.after) => WebhookEvent::Push {
            repository: push.repository.into(),
            branch: branch.to_owned(),
            is_skipped: is_head_skipped(&push.commits, &push.after),
            head: push.after,
            commits: commit_list(&push.commits, push.commits.len()),
        },
        _ => WebhookEvent::Nothing,
    }
}

#[derive(Deserialize)]
struct PullRequestEvent {
    action: String,
    pull_request: PullRequest,
    repository: Repository,
}

#[derive(Deserialize)]
struct PullRequest {
    id: u64,
    number: u64,
    title: String,
    #[serde(default, deserialize_with = "null_as_default")]
    draft: bool,
    html_url: String,
    head: Side,
    base: Side,
}

#[derive(Deserialize)]
struct Side {
    #[serde(rename = "ref")]
    git_ref: String,
    sha: String,
    /// Null if a fork was deleted.
    repo: Option<Repository>,
}

#[derive(Clone, Deserialize)]
struct Repository {
    id: u64,
    full_name: String,
    html_url: String,
}

impl From<Repository> for app::Repository {
    fn from(repository: Repository) -> Self {
        Self { id: repository.id, name: repository.full_name }
    }
}

fn pull_request(event: PullRequestEvent) -> WebhookEvent {
    let repository = app::Repository::from(event.repository.clone());
    let change = match event.action.as_str() {
        _ if is_skipped(&event.pull_request.title) && event.action != "closed" => PullChange::Other,
        "opened" | "reopened" | "ready_for_review" => PullChange::Opened,
        // Gitea's name is the second one.
        "synchronize" | "synchronized" => PullChange::Synchronised,
        "closed" => PullChange::Closed,
        _ => PullChange::Other,
    };
    let PullRequest { id, number, title, draft, html_url, head, base } = event.pull_request;
    let comes_from_a_fork = head.repo.as_ref().is_none_or(|repo| repo.id != event.repository.id);
    let source = head.repo.unwrap_or(event.repository);
    let pull = Pull {
        id,
        number,
        title,
        is_draft: draft,
        tells_when_ready: true,
        html_url,
        source_repo_name: source.full_name,
        source_repo_url: source.html_url,
        comes_from_a_fork,
        branch: head.git_ref,
        base_branch: base.git_ref,
        head: head.sha,
    };
    WebhookEvent::Pull { repository, pull, change }
}
