//! Webhooks of forges (Git hosting services), converted to one type for all of them. Gitea and Forgejo send what GitHub does,
//! with few differences.

pub(crate) mod bitbucket;
pub(crate) mod delivery;
pub(crate) mod github;
pub(crate) mod gitlab;

use std::borrow::Cow;

use annals_model::Time;
use annals_model::app::{PullChange, PullRequest, Repository};
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
    Push { repository: Repository, branch: String, head: String, is_skipped: bool, commits: CommitList },
    /// Something happened to a pull request into this repository.
    Pull { repository: Repository, pull: Pull, change: PullChange },
    /// An event that does not matter here.
    Nothing,
}

/// A pull request as a webhook describes it.
#[derive(Debug)]
pub(crate) struct Pull {
    id: u64,
    number: u64,
    title: String,
    is_draft: bool,
    /// Whether the forge says when a draft becomes ready. Otherwise any update may mean that.
    tells_when_ready: bool,
    html_url: String,
    source_repo_name: String,
    source_repo_url: String,
    comes_from_a_fork: bool,
    branch: String,
    base_branch: String,
    head: String,
}

impl Pull {
    /// Returns what a change of this pull request means if drafts get no review apps: a draft is as good as not opened.
    pub(crate) fn change_without_drafts(&self, change: PullChange) -> PullChange {
        match change {
            PullChange::Closed => PullChange::Closed,
            _ if self.is_draft => PullChange::Other,
            PullChange::Synchronised if !self.tells_when_ready => PullChange::Opened,
            change => change,
        }
    }

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

/// Returns whether a message asks that nothing is built for its commit.
fn is_skipped(message: &str) -> bool {
    ["[skip ci]", "[ci skip]"].iter().any(|mark| message.contains(mark))
}

/// Returns whether the message of the latest commit asks that nothing is built. Forges list it last.
fn is_head_skipped(commits: &[Commit], head: &str) -> bool {
    let latest = commits.iter().rfind(|commit| commit.id == head).or(commits.last());
    latest.is_some_and(|commit| is_skipped(&commit.message))
}

fn parse<T: DeserializeOwned>(body: &str) -> Result<T, ApiError> {
    serde_json::from_str(body)
        .map_err(|error| ApiError::BadRequest(format!("cannot read the webhook: {error}")))
}

/// Returns a body without what JSON in UTF-8 cannot have. Messages of commits have any bytes, and forges pass on some of them:
/// bytes that are no UTF-8, and escapes of half a surrogate pair.
pub(crate) fn readable(body: &[u8]) -> Cow<'_, str> {
    const ESCAPE: usize = r"\uD800".len();
    let text = String::from_utf8_lossy(body);
    let unit = |at: usize| {
        let digits = text.get(at..at + ESCAPE)?.strip_prefix(r"\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let (mut mended, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(found) = text[at..].find('\\') {
        at += found;
        at += match unit(at) {
            Some(0xd800..0xdc00) if matches!(unit(at + ESCAPE), Some(0xdc00..0xe000)) => 2 * ESCAPE,
            Some(0xd800..0xe000) => {
                mended.push_str(&text[copied..at]);
                mended.push(char::REPLACEMENT_CHARACTER);
                copied = at + ESCAPE;
                ESCAPE
            }
            Some(_) => ESCAPE,
            // The backslash and what it escapes, which may be another one.
            None => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    if copied == 0 {
        return text;
    }
    mended.push_str(&text[copied..]);
    mended.into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_cannot_have_is_replaced() {
        for (body, text) in [
            (br#"{"a":"plain"}"#.as_slice(), r#"{"a":"plain"}"#),
            (br#"{"a":"\ud83d\ude00"}"#, r#"{"a":"\ud83d\ude00"}"#),
            (br#"{"a":"\ud83d"}"#, "{\"a\":\"\u{fffd}\"}"),
            (br#"{"a":"\ude00\ud83d x"}"#, "{\"a\":\"\u{fffd}\u{fffd} x\"}"),
            (br#"{"a":"\ud83d\ud83d\ude00"}"#, "{\"a\":\"\u{fffd}\\ud83d\\ude00\"}"),
            (br#"{"a":"\\ud83d"}"#, r#"{"a":"\\ud83d"}"#),
            (b"{\"a\":\"\xff\"}", "{\"a\":\"\u{fffd}\"}"),
            (br#"{"a":"\u12"#, r#"{"a":"\u12"#),
            (b"\\", "\\"),
        ] {
            assert_eq!(readable(body), text);
        }
        assert_eq!(serde_json::from_str::<Value>(&readable(br#""\udfff""#)).unwrap(), "\u{fffd}");
    }
}
