//! Event types of the backups of databases.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, event_types};
use crate::Time;
use crate::field_class::classes;

/// A backup that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// The add-on's identifier.
    pub addon_uuid: String,
    /// The add-on's display name.
    pub addon_name: String,
    /// The identifier of the resource at the provider.
    pub resource_id: String,
    /// What asked for it.
    pub backup_method: BackupMethod,
    /// The backup's identifier.
    pub backup_id: String,
    /// The backup's status: `done`, `error`, …
    pub backup_status: String,
    /// When it started.
    #[serde(default)]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Time>,
    /// The IP address of the request.
    #[serde(default)]
    pub remote_ip: Option<IpAddr>,
}
classes!(Backup {
    addon_uuid: Public,
    addon_name: Public,
    resource_id: Public,
    backup_method: Public,
    backup_id: Public,
    backup_status: Public,
    started_at: Public,
    ended_at: Public,
    remote_ip: Personal,
});

/// What asked for a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackupMethod {
    /// The schedule.
    Periodic,
    /// A user.
    Manual,
}

/// What a check of a continuous backup found: whether the database can be restored to any instant of late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContinuousBackup {
    /// The add-on's display name.
    pub addon_name: String,
    /// The identifier of the resource at the provider.
    pub resource_id: String,
    /// The add-on's identifier.
    pub addon_uuid: String,
    /// The status that the check found.
    #[serde(default)]
    pub status: String,
    /// What went wrong; empty if nothing did.
    #[serde(default)]
    pub error: String,
    /// Whether the platform can repair it by itself.
    #[serde(default)]
    pub recoverable: bool,
    /// When it was checked.
    #[serde(default)]
    pub checked_at: Option<Time>,
    /// For how long the database could not be restored to every instant, in seconds.
    #[serde(default)]
    pub unrecoverable_duration_seconds: u64,
    /// The IP address of the request.
    #[serde(default)]
    pub remote_ip: Option<IpAddr>,
}
classes!(ContinuousBackup {
    addon_name: Public,
    resource_id: Public,
    addon_uuid: Public,
    status: Public,
    error: Public,
    recoverable: Public,
    checked_at: Public,
    unrecoverable_duration_seconds: Public,
    remote_ip: Personal,
});

event_types! {
    /// The backups of databases.
    Backups, Databases;

    /// When a backup of a database succeeds.
    Succeeded(Backup) = "database_backup_succeeded", "Database backup succeeded", App, further:
        |data| format!("backed up {}", data.addon_name);
    /// When a backup of a database fails.
    Failed(Backup) = "database_backup_failed", "Database backup failed", App, further:
        |data| format!("failed to back up {}", data.addon_name);
    /// When the continuous backup of a database works again.
    Healthy(ContinuousBackup) = "database_continuousbackup_healthy", "Continuous backup healthy", App, further:
        |data| in_words(data, "healthy");
    /// When the continuous backup of a database falls behind.
    Delayed(ContinuousBackup) = "database_continuousbackup_delayed", "Continuous backup delayed", App, further:
        |data| in_words(data, "delayed");
    /// When the continuous backup of a database has been behind for so long that it must be mended.
    Stale(ContinuousBackup) = "database_continuousbackup_stale", "Continuous backup stale", App, further:
        |data| in_words(data, "stale");
}

impl Shape for Backup {}
impl Shape for ContinuousBackup {}

/// `found the continuous backup of PostgreSQL delayed: wal_error`
fn in_words(data: &ContinuousBackup, condition: &str) -> String {
    let error = if data.error.is_empty() { String::new() } else { format!(": {}", data.error) };
    format!("found the continuous backup of {} {condition}{error}", data.addon_name)
}
