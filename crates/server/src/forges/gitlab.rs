//! Webhooks of GitLab, as its documentation describes them.

use annals_model::app::PullChange;
use serde::Deserialize;

use super::{Commit, Pull, WebhookEvent, commit_list, is_nothing, null_as_default, parse};
use crate::error::ApiError;

/// Reads a webhook. The body says its kind. The header does not: for system hooks it names another kind.
///
/// # Errors
///
/// [`ApiError::BadRequest`] if the body is not what GitLab's documentation describes.
pub(crate) fn read(body: &[u8]) -> Result<WebhookEvent, ApiError> {
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
}

fn push(push: Push) -> WebhookEvent {
    match push.git_ref.strip_prefix("refs/heads/") {
        Some(branch) if !is_nothing(&push.after) => WebhookEvent::Push {
            branch: branch.to_owned(),
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
}

#[derive(Deserialize)]
struct Project {
    web_url: String,
    path_with_namespace: String,
}

#[derive(Deserialize)]
struct Attributes {
    id: u64,
    iid: u64,
    title: String,
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
    source: Option<Project>,
    last_commit: Option<Head>,
}

#[derive(Deserialize)]
struct Head {
    id: String,
}

fn merge_request(event: MergeRequest) -> WebhookEvent {
    let attributes = event.object_attributes;
    let change = match attributes.action.as_deref() {
        Some("open" | "reopen") => PullChange::Opened,
        Some("update") if attributes.oldrev.is_some() => PullChange::Synchronised,
        Some("close" | "merge") => PullChange::Closed,
        _ => PullChange::Other,
    };
    let source = attributes.source.unwrap_or(event.project);
    let pull = Pull {
        id: attributes.id,
        number: attributes.iid,
        title: attributes.title,
        html_url: attributes.url,
        source_repo_name: source.path_with_namespace,
        source_repo_url: source.web_url,
        comes_from_a_fork: attributes.source_project_id != Some(attributes.target_project_id),
        branch: attributes.source_branch,
        base_branch: attributes.target_branch,
        head: attributes.last_commit.map(|commit| commit.id).unwrap_or_default(),
    };
    WebhookEvent::Pull { pull, change }
}
