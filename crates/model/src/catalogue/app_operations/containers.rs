//! The shapes of events about an app's containers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::FieldErrors;
use crate::catalogue::Shape;
use crate::field_class::classes;

/// What was restarted, and by which add-on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// The restarted container types and containers; null for all.
    #[serde(default)]
    pub scope: Option<Vec<String>>,
    /// The add-on that restarted the app; empty if a user did. An add-on's event has no `user`.
    #[serde(default)]
    pub addon_name: String,
    /// The same as `addon_name`.
    #[serde(default)]
    pub addon_provider: String,
}
classes!(Restart { scope: [Public], addon_name: Public, addon_provider: Public });

/// The formation before and after: the number of containers of each type, including zeros.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// The number of containers of each type before.
    pub previous_containers: BTreeMap<String, u32>,
    /// The number of containers of each type after.
    pub containers: BTreeMap<String, u32>,
    /// The container size of each type before; omitted if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_sizes: Option<BTreeMap<String, String>>,
    /// The container size of each type after; omitted if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes: Option<BTreeMap<String, String>>,
}
classes!(Scale {
    previous_containers: [Public],
    containers: [Public],
    previous_sizes: [Public],
    sizes: [Public],
});

/// A one-off command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The command line; empty if the platform's staff ran it.
    pub command: String,
    /// The identifier of the audit log; omitted if none is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_log_id: Option<String>,
    /// The size of the audit log in bytes; omitted until it is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_log_size: Option<u64>,
    /// Whether it ran without an attached terminal.
    #[serde(default)]
    pub detached: bool,
}
classes!(Run { command: Secret, audit_log_id: Public, audit_log_size: Public, detached: Public });

impl Shape for Scale {}
impl Shape for Run {}

impl Shape for Restart {
    fn complete(&mut self) -> Result<(), FieldErrors> {
        // Clients send an empty list for "all"; the contract says null.
        self.scope.take_if(|scope| scope.is_empty());
        match (self.addon_name.is_empty(), self.addon_provider.is_empty()) {
            (true, false) => self.addon_name.clone_from(&self.addon_provider),
            (false, true) => self.addon_provider.clone_from(&self.addon_name),
            _ => {}
        }
        Ok(())
    }
}

/// Describes the types that changed: `web 1 → 2, worker 0 → 1 (M → L)`.
pub(super) fn scale_in_words(data: &Scale) -> String {
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
