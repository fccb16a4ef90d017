//! Event types of add-ons.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, check_length, event_types, join_names};
use crate::FieldErrors;
use crate::field_class::classes;

/// An added add-on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAddon {
    /// The provider's short name.
    pub addon_provider_name: String,
    /// The plan's name.
    pub plan_name: String,
    /// The identifier of the resource at the provider.
    pub resource_id: String,
    /// The add-on's identifier, by which its features, log drains and maintenances name it; omitted if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addon_uuid: Option<String>,
}
classes!(NewAddon {
    addon_provider_name: Public,
    plan_name: Public,
    resource_id: Public,
    addon_uuid: Public
});

/// A removed add-on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Addon {
    /// The provider's short name.
    pub addon_provider_name: String,
    /// The plan's name.
    pub plan_name: String,
    /// The identifier of the resource at the provider.
    pub resource_id: String,
}
classes!(Addon { addon_provider_name: Public, plan_name: Public, resource_id: Public });

/// An add-on that the platform suspended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuspendAddon {
    /// The provider's short name.
    pub addon_provider_name: String,
    /// The plan's name.
    pub plan_name: String,
    /// The identifier of the resource at the provider.
    pub resource_id: String,
    /// Why; empty if no reason was given.
    #[serde(default)]
    pub reason: String,
}
classes!(SuspendAddon {
    addon_provider_name: Public,
    plan_name: Public,
    resource_id: Public,
    reason: Public
});

/// An add-on whose plan changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpgradeAddon {
    /// The provider's short name.
    pub addon_provider_name: String,
    /// The name of the previous plan.
    pub old_plan_name: String,
    /// The name of the new plan.
    pub new_plan_name: String,
    /// The identifier of the resource at the provider.
    pub resource_id: String,
}
classes!(UpgradeAddon {
    addon_provider_name: Public,
    old_plan_name: Public,
    new_plan_name: Public,
    resource_id: Public,
});

/// An add-on of which something other than the plan changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddonUpdated {
    /// The add-on's identifier.
    pub addon_id: String,
    /// The plan's name.
    pub addon_plan_name: String,
    /// The identifier of the resource at the provider.
    pub addon_resource_id: String,
    /// The provider's identifier.
    pub addon_provider_id: String,
    /// The provider's short name.
    pub addon_provider_name: String,
    /// The previous and the new status.
    pub status: [String; 2],
    /// The names of the changed attributes.
    pub attributes_changed: Vec<String>,
    /// The new maintenance window; omitted if it did not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance_window: Option<MaintenanceWindow>,
    /// The maintenance that ended without being completed; omitted if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_maintenance: Option<EndedMaintenance>,
}
classes!(AddonUpdated {
    addon_id: Public,
    addon_plan_name: Public,
    addon_resource_id: Public,
    addon_provider_id: Public,
    addon_provider_name: Public,
    status: [Public],
    attributes_changed: [Public],
    maintenance_window: { MaintenanceWindow },
    ended_maintenance: { EndedMaintenance },
});

/// A maintenance of a database that will not be completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndedMaintenance {
    /// The maintenance's identifier.
    pub maintenance_id: String,
    /// How it ended.
    pub status: MaintenanceEnd,
}
classes!(EndedMaintenance { maintenance_id: Public, status: Public });

/// How a maintenance ended that was not completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MaintenanceEnd {
    /// It started and failed.
    Failed,
    /// It was cancelled before it started.
    Cancelled,
}

/// The weekly time at which maintenance of a database may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceWindow {
    /// The day of the week in UTC, from 0 (Sunday) to 6 (Saturday).
    pub weekday_utc: u8,
    /// The hour in UTC, from 0 to 23.
    pub starting_hour_utc: u8,
}
classes!(MaintenanceWindow { weekday_utc: Public, starting_hour_utc: Public });

event_types! {
    /// The add-ons of an app.
    Addons, Addons;

    /// When an add-on is added to an app.
    NewAddon(NewAddon) = "new_addon", "Addon added", App:
        |data| format!("added {} with plan {}", data.addon_provider_name, data.plan_name);
    /// When an add-on is moved to another plan.
    UpgradeAddon(UpgradeAddon) = "upgrade_addon", "Addon plan changed", App: |data| format!(
        "changed the plan of {} from {} to {}",
        data.addon_provider_name, data.old_plan_name, data.new_plan_name
    );
    /// When an add-on is removed from an app.
    DeleteAddon(Addon) = "delete_addon", "Addon removed", App: |data| format!("removed {}", data.addon_provider_name);
    /// When something other than the plan of an add-on changes, or when maintenance of it fails or is cancelled.
    AddonUpdated(AddonUpdated) = "addon_updated", "Addon updated", App, further: |data| match &data.ended_maintenance {
        Some(EndedMaintenance { status: MaintenanceEnd::Cancelled, .. }) => {
            format!("cancelled maintenance of {}", data.addon_provider_name)
        }
        Some(EndedMaintenance { status: MaintenanceEnd::Failed, .. }) => {
            format!("gave up maintenance of {}, which failed", data.addon_provider_name)
        }
        None => format!(
            "changed {} of {}",
            join_names(data.attributes_changed.iter().map(String::as_str)),
            data.addon_provider_name
        ),
    };
    /// When the platform suspends an add-on.
    SuspendAddon(SuspendAddon) = "suspend_addon", "Addon suspended", App, further: |data| match data.reason.as_str() {
        "" => format!("suspended {}", data.addon_provider_name),
        reason => format!("suspended {}: {reason}", data.addon_provider_name),
    };
    /// When the platform resumes a suspended add-on.
    ResumeAddon(Addon) = "resume_addon", "Addon resumed", App, further:
        |data| format!("resumed {}", data.addon_provider_name);
}

impl Shape for AddonUpdated {
    fn complete(&mut self) -> Result<(), FieldErrors> {
        match self.maintenance_window {
            Some(window) if window.weekday_utc > 6 => {
                Err(FieldErrors::one("maintenance_window.weekday_utc", "must be from 0 to 6"))
            }
            Some(window) if window.starting_hour_utc > 23 => {
                Err(FieldErrors::one("maintenance_window.starting_hour_utc", "must be from 0 to 23"))
            }
            _ => Ok(()),
        }
    }
}
impl Shape for NewAddon {
    fn complete(&mut self) -> Result<(), FieldErrors> {
        check_length("addon_provider_name", &self.addon_provider_name)?;
        check_length("resource_id", &self.resource_id)?;
        self.addon_uuid.as_ref().map_or(Ok(()), |addon_uuid| check_length("addon_uuid", addon_uuid))
    }
}
impl Shape for Addon {
    fn complete(&mut self) -> Result<(), FieldErrors> {
        check_length("addon_provider_name", &self.addon_provider_name)?;
        check_length("resource_id", &self.resource_id)
    }
}
impl Shape for UpgradeAddon {}
impl Shape for SuspendAddon {}
