//! Event types of alerts and autoscalers: limits on what containers use, and what happens beyond them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::lenient::text;
use super::{Shape, event_types};
use crate::field_class::classes;

/// A limit on a metric of a container type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAlert {
    /// The container type.
    pub container_type: String,
    /// The metric: `cpu`, `memory`, …
    pub metric: String,
    /// The limit.
    pub limit: Number,
    /// The limit with its unit, for users.
    #[serde(default)]
    pub limit_text: String,
    /// Whether the alert is about values below the limit.
    #[serde(default)]
    pub send_when_below: bool,
}
classes!(NewAlert {
    container_type: Public,
    metric: Public,
    limit: Public,
    limit_text: Public,
    send_when_below: Public,
});

/// A metric that went beyond its limit, or came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// The container, or the container type.
    pub sender_name: String,
    /// The metric.
    pub metric: String,
    /// The limit.
    pub limit: Number,
    /// The limit with its unit, for users.
    #[serde(default)]
    pub limit_text: String,
    /// The value.
    pub value: Number,
    /// The value with its unit, for users.
    #[serde(default)]
    pub value_text: String,
    /// True if the value went beyond the limit, false if it came back.
    pub activated: bool,
    /// Whether the alert is about values below the limit.
    #[serde(default)]
    pub send_when_below: bool,
    /// The limit in the metric's base unit; null if unknown.
    #[serde(default)]
    pub raw_limit: Option<Number>,
    /// The value in the metric's base unit; null if unknown.
    #[serde(default)]
    pub raw_value: Option<Number>,
}
classes!(Alert {
    sender_name: Public,
    metric: Public,
    limit: Public,
    limit_text: Public,
    value: Public,
    value_text: Public,
    activated: Public,
    send_when_below: Public,
    raw_limit: Public,
    raw_value: Public,
});

/// A removed alert or autoscaler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// The container type.
    pub container_type: String,
    /// The metric.
    pub metric: String,
}
classes!(Watched { container_type: Public, metric: Public });

/// A rule that scales a container type so that a metric stays near its target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Autoscaler {
    /// The container type.
    pub container_type: String,
    /// The least number of containers, as text. A report may have a number.
    #[serde(deserialize_with = "text")]
    pub min_containers: String,
    /// The greatest number of containers, as text. A report may have a number.
    #[serde(deserialize_with = "text")]
    pub max_containers: String,
    /// The metric.
    pub metric: String,
    /// The target.
    pub target: Number,
    /// The target with its unit, for users.
    #[serde(default)]
    pub target_text: String,
}
classes!(Autoscaler {
    container_type: Public,
    min_containers: Public,
    max_containers: Public,
    metric: Public,
    target: Public,
    target_text: Public,
});

event_types! {
    /// Alerts and autoscalers.
    Monitoring, Monitoring;

    /// When an alert is added to an app.
    NewAlert(NewAlert) = "new_alert", "Alert added", App, further: |data| format!(
        "added an alert for {} of {} {} {}",
        data.metric,
        data.container_type,
        if data.send_when_below { "below" } else { "above" },
        shown(&data.limit_text, &data.limit)
    );
    /// When a metric goes beyond the limit of an alert, and when it comes back.
    Alert(Alert) = "alert", "Alert triggered", App, further: |data| format!(
        "{} an alert: {} of {} is {}, the limit {}",
        if data.activated { "raised" } else { "ended" },
        data.metric,
        data.sender_name,
        shown(&data.value_text, &data.value),
        shown(&data.limit_text, &data.limit)
    );
    /// When an alert is removed from an app.
    DeleteAlert(Watched) = "delete_alert", "Alert removed", App, further:
        |data| format!("removed the alert for {} of {}", data.metric, data.container_type);
    /// When an autoscaler is added to an app.
    NewAutoscaler(Autoscaler) = "new_autoscaler", "Autoscaler added", App, further:
        |data| format!("added an autoscaler: {}", autoscaler_in_words(data));
    /// When an autoscaler is changed.
    EditAutoscaler(Autoscaler) = "edit_autoscaler", "Autoscaler changed", App, further:
        |data| format!("changed an autoscaler: {}", autoscaler_in_words(data));
    /// When an autoscaler is removed from an app.
    DeleteAutoscaler(Watched) = "delete_autoscaler", "Autoscaler removed", App, further:
        |data| format!("removed the autoscaler for {} of {}", data.metric, data.container_type);
}

impl Shape for NewAlert {}
impl Shape for Alert {}
impl Shape for Watched {}
impl Shape for Autoscaler {}

/// Returns a value with its unit if that is known.
fn shown(text: &str, number: &Number) -> String {
    if text.is_empty() { number.to_string() } else { text.to_owned() }
}

/// `web 1 to 4 for cpu near 70 %`
fn autoscaler_in_words(data: &Autoscaler) -> String {
    let Autoscaler { container_type, min_containers, max_containers, metric, .. } = data;
    let target = shown(&data.target_text, &data.target);
    format!("{container_type} {min_containers} to {max_containers} for {metric} near {target}")
}
