//! The shapes of events about the app itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::{Shape, is_false};
use crate::field_class::classes;
use crate::field_errors::within;
use crate::public_url::public_url;
use crate::{AppId, FieldErrors, Person};

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

impl Shape for NewApp {}
impl Shape for RenameApp {}
impl Shape for StackChanged {}
impl Shape for EditApp {}
impl Shape for DeleteApp {}

impl Shape for TransferApp {
    fn complete(&mut self) -> Result<(), FieldErrors> {
        self.old_owner.check().map_err(|errors| within("old_owner", &errors))?;
        self.new_owner.check().map_err(|errors| within("new_owner", &errors))
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
