//! Event types of notifiers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::lenient::object;
use super::{Shape, event_types};
use crate::field_class::classes;

/// A notifier: a rule that sends events somewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notifier {
    /// The name its user gave it.
    pub notifier_name: String,
    /// Whether it sends.
    #[serde(default)]
    pub active: bool,
    /// Whether it sends events of all types.
    #[serde(default)]
    pub send_all_events: bool,
    /// The types of the events that it sends, if it does not send all.
    #[serde(default)]
    pub selected_events: Vec<String>,
    /// The kind of notifier.
    #[serde(default)]
    pub notifier_type: String,
    /// Where it sends: a webhook's URL, addresses, … It may contain a token.
    #[serde(default, deserialize_with = "object")]
    pub notifier_type_data: Map<String, Value>,
    /// The platform that it sends to: `email`, `slack`, `webhook`, …
    #[serde(default)]
    pub platform_name: String,
}
classes!(Notifier {
    notifier_name: Public,
    active: Public,
    send_all_events: Public,
    selected_events: [Public],
    notifier_type: Public,
    notifier_type_data: Secret,
    platform_name: Public,
});

event_types! {
    /// Notifiers.
    Notifiers, Notifiers;

    /// When a notifier is added to an app.
    NewNotifier(Notifier) = "new_notifier", "Notifier added", App, further:
        |data| format!("added notifier {}", data.notifier_name);
    /// When a notifier is changed.
    EditNotifier(Notifier) = "edit_notifier", "Notifier changed", App, further:
        |data| format!("changed notifier {}", data.notifier_name);
    /// When a notifier is removed from an app.
    DeleteNotifier(Notifier) = "delete_notifier", "Notifier removed", App, further:
        |data| format!("removed notifier {}", data.notifier_name);
}

impl Shape for Notifier {}
