use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, event_types};

/// An add-on that came or went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Addon {
    /// The provider's short name.
    pub addon_provider_name: String,
    /// The plan's name.
    pub plan_name: String,
    /// The provider's name for the resource.
    pub resource_id: String,
}

/// An add-on on another plan than before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpgradeAddon {
    /// The provider's short name.
    pub addon_provider_name: String,
    /// The name of the plan before.
    pub old_plan_name: String,
    /// The name of the plan after.
    pub new_plan_name: String,
    /// The provider's name for the resource.
    pub resource_id: String,
}

event_types! {
    /// The add-ons of an app.
    Addons, Addons, Contract;

    /// Each time an add-on is added to an app.
    NewAddon(Addon) = "new_addon", "Addon added", App:
        |data| format!("added {} with plan {}", data.addon_provider_name, data.plan_name);
    /// When the plan of an add-on is changed.
    UpgradeAddon(UpgradeAddon) = "upgrade_addon", "Addon plan changed", App: |data| format!(
        "changed the plan of {} from {} to {}",
        data.addon_provider_name, data.old_plan_name, data.new_plan_name
    );
    /// When an add-on is removed from an app.
    DeleteAddon(Addon) = "delete_addon", "Addon removed", App: |data| format!("removed {}", data.addon_provider_name);
}

impl Shape for Addon {}
impl Shape for UpgradeAddon {}
