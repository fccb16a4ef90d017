//! The shapes of events about the app itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::{Shape, check_length, is_false};
use crate::field_class::classes;
use crate::public_url::public_url;
use crate::{AppId, FieldErrors, Person, ProjectRef};

/// The origin of a new app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApp {
    /// The Git repository of a one-click deployment; null otherwise.
    #[serde(default)]
    pub git_source: Option<String>,
    /// The name of the stack on which it is built; omitted if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// The parent app, if the app is a child.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_app_id: Option<AppId>,
    /// The number of the pull request, if the app is a review app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<u64>,
    /// Whether the app is meant for health data; omitted if false.
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

/// The names before and after a rename.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameApp {
    /// The previous name.
    pub old_name: String,
    /// The new name, which is also the event's `app_name`.
    pub new_name: String,
}
classes!(RenameApp { old_name: Public, new_name: Public });

/// The owners before and after a transfer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferApp {
    /// The previous owner, who is also the event's user.
    pub old_owner: Person,
    /// The new owner.
    pub new_owner: Person,
}
classes!(TransferApp { old_owner: { Person }, new_owner: { Person } });

/// The stacks before and after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StackChanged {
    /// The identifier of the previous stack.
    pub previous_stack_id: String,
    /// The identifier of the new stack.
    pub current_stack_id: String,
    /// The name of the previous stack.
    pub previous_stack_name: String,
    /// The name of the new stack.
    pub current_stack_name: String,
}
classes!(StackChanged {
    previous_stack_id: Public,
    current_stack_id: Public,
    previous_stack_name: Public,
    current_stack_name: Public,
});

/// The changed settings, with their new values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EditApp {
    /// Whether plain HTTP is redirected to HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_https: Option<bool>,
    /// Whether all requests of a client go to the same container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky_session: Option<bool>,
    /// Whether the app's logs include the router's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_logs: Option<bool>,
}
classes!(EditApp { force_https: Public, sticky_session: Public, router_logs: Public });

/// Nothing: the event says it all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteApp {}
classes!(DeleteApp {});

/// The projects before and after an app moved from one to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateAppProject {
    /// The identifier of the previous project; empty if unknown.
    #[serde(default)]
    pub old_project_id: String,
    /// The name of the previous project; empty if unknown.
    #[serde(default)]
    pub old_project_name: String,
    /// The identifier of the new project.
    pub new_project_id: String,
    /// The name of the new project.
    pub new_project_name: String,
}
classes!(UpdateAppProject {
    old_project_id: Public,
    old_project_name: Public,
    new_project_id: Public,
    new_project_name: Public,
});

/// The beginning of an app's move to another region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRegionMigration {
    /// The migration's identifier.
    pub migration_id: String,
    /// The region that it leaves.
    pub source: String,
    /// The region that it moves to.
    pub destination: String,
    /// The app's name in the new region.
    pub dst_app_name: String,
}
classes!(StartRegionMigration {
    migration_id: Public,
    source: Public,
    destination: Public,
    dst_app_name: Public
});

impl Shape for NewApp {}
impl Shape for UpdateAppProject {
    fn complete(&mut self) -> Result<(), FieldErrors> {
        check_length("new_project_id", &self.new_project_id)?;
        check_length("new_project_name", &self.new_project_name)
    }
}
impl Shape for StartRegionMigration {}

impl UpdateAppProject {
    pub(crate) fn new_project(&self) -> ProjectRef {
        ProjectRef { id: self.new_project_id.clone(), name: self.new_project_name.clone() }
    }
}
impl Shape for RenameApp {}
impl Shape for StackChanged {}
impl Shape for EditApp {}
impl Shape for DeleteApp {}

impl Shape for TransferApp {
    fn complete(&mut self) -> Result<(), FieldErrors> {
        self.old_owner.check().map_err(|errors| errors.within("old_owner"))?;
        self.new_owner.check().map_err(|errors| errors.within("new_owner"))
    }
}

/// `created the app from https://github.com/owner/repository`
pub(super) fn creation_in_words(data: &NewApp) -> String {
    match data.git_source.as_deref().map(public_url) {
        Some(Some(url)) => format!("created the app from {url}"),
        Some(None) => "created the app from a repository".to_owned(),
        None => "created the app".to_owned(),
    }
}

/// `turned force_https on`
pub(super) fn settings_in_words(data: &EditApp) -> String {
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
