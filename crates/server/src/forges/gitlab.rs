//! Webhooks of GitLab, as its documentation describes them.

use annals_model::app::{PullChange, Repository};
use serde::Deserialize;

use super::{
    Commit, Pull, WebhookEvent, commit_list, is_head_skipped, is_nothing, is_skipped, null_as_default, parse,
};
use crate::error::ApiError;

/// Reads a webhook. The body says its kind. The header does not: for system hooks it names another kind.
///
/// # Errors
///
/// [`ApiError::BadRequest`] if the body is not what GitLab's documentation describes.
pub(crate) fn read(body: &str) -> Result<WebhookEvent, ApiError> {
    #[derive(Deserialize)]
    struct Kind {
        object_kind: Option<String>,
    }
    match parse::<Kind>(body)?.object_kind.as_deref() {
        Some("push") => Ok(push(parse(body)?)),
        Some("merge_request") => Ok(merge_request(parse(body)?)),
        _ => Ok(WebhookEvent::Nothing),
    }
}

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    git_ref: String,
    after: String,
    /// The commit to build; null if the branch was deleted.
    checkout_sha: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    commits: Vec<Commit>,
    #[serde(default, deserialize_with = "null_as_default")]
    total_commits_count: usize,
    project: Project,
}

fn push(push: Push) -> WebhookEvent {
    match push.git_ref.strip_prefix("refs/heads/") {
        Some(branch) if !is_nothing(&push.after) => WebhookEvent::Push {
            repository: push.project.repository(),
            branch: branch.to_owned(),
            is_skipped: is_head_skipped(&push.commits, &push.after),
            head: push.checkout_sha.unwrap_or(push.after),
            commits: commit_list(&push.commits, push.total_commits_count),
        },
        _ => WebhookEvent::Nothing,
    }
}

#[derive(Deserialize)]
struct MergeRequest {
    project: Project,
    object_attributes: Attributes,
    #[serde(default, deserialize_with = "null_as_default")]
    changes: Changes,
}

/// What an update changed.
#[derive(Default, Deserialize)]
struct Changes {
    draft: Option<DraftChange>,
}

#[derive(Deserialize)]
struct DraftChange {
    current: Option<bool>,
}

#[derive(Deserialize)]
struct Project {
    id: u64,
    web_url: String,
    path_with_namespace: String,
}

#[derive(Deserialize)]
struct Source {
    web_url: String,
    path_with_namespace: String,
}

impl Project {
    fn repository(&self) -> Repository {
        Repository { id: self.id, name: self.path_with_namespace.clone() }
    }
}

#[derive(Deserialize)]
struct Attributes {
    id: u64,
    iid: u64,
    title: String,
    #[serde(default, deserialize_with = "null_as_default")]
    draft: bool,
    url: String,
    /// Missing in test webhooks of older versions.
    action: Option<String>,
    /// Present if the update added commits.
    oldrev: Option<String>,
    source_branch: String,
    target_branch: String,
    /// Null if a fork was deleted.
    source_project_id: Option<u64>,
    target_project_id: u64,
    source: Option<Source>,
    last_commit: Option<Head>,
}

#[derive(Deserialize)]
struct Head {
    id: String,
    #[serde(default, deserialize_with = "null_as_default")]
    message: String,
}

fn merge_request(event: MergeRequest) -> WebhookEvent {
    let attributes = event.object_attributes;
    let repository = event.project.repository();
    let is_skipped = is_skipped(&attributes.title)
        || attributes.last_commit.as_ref().is_some_and(|commit| is_skipped(&commit.message));
    let is_ready = event.changes.draft.is_some_and(|draft| draft.current == Some(false));
    let change = match attributes.action.as_deref() {
        Some("open" | "reopen" | "update") if is_skipped => PullChange::Other,
        Some("open" | "reopen") => PullChange::Opened,
        Some("update") if is_ready => PullChange::Opened,
        Some("update") if attributes.oldrev.is_some() => PullChange::Synchronised,
        Some("close" | "merge") => PullChange::Closed,
        _ => PullChange::Other,
    };
    let Project { web_url, path_with_namespace, .. } = event.project;
    let source = attributes.source.unwrap_or(Source { web_url, path_with_namespace });
    let pull = Pull {
        id: attributes.id,
        number: attributes.iid,
        title: attributes.title,
        is_draft: attributes.draft,
        tells_when_ready: true,
        html_url: attributes.url,
        source_repo_name: source.path_with_namespace,
        source_repo_url: source.web_url,
        comes_from_a_fork: attributes.source_project_id != Some(attributes.target_project_id),
        branch: attributes.source_branch,
        base_branch: attributes.target_branch,
        head: attributes.last_commit.map(|commit| commit.id).unwrap_or_default(),
    };
    WebhookEvent::Pull { repository, pull, change }
}
