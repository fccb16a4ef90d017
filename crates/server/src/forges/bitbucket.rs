//! Webhooks of Bitbucket Cloud, as its documentation describes them.

use annals_model::app::{self, PullChange};
use serde::Deserialize;

use super::{Commit, Pull, WebhookEvent, commit_list, is_head_skipped, is_skipped, null_as_default, parse};
use crate::error::ApiError;

/// Reads a webhook with this event key. Of a push of several branches, reads that of the wanted branch.
///
/// # Errors
///
/// [`ApiError::BadRequest`] if the body is not what Bitbucket's documentation describes.
pub(crate) fn read(event: &str, body: &str, branch: Option<&str>) -> Result<WebhookEvent, ApiError> {
    let change = match event {
        "repo:push" => return Ok(push(parse(body)?, branch)),
        "pullrequest:created" => PullChange::Opened,
        "pullrequest:updated" => PullChange::Synchronised,
        "pullrequest:fulfilled" | "pullrequest:rejected" => PullChange::Closed,
        _ => return Ok(WebhookEvent::Nothing),
    };
    Ok(pull_request(parse(body)?, change))
}

#[derive(Deserialize)]
struct Push {
    push: PushedReferences,
    repository: Repository,
}

#[derive(Deserialize)]
struct PushedReferences {
    changes: Vec<PushedReference>,
}

#[derive(Deserialize)]
struct PushedReference {
    /// Null if the branch was removed.
    new: Option<Reference>,
    /// The newest ones, newest first.
    #[serde(default, deserialize_with = "null_as_default")]
    commits: Vec<PushedCommit>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    target: Target,
}

#[derive(Deserialize)]
struct Target {
    hash: String,
}

#[derive(Deserialize)]
struct PushedCommit {
    hash: String,
    #[serde(default, deserialize_with = "null_as_default")]
    message: String,
    links: Option<Links>,
    author: Option<Author>,
}

#[derive(Deserialize)]
struct Author {
    /// A name and an address, as Git has them: `Jane Doe <jane@example.com>`.
    #[serde(default, deserialize_with = "null_as_default")]
    raw: String,
}

#[derive(Deserialize)]
struct Links {
    html: Option<Address>,
}

#[derive(Deserialize)]
struct Address {
    href: String,
}

impl Links {
    fn html(links: Option<Self>) -> Option<String> {
        links.and_then(|links| links.html).map(|html| html.href)
    }
}

#[derive(Deserialize)]
struct Repository {
    /// In braces.
    uuid: String,
    full_name: String,
    links: Option<Links>,
}

impl Repository {
    /// Other forges number their repositories; here the number is the first half of the UUID.
    fn id(&self) -> u64 {
        let digits: String = self.uuid.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        u64::from_str_radix(&digits, 16).unwrap_or_default()
    }

    fn repository(&self) -> app::Repository {
        app::Repository { id: self.id(), name: self.full_name.clone() }
    }
}

fn push(push: Push, branch: Option<&str>) -> WebhookEvent {
    let Push { push: PushedReferences { changes }, repository } = push;
    let pushed = changes.into_iter().filter_map(|change| Some((change.new?, change.commits)));
    let mut branches: Vec<_> = pushed.filter(|(new, _)| new.kind == "branch").collect();
    let wanted = branches.iter().position(|(new, _)| Some(&*new.name) == branch).unwrap_or(0);
    if branches.is_empty() {
        return WebhookEvent::Nothing;
    }
    let (new, commits) = branches.swap_remove(wanted);
    let commits: Vec<_> = commits.into_iter().rev().map(Commit::from).collect();
    WebhookEvent::Push {
        repository: repository.repository(),
        branch: new.name,
        is_skipped: is_head_skipped(&commits, &new.target.hash),
        head: new.target.hash,
        commits: commit_list(&commits, commits.len()),
    }
}

impl From<PushedCommit> for Commit {
    fn from(commit: PushedCommit) -> Self {
        let name = |author: Author| author.raw.split(" <").next().unwrap_or_default().to_owned();
        Self {
            id: commit.hash,
            message: commit.message,
            url: Links::html(commit.links),
            author: commit.author.map(|author| super::Author { name: name(author) }),
        }
    }
}

#[derive(Deserialize)]
struct PullRequestEvent {
    pullrequest: PullRequest,
    repository: Repository,
}

#[derive(Deserialize)]
struct PullRequest {
    id: u64,
    title: String,
    #[serde(default, deserialize_with = "null_as_default")]
    draft: bool,
    links: Option<Links>,
    source: Side,
    destination: Side,
}

#[derive(Deserialize)]
struct Side {
    branch: Branch,
    /// Null if the repository was removed.
    commit: Option<Target>,
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
}

fn pull_request(event: PullRequestEvent, change: PullChange) -> WebhookEvent {
    let PullRequestEvent { pullrequest, repository } = event;
    let change = match change {
        PullChange::Closed => PullChange::Closed,
        _ if is_skipped(&pullrequest.title) => PullChange::Other,
        change => change,
    };
    let linked = repository.repository();
    let PullRequest { id, title, draft, links, source, destination } = pullrequest;
    let comes_from_a_fork = source.repository.as_ref().is_none_or(|other| other.uuid != repository.uuid);
    let from = source.repository.unwrap_or(repository);
    let pull = Pull {
        // Pull requests are numbered within their repository.
        id,
        number: id,
        title,
        is_draft: draft,
        tells_when_ready: false,
        html_url: Links::html(links).unwrap_or_default(),
        source_repo_url: Links::html(from.links).unwrap_or_default(),
        source_repo_name: from.full_name,
        comes_from_a_fork,
        branch: source.branch.name,
        base_branch: destination.branch.name,
        head: source.commit.map(|commit| commit.hash).unwrap_or_default(),
    };
    WebhookEvent::Pull { repository: linked, pull, change }
}
