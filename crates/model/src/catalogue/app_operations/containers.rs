//! The shapes of events about an app's containers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sent_scale::SentScale;
use crate::FieldErrors;
use crate::catalogue::{Shape, join_names};
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
    /// Why; omitted if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<RestartReason>,
}
classes!(Restart { scope: [Public], addon_name: Public, addon_provider: Public, reason: Public });

/// Why containers were restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "clients know the names without meanings, and the names say it")]
pub enum RestartReason {
    UserRestart,
    UnexpectedFailure,
    RebalancingOperation,
    SecurityMaintenance,
}

impl RestartReason {
    /// A user's own restart goes without saying.
    const fn in_words(self) -> &'static str {
        match self {
            Self::UserRestart => "",
            Self::UnexpectedFailure => " after an unexpected failure",
            Self::RebalancingOperation => " to rebalance the infrastructure",
            Self::SecurityMaintenance => " for security maintenance",
        }
    }
}

/// `restarted web, worker-1 for security maintenance`
pub(super) fn restart_in_words(data: &Restart) -> String {
    let what = match &data.scope {
        Some(scope) => join_names(scope.iter().map(String::as_str)),
        None => "all containers".to_owned(),
    };
    let why = data.reason.map_or("", RestartReason::in_words);
    format!("restarted {what}{why}")
}

/// Why the platform stopped an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopApp {
    /// The reason; empty if none was given.
    #[serde(default)]
    pub reason: String,
}
classes!(StopApp { reason: Public });

/// A crashed container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// The type of the container, or the container.
    pub container_type: String,
    /// The last lines of its logs; empty if there are none.
    #[serde(default)]
    pub crash_logs: String,
    /// Where more of its logs are; empty if unknown.
    #[serde(default)]
    pub logs_url: String,
}
classes!(Crash { container_type: Public, crash_logs: Secret, logs_url: Url });

/// The formation before and after: the number of containers of each type, including zeros.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "SentScale")]
#[schemars(!from, deny_unknown_fields)]
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

impl From<SentScale> for Scale {
    fn from(sent: SentScale) -> Self {
        let [(previous_containers, previous_sizes), (containers, sizes)] = sent.formations();
        Self { previous_containers, containers, previous_sizes, sizes }
    }
}

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
impl Shape for StopApp {}
impl Shape for Crash {}

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

#[cfg(test)]
mod tests {
    use super::super::sent_scale::Formation;
    use super::*;

    fn read(containers: &str, sizes: &str) -> Result<Formation, String> {
        let json = format!(r#"{{"previous_containers":{{}},"containers":{containers}{sizes}}}"#);
        let scale: Scale = serde_json::from_str(&json).map_err(|error| crate::plain_message(&error))?;
        Ok((scale.containers, scale.sizes))
    }

    #[test]
    fn sizes_may_come_with_the_amounts() {
        let amounts = |web, worker| BTreeMap::from([("web".to_owned(), web), ("worker".to_owned(), worker)]);
        let sizes = |web: &str, worker: &str| {
            BTreeMap::from([("web".to_owned(), web.to_owned()), ("worker".to_owned(), worker.to_owned())])
        };
        for (containers, given, expected) in [
            (r#"{"web":1,"worker":0}"#, "", (amounts(1, 0), None)),
            (r#"{"web":"1:M","worker":"0:2XL"}"#, "", (amounts(1, 0), Some(sizes("M", "2XL")))),
            (r#"{"web":"1","worker":2}"#, "", (amounts(1, 2), None)),
            (
                r#"{"web":1,"worker":"2:S"}"#,
                r#","sizes":{"web":"L"}"#,
                (amounts(1, 2), Some(sizes("L", "S"))),
            ),
            (
                r#"{"web":"1:M","worker":2}"#,
                r#","sizes":{"web":"L","worker":"S"}"#,
                (amounts(1, 2), Some(sizes("L", "S"))),
            ),
        ] {
            assert_eq!(read(containers, given), Ok(expected), "{containers}");
        }
        for (containers, message) in [
            (r#"{"web":-1}"#, "must be a whole number from 0 to 4294967295"),
            (r#"{"web":4294967296}"#, "must be a whole number from 0 to 4294967295"),
            (r#"{"web":"many"}"#, "must be a whole number from 0 to 4294967295"),
            (r#"{"web":"1:"}"#, "must be a whole number from 0 to 4294967295"),
            (r#"{"web":"+1:M"}"#, "must be a whole number from 0 to 4294967295"),
            (r#"{"web":1,"web":2}"#, "duplicate field `web`"),
            ("[]", "must be an object"),
        ] {
            assert_eq!(read(containers, ""), Err(message.to_owned()), "{containers}");
        }
        assert!(read(r#"{"web":1}"#, r#","sizes":{"web":"M","web":"M"}"#).is_err());
    }
}
