//! Event types of log drains, of apps and of add-ons.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, event_types};
use crate::field_class::classes;

/// A log drain of an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogDrain {
    /// Where the logs are sent. It may contain a token.
    pub url: String,
}
classes!(LogDrain { url: Secret });

/// A log drain of an add-on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddonLogDrain {
    /// Where the logs are sent. It may contain a token.
    pub url: String,
    /// The add-on's identifier.
    pub addon_uuid: String,
    /// The add-on's name.
    pub addon_name: String,
}
classes!(AddonLogDrain { url: Secret, addon_uuid: Public, addon_name: Public });

event_types! {
    /// Where logs are sent.
    LogDrains, LogDrains;

    /// When a log drain is added to an app.
    NewLogDrain(LogDrain) = "new_log_drain", "Log drain added", App: |_| "added a log drain";
    /// When a log drain is removed from an app.
    DeleteLogDrain(LogDrain) = "delete_log_drain", "Log drain removed", App: |_| "removed a log drain";
    /// When a log drain is added to an add-on.
    NewAddonLogDrain(AddonLogDrain) = "new_addon_log_drain", "Addon log drain added", App:
        |data| format!("added a log drain to {}", data.addon_name);
    /// When a log drain is removed from an add-on.
    DeleteAddonLogDrain(AddonLogDrain) = "delete_addon_log_drain", "Addon log drain removed", App:
        |data| format!("removed a log drain from {}", data.addon_name);
}

impl Shape for LogDrain {}
impl Shape for AddonLogDrain {}
