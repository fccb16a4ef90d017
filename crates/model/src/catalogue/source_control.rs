//! Event types of linked repositories and review apps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, event_types};
use crate::AppId;
use crate::field_class::classes;

/// The link between an app and a repository, after the event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScmLink {
    /// The repository, as `owner/repository`.
    pub repo_name: String,
    /// The username of the user who created the link.
    pub linker_username: String,
    /// The repository's URL.
    pub source: String,
    /// The linked branch.
    #[serde(default)]
    pub branch: Option<String>,
    /// Whether pushes to the branch deploy the app.
    pub auto_deploy: bool,
    /// Whether pull requests get review apps.
    pub auto_deploy_review_apps: bool,
    /// Whether closing a pull request destroys its review app.
    pub delete_on_close: bool,
    /// Whether the review app of a stale pull request is destroyed.
    pub delete_stale: bool,
    /// The delay between closing and destruction, in hours.
    pub hours_before_delete_on_close: u32,
    /// The time without activity after which a pull request is stale, in hours.
    pub hours_before_delete_stale: u32,
    /// Whether pull requests from forks get review apps too.
    pub creation_from_forks_allowed: bool,
}
classes!(ScmLink {
    repo_name: Public,
    linker_username: Public,
    source: Url,
    branch: Public,
    auto_deploy: Public,
    auto_deploy_review_apps: Public,
    delete_on_close: Public,
    delete_stale: Public,
    hours_before_delete_on_close: Public,
    hours_before_delete_stale: Public,
    creation_from_forks_allowed: Public,
});

/// A removed link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnlinkScm {
    /// The repository, as `owner/repository`.
    pub repo_name: String,
    /// The repository's URL.
    pub source: String,
    /// The username of the user who removed the link.
    pub unlinker_username: String,
}
classes!(UnlinkScm { repo_name: Public, source: Url, unlinker_username: Public });

/// A review app and its pull request. The event belongs to the parent app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewApp {
    /// The name of the review app.
    pub review_app_name: String,
    /// Its URL in the platform's dashboard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_app_url: Option<String>,
    /// The source repository of the pull request, as `owner/repository`.
    pub source_repo_name: String,
    /// The URL of the source repository.
    pub source_repo_url: String,
    /// The title of the pull request.
    pub pr_name: String,
    /// The number of the pull request.
    pub pr_number: u64,
    /// The URL of the pull request.
    pub pr_url: String,
    /// Whether the pull request comes from a fork of the linked repository.
    pub pr_comes_from_a_fork: bool,
    /// The review app's identifier; omitted if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<AppId>,
}
classes!(ReviewApp {
    review_app_name: Public,
    review_app_url: Url,
    source_repo_name: Public,
    source_repo_url: Url,
    pr_name: Public,
    pr_number: Public,
    pr_url: Url,
    pr_comes_from_a_fork: Public,
    app_id: Public,
});

/// The names of a review app before and after a rename. The event belongs to the parent app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameReviewApp {
    /// The review app's identifier.
    pub app_id: AppId,
    /// Its previous name.
    pub old_name: String,
    /// Its new name.
    pub new_name: String,
    /// Its new URL in the platform's dashboard; omitted if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_app_url: Option<String>,
    /// The number of its pull request.
    pub pr_number: u64,
}
classes!(RenameReviewApp {
    app_id: Public,
    old_name: Public,
    new_name: Public,
    review_app_url: Url,
    pr_number: Public,
});

/// A repository on GitHub, linked before there were links to other forges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkGithub {
    /// The repository, as `owner/repository`.
    pub repo_name: String,
    /// The username of the user who created the link.
    #[serde(default)]
    pub linker_username: String,
    /// The repository's URL; empty if unknown.
    #[serde(default)]
    pub github_source: String,
}
classes!(LinkGithub { repo_name: Public, linker_username: Public, github_source: Url });

/// A repository on GitHub, unlinked before there were links to other forges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnlinkGithub {
    /// The repository, as `owner/repository`.
    pub repo_name: String,
    /// The username of the user who removed the link.
    #[serde(default)]
    pub unlinker_username: String,
    /// The repository's URL; empty if unknown.
    #[serde(default)]
    pub github_source: String,
}
classes!(UnlinkGithub { repo_name: Public, unlinker_username: Public, github_source: Url });

event_types! {
    /// Links to repositories, and the review apps of their pull requests.
    SourceControl, SourceControl;

    /// When an app is linked to a repository.
    LinkScm(ScmLink) = "link_scm", "Repository linked", App: |data| format!("linked the app to {}", data.repo_name);
    /// When the link between an app and a repository is updated.
    UpdateScm(ScmLink) = "update_scm", "Repository link updated", App:
        |data| format!("updated the link to {}", data.repo_name);
    /// When the link between an app and a repository is removed.
    UnlinkScm(UnlinkScm) = "unlink_scm", "Repository unlinked", App:
        |data| format!("unlinked the app from {}", data.repo_name);
    /// When a review app is created.
    CreateReviewApp(ReviewApp) = "create_review_app", "Review app created", App: |data| format!(
        "created review app {} for pull request #{} {}",
        data.review_app_name, data.pr_number, data.pr_name
    );
    /// When a review app is destroyed.
    DestroyReviewApp(ReviewApp) = "destroy_review_app", "Review app destroyed", App: |data| format!(
        "destroyed review app {} of pull request #{} {}",
        data.review_app_name, data.pr_number, data.pr_name
    );
    /// When a review app is renamed.
    RenameReviewApp(RenameReviewApp) = "rename_review_app", "Review app renamed", App, further: |data| format!(
        "renamed review app {} of pull request #{} to {}",
        data.old_name, data.pr_number, data.new_name
    );
    /// When an app was linked to a repository on GitHub, before there were links to other forges.
    LinkGithub(LinkGithub) = "link_github", "GitHub repository linked", App, further:
        |data| format!("linked the app to {}", data.repo_name);
    /// When such a link was removed.
    UnlinkGithub(UnlinkGithub) = "unlink_github", "GitHub repository unlinked", App, further:
        |data| format!("unlinked the app from {}", data.repo_name);
}

impl Shape for LinkGithub {}
impl Shape for UnlinkGithub {}
impl Shape for ScmLink {}
impl Shape for UnlinkScm {}
impl Shape for ReviewApp {}
impl Shape for RenameReviewApp {}
