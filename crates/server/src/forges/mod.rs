//! Webhooks of forges (Git hosting services such as GitHub and GitLab), converted to one type for all of them.

pub(crate) mod github;
pub(crate) mod gitlab;

use annals_model::Time;
use annals_model::app::{PullChange, PullRequest};
use annals_model::catalogue::CommitList;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::error::ApiError;

/// The most commits of a push that are kept with its deployment.
const COMMITS_MAX: usize = 10;
/// The most characters of a text that are kept.
const TEXT_MAX: usize = 255;

/// What a webhook reports.
#[derive(Debug)]
pub(crate) enum WebhookEvent {
    /// A branch was pushed.
    Push { branch: String, head: String, commits: CommitList },
    /// Something happened to a pull request.
    Pull { pull: Pull, change: PullChange },
    /// An event that does not matter here.
    Nothing,
}

/// A pull request as a webhook describes it.
#[derive(Debug)]
pub(crate) struct Pull {
    id: u64,
    number: u64,
    title: String,
    html_url: String,
    source_repo_name: String,
    source_repo_url: String,
    comes_from_a_fork: bool,
    branch: String,
    base_branch: String,
    head: String,
}

impl Pull {
    /// Converts it to the pull request to store, as of this time.
    pub(crate) fn at(self, now: Time) -> PullRequest {
        let text = |text: String| text.chars().take(TEXT_MAX).collect::<String>();
        PullRequest {
            id: self.id,
            number: self.number,
            title: text(self.title),
            html_url: text(self.html_url),
            source_repo_name: text(self.source_repo_name),
            source_repo_url: text(self.source_repo_url),
            comes_from_a_fork: self.comes_from_a_fork,
            branch: text(self.branch),
            base_branch: text(self.base_branch),
            head: text(self.head),
            opened_at: now,
            closed_at: None,
            active_at: now,
            delete_at: None,
        }
    }
}

#[derive(Deserialize)]
struct Commit {
    id: String,
    #[serde(default, deserialize_with = "null_as_default")]
    message: String,
    url: Option<String>,
    author: Option<Author>,
}

#[derive(Deserialize)]
struct Author {
    #[serde(default, deserialize_with = "null_as_default")]
    name: String,
}

/// Returns the latest commits, newest first, and how many more there are.
fn commit_list(commits: &[Commit], total: usize) -> CommitList {
    let listed: Vec<Map<String, Value>> = commits
        .iter()
        .rev()
        .take(COMMITS_MAX)
        .filter_map(|commit| {
            let subject: String =
                commit.message.lines().next().unwrap_or_default().chars().take(TEXT_MAX).collect();
            let author =
                commit.author.as_ref().map(|author| author.name.chars().take(TEXT_MAX).collect::<String>());
            let short = |text: &String| text.chars().take(TEXT_MAX).collect::<String>();
            let (id, url) = (short(&commit.id), commit.url.as_ref().map(short));
            let commit = json!({ "id": id, "message": subject, "url": url, "author": author });
            commit.as_object().cloned()
        })
        .collect();
    let remaining = total.max(commits.len()).saturating_sub(listed.len());
    CommitList { commits: listed, remaining: remaining as u64 }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::BadRequest(format!("cannot read the webhook: {error}")))
}

/// Returns whether a commit hash stands for no commit: all zeros.
fn is_nothing(commit: &str) -> bool {
    commit.bytes().all(|byte| byte == b'0')
}

/// Reads a null or missing field as empty.
fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
