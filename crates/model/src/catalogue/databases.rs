//! Event types of databases: features and maintenance.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, check_length, event_types};
use crate::field_class::classes;
use crate::{FieldErrors, Time};

/// A feature added to or removed from a database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// The feature's name.
    pub feature: String,
    /// The IP address of the request.
    #[serde(default)]
    pub remote_ip: Option<IpAddr>,
    /// The add-on's identifier: `ad-` and a UUID.
    pub addon_uuid: String,
    /// The provider's identifier.
    pub addon_provider_id: String,
    /// The provider's short name.
    pub addon_provider_name: String,
}
classes!(Feature {
    feature: Public,
    remote_ip: Personal,
    addon_uuid: Public,
    addon_provider_id: Public,
    addon_provider_name: Public,
});

/// A maintenance of a database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// The add-on's display name.
    pub addon_name: String,
    /// The maintenance's identifier.
    pub maintenance_id: String,
    /// The kind of maintenance.
    pub maintenance_type: String,
    /// The length of the maintenance window, in hours.
    pub maintenance_window_in_hours: u32,
    /// When the maintenance window begins.
    pub next_maintenance_window: Time,
    /// The identifier of the add-on; omitted if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addon_uuid: Option<String>,
}
classes!(Maintenance {
    addon_name: Public,
    maintenance_id: Public,
    maintenance_type: Public,
    maintenance_window_in_hours: Public,
    next_maintenance_window: Public,
    addon_uuid: Public,
});

/// A database with a new version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpgradeDatabase {
    /// The add-on's display name.
    pub addon_name: String,
    /// The previous version.
    pub old_version: String,
    /// The new version.
    pub new_version: String,
}
classes!(UpgradeDatabase { addon_name: Public, old_version: Public, new_version: Public });

event_types! {
    /// Database features and maintenance.
    Databases, Databases;

    /// When a feature is added to a database.
    AddFeature(Feature) = "database/add_feature", "Database feature added", App:
        |data| format!("enabled {} on {}", data.feature, data.addon_provider_name);
    /// When a feature is removed from a database.
    RemoveFeature(Feature) = "database/remove_feature", "Database feature removed", App:
        |data| format!("disabled {} on {}", data.feature, data.addon_provider_name);
    /// When maintenance of a database is scheduled.
    PlanMaintenance(Maintenance) = "plan_database_maintenance", "Database maintenance planned", App: |data| format!(
        "planned maintenance {} of {} for {}",
        data.maintenance_type, data.addon_name, data.next_maintenance_window
    );
    /// When maintenance of a database starts.
    StartMaintenance(Maintenance) = "start_database_maintenance", "Database maintenance started", App:
        |data| format!("started maintenance {} of {}", data.maintenance_type, data.addon_name);
    /// When maintenance of a database is completed.
    CompleteMaintenance(Maintenance) = "complete_database_maintenance", "Database maintenance completed", App:
        |data| format!("completed maintenance {} of {}", data.maintenance_type, data.addon_name);
    /// When a database gets a new version.
    UpgradeDatabase(UpgradeDatabase) = "upgrade_database", "Database upgraded", App, further:
        |data| format!("upgraded {} from {} to {}", data.addon_name, data.old_version, data.new_version);
}

impl Shape for UpgradeDatabase {}
impl Shape for Feature {}
impl Shape for Maintenance {
    fn complete(&mut self) -> Result<(), FieldErrors> {
        self.addon_uuid.as_ref().map_or(Ok(()), |addon_uuid| check_length("addon_uuid", addon_uuid))
    }
}
