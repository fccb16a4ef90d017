use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, event_types, is_false, listing};
use crate::field_class::{Class, Field, FieldShape, REST, classes};
use crate::field_errors::within;
use crate::public_url::public_url;
use crate::{AppId, FieldErrors, Person, Time};

/// How an app began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApp {
    /// The Git repository it was made from, where it was made with one click; null otherwise.
    #[serde(default)]
    pub git_source: Option<String>,
    /// The name of the stack, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// The app it is a child of, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_app_id: Option<AppId>,
    /// The number of the pull request whose review app it is, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<u64>,
    /// Whether it is to hold health data; left out where it is not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hds_resource: bool,
}
classes!(NewApp {
    git_source: Url,
    stack: Public,
    parent_app_id: Public,
    pull_request: Public,
    hds_resource: Public,
});

/// The two names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameApp {
    /// The name before.
    pub old_name: String,
    /// The name after, which is also the event's `app_name`.
    pub new_name: String,
}
classes!(RenameApp { old_name: Public, new_name: Public });

/// The two owners.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferApp {
    /// The owner before, who is also the event's user.
    pub old_owner: Person,
    /// The owner after.
    pub new_owner: Person,
}
classes!(TransferApp { old_owner: { Person }, new_owner: { Person } });

/// What was restarted, and by which add-on if by one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// Container types or single containers; null is all of them.
    #[serde(default)]
    pub scope: Option<Vec<String>>,
    /// The add-on that restarted the app, in which case the event has no user; empty otherwise.
    #[serde(default)]
    pub addon_name: String,
    /// The same as `addon_name`.
    #[serde(default)]
    pub addon_provider: String,
}
classes!(Restart { scope: [Public], addon_name: Public, addon_provider: Public });

/// The formation before and after: how many containers of each type, zeros included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// The formation before the operation.
    pub previous_containers: BTreeMap<String, u32>,
    /// The formation after it.
    pub containers: BTreeMap<String, u32>,
    /// The size of each type's containers before, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_sizes: Option<BTreeMap<String, String>>,
    /// The size of each type's containers after, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes: Option<BTreeMap<String, String>>,
}
classes!(Scale {
    previous_containers: [Public],
    containers: [Public],
    previous_sizes: [Public],
    sizes: [Public],
});

/// A deployment at its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// Identifies the deployment.
    pub deployment_id: String,
    /// Where the code came from.
    #[serde(default)]
    pub deployment_type: DeploymentType,
    /// The username of who pushed the code.
    pub pusher: String,
    /// The Git hash of the deployed code, where there is one.
    #[serde(default)]
    pub git_ref: Option<String>,
    /// Where the linked forge shows that hash.
    #[serde(default)]
    pub git_ref_url: Option<String>,
    /// How it ended.
    pub status: DeploymentStatus,
    /// How long it took, in seconds.
    pub duration: u64,
    /// The name of the stack it was built on.
    #[serde(default)]
    pub stack: Option<String>,
    /// When it ended.
    #[serde(default)]
    pub finished_at: Option<Time>,
    /// What it brought.
    #[serde(default)]
    pub last_commits: CommitList,
}
classes!(Deployment {
    deployment_id: Public,
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

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the contract gives names without meanings, and they say it")]
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
    /// The commits listed, as the forge describes them.
    pub commits: Vec<serde_json::Map<String, serde_json::Value>>,
    /// How many there are besides.
    pub remaining: u64,
}
/// What forges say of a commit; what else a builder may say of one is not known.
const COMMIT: &[Field] = &[
    Field { name: "id", shape: FieldShape::Leaf(Class::Public) },
    Field { name: "message", shape: FieldShape::Leaf(Class::Public) },
    Field { name: "url", shape: FieldShape::Leaf(Class::Url) },
    Field { name: "author", shape: FieldShape::Leaf(Class::Public) },
    Field { name: REST, shape: FieldShape::Leaf(Class::Secret) },
];
classes!(CommitList { commits: [(FieldShape::Object(COMMIT))], remaining: Public });

/// A one-off command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The command line; empty where the platform's own people ran something.
    pub command: String,
    /// Identifies the one-off's audit log, where one is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_log_id: Option<String>,
    /// The size of the audit log in bytes, where it is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_log_size: Option<u64>,
    /// Whether it ran without a terminal attached.
    #[serde(default)]
    pub detached: bool,
}
classes!(Run { command: Secret, audit_log_id: Public, audit_log_size: Public, detached: Public });

/// The two stacks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StackChanged {
    /// Identifies the stack before.
    pub previous_stack_id: String,
    /// Identifies the stack after.
    pub current_stack_id: String,
    /// The name of the stack before.
    pub previous_stack_name: String,
    /// The name of the stack after.
    pub current_stack_name: String,
}
classes!(StackChanged {
    previous_stack_id: Public,
    current_stack_id: Public,
    previous_stack_name: Public,
    current_stack_name: Public,
});

/// The settings that changed, as they are after.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EditApp {
    /// Whether plain HTTP is redirected to HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_https: Option<bool>,
    /// Whether requests of one client go to the same container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky_session: Option<bool>,
    /// Whether the router's logs are among the app's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_logs: Option<bool>,
}
classes!(EditApp { force_https: Public, sticky_session: Public, router_logs: Public });

/// Nothing beyond the event itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteApp {}
classes!(DeleteApp {});

event_types! {
    /// The app itself: its existence, name, owner, formation, code and stack.
    AppOperations, AppOperations, Contract;

    /// When an app is created.
    NewApp(NewApp) = "new_app", "App created", App:
        |data| match data.git_source.as_deref().map(public_url) {
            Some(Some(url)) => format!("created the app from {url}"),
            Some(None) => "created the app from a repository".to_owned(),
            None => "created the app".to_owned(),
        };
    /// When an app is renamed.
    RenameApp(RenameApp) = "rename_app", "App renamed", App:
        |data| format!("renamed the app from {} to {}", data.old_name, data.new_name);
    /// When an app gets a new owner.
    TransferApp(TransferApp) = "transfer_app", "App transferred", App:
        |data| format!("transferred the app from {} to {}", data.old_owner.username, data.new_owner.username);
    /// When an app, or some of its containers, are restarted.
    Restart(Restart) = "restart", "App restarted", App: |data| match &data.scope {
        Some(scope) => format!("restarted {}", listing(scope.iter().map(String::as_str))),
        None => "restarted all containers".to_owned(),
    };
    /// When the formation of an app changes.
    Scale(Scale) = "scale", "App scaled", App: |data| format!("scaled {}", scale_in_words(data));
    /// When a deployment has ended.
    Deployment(Deployment) = "deployment", "App deployed", App: |data| match &data.git_ref {
        Some(git_ref) => format!("deployed {} {}", short(git_ref), data.status.in_words()),
        None => format!("deployed {}", data.status.in_words()),
    };
    /// When a one-off command is run.
    Run(Run) = "run", "Command run", App:
        |data| if data.command.is_empty() { "ran a maintenance command" } else { "ran a one-off command" };
    /// When the stack of an app is changed.
    StackChanged(StackChanged) = "stack_changed", "Stack changed", App:
        |data| format!("changed the stack from {} to {}", data.previous_stack_name, data.current_stack_name);
}

event_types! {
    /// What happens to an app and has no type in the contract.
    AppChanges, AppOperations, Further;

    /// When the settings of an app are changed.
    EditApp(EditApp) = "edit_app", "App settings changed", App: |data| settings_in_words(data);
    /// When an app is deleted.
    DeleteApp(DeleteApp) = "delete_app", "App deleted", App: |_| "deleted the app";
}

impl Shape for NewApp {}
impl Shape for RenameApp {}
impl Shape for Scale {}
impl Shape for Deployment {}
impl Shape for Run {}
impl Shape for StackChanged {}
impl Shape for EditApp {}
impl Shape for DeleteApp {}

/// `turned force_https on`
fn settings_in_words(data: &EditApp) -> String {
    let settings = [
        ("force_https", data.force_https),
        ("sticky_session", data.sticky_session),
        ("router_logs", data.router_logs),
    ];
    let changes: Vec<_> = settings
        .into_iter()
        .filter_map(|(name, value)| Some(format!("turned {name} {}", if value? { "on" } else { "off" })))
        .collect();
    if changes.is_empty() { "changed the settings".to_owned() } else { changes.join(", ") }
}

impl Shape for TransferApp {
    fn complete(&mut self) -> Result<(), FieldErrors> {
        self.old_owner.check().map_err(|errors| within("old_owner", &errors))?;
        self.new_owner.check().map_err(|errors| within("new_owner", &errors))
    }
}

impl Shape for Restart {
    fn complete(&mut self) -> Result<(), FieldErrors> {
        // Clients send an empty list for "all"; the contract's word for it is null.
        self.scope.take_if(|scope| scope.is_empty());
        match (self.addon_name.is_empty(), self.addon_provider.is_empty()) {
            (true, false) => self.addon_name.clone_from(&self.addon_provider),
            (false, true) => self.addon_provider.clone_from(&self.addon_name),
            _ => {}
        }
        Ok(())
    }
}

/// `web 1 → 2, worker 0 → 1 (M → L)`: the types that changed.
fn scale_in_words(data: &Scale) -> String {
    let size = |sizes: &Option<BTreeMap<String, String>>, name: &str| sizes.as_ref()?.get(name).cloned();
    let changes: Vec<_> = data
        .containers
        .keys()
        .chain(data.previous_containers.keys().filter(|name| !data.containers.contains_key(*name)))
        .filter_map(|name| {
            let before = data.previous_containers.get(name).copied().unwrap_or(0);
            let after = data.containers.get(name).copied().unwrap_or(0);
            let (size_before, size_after) = (size(&data.previous_sizes, name), size(&data.sizes, name));
            match (size_before, size_after) {
                (Some(old), Some(new)) if old != new => {
                    Some(format!("{name} {before} → {after} ({old} → {new})"))
                }
                _ if before != after => Some(format!("{name} {before} → {after}")),
                _ => None,
            }
        })
        .collect();
    if changes.is_empty() { "nothing".to_owned() } else { changes.join(", ") }
}

/// A Git hash as people quote it.
fn short(git_ref: &str) -> &str {
    if git_ref.len() == 40 && git_ref.is_ascii() { &git_ref[..8] } else { git_ref }
}
