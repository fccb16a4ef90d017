//! The shape of events about deployments.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;
use crate::catalogue::Shape;
use crate::catalogue::lenient::objects;
use crate::field_class::{Class, Field, FieldShape, REST, classes};

/// A finished deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// The deployment's identifier.
    pub deployment_id: String,
    /// The same identifier as a UUID; omitted if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_uuid: Option<String>,
    /// Where the code came from.
    #[serde(default)]
    pub deployment_type: DeploymentType,
    /// The username of the user who pushed the code.
    pub pusher: String,
    /// The Git hash of the deployed code; null if there is none.
    #[serde(default)]
    pub git_ref: Option<String>,
    /// The URL of that commit at the linked Git hosting service.
    #[serde(default)]
    pub git_ref_url: Option<String>,
    /// The result.
    pub status: DeploymentStatus,
    /// The duration in seconds.
    pub duration: u64,
    /// The name of the stack on which it was built.
    #[serde(default)]
    pub stack: Option<String>,
    /// When it finished.
    #[serde(default)]
    pub finished_at: Option<Time>,
    /// The deployed commits.
    #[serde(default)]
    pub last_commits: CommitList,
}
classes!(Deployment {
    deployment_id: Public,
    deployment_uuid: Public,
    deployment_type: Public,
    pusher: Public,
    git_ref: Public,
    git_ref_url: Url,
    status: Public,
    duration: Public,
    stack: Public,
    finished_at: Public,
    last_commits: { CommitList },
});

/// Where deployed code came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeploymentType {
    /// A Git repository.
    #[default]
    Deployment,
    /// An archive.
    Archive,
}

/// The result of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the contract gives names without meanings, and the names say it")]
pub enum DeploymentStatus {
    Success,
    CrashedError,
    TimeoutError,
    BuildError,
    HookError,
    Aborted,
}

impl DeploymentStatus {
    fn in_words(self) -> &'static str {
        match self {
            Self::Success => "successfully",
            Self::CrashedError => "but it crashed",
            Self::TimeoutError => "but it did not start in time",
            Self::BuildError => "but the build failed",
            Self::HookError => "but its hook failed",
            Self::Aborted => "but it was aborted",
        }
    }
}

/// The last commits of a deployment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommitList {
    /// The commits, as the Git hosting service describes them.
    #[serde(deserialize_with = "objects")]
    pub commits: Vec<serde_json::Map<String, serde_json::Value>>,
    /// The number of further commits that are not listed.
    pub remaining: u64,
}
/// The fields that forges give a commit. A builder may send others; they are hidden, because nobody knows what they
/// hold.
const COMMIT: &[Field] = &[
    Field { name: "id", shape: FieldShape::Leaf(Class::Public) },
    Field { name: "message", shape: FieldShape::Leaf(Class::Public) },
    Field { name: "url", shape: FieldShape::Leaf(Class::Url) },
    Field { name: "author", shape: FieldShape::Leaf(Class::Public) },
    Field { name: REST, shape: FieldShape::Leaf(Class::Secret) },
];
classes!(CommitList { commits: [(FieldShape::Object(COMMIT))], remaining: Public });

impl Shape for Deployment {}

/// `deployed 0123abcd successfully`
pub(super) fn deployment_in_words(data: &Deployment) -> String {
    match &data.git_ref {
        Some(git_ref) => format!("deployed {} {}", short(git_ref), data.status.in_words()),
        None => format!("deployed {}", data.status.in_words()),
    }
}

/// Shortens a Git hash for a sentence.
fn short(git_ref: &str) -> &str {
    if git_ref.len() == 40 && git_ref.is_ascii() { &git_ref[..8] } else { git_ref }
}
