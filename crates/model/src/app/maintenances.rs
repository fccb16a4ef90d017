//! The maintenances of an app's databases: what the public state and the private state keep of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{App, PrivateState, push_bounded};
use crate::catalogue;
use crate::{EventId, Time};

/// The most maintenances kept per app.
const REMEMBERED: usize = 100;

/// A planned or running maintenance, as its events describe it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Maintenance {
    /// The kind of maintenance.
    pub maintenance_type: String,
    /// The add-on's display name.
    pub addon_name: String,
    /// The identifier by which events name the add-on; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addon_uuid: Option<String>,
    /// When its window begins.
    pub window: Time,
    /// When it started; `None` if it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
}

/// A maintenance in the private state, which keeps it after its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaintenanceRecord {
    /// Its identifier.
    pub id: EventId,
    /// The identifier of the add-on.
    pub addon_id: String,
    /// The kind of maintenance.
    pub maintenance_type: String,
    /// Its status.
    pub status: MaintenanceStatus,
    /// When its window begins.
    pub window: Time,
    /// When it started; `None` if it has not.
    pub started_at: Option<Time>,
    /// When it ended; `None` if it has not.
    pub ended_at: Option<Time>,
}

/// The status of a maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum MaintenanceStatus {
    Scheduled,
    Running,
    Done,
    Failed,
    Cancelled,
}

/// Adds a maintenance to the private state.
pub(super) fn remember(private: &mut Arc<PrivateState>, record: MaintenanceRecord) {
    push_bounded(&mut Arc::make_mut(private).maintenances, record, REMEMBERED);
}

/// Ends the maintenances of an add-on that is removed, in the private state.
pub(super) fn end_with_addon(private: &mut Arc<PrivateState>, addon_id: &str, now: Time) {
    let ended_as = |record: &MaintenanceRecord| match record.status {
        MaintenanceStatus::Scheduled => Some(MaintenanceStatus::Cancelled),
        MaintenanceStatus::Running => Some(MaintenanceStatus::Failed),
        _ => None,
    };
    let is_open = |record: &MaintenanceRecord| record.addon_id == addon_id && ended_as(record).is_some();
    if !private.maintenances.iter().any(is_open) {
        return;
    }
    for record in Arc::make_mut(private).maintenances.iter_mut().filter(|record| is_open(record)) {
        (record.status, record.ended_at) = (ended_as(record).unwrap_or(record.status), Some(now));
    }
}

pub(super) fn apply_planned(app: &mut App, data: &catalogue::Maintenance) {
    app.maintenances.insert(data.maintenance_id.clone(), planned(data));
    bound(&mut app.maintenances);
}

pub(super) fn apply_started(app: &mut App, data: &catalogue::Maintenance, at: Time) {
    app.maintenances.entry(data.maintenance_id.clone()).or_insert_with(|| planned(data)).started_at =
        Some(at);
    bound(&mut app.maintenances);
}

/// Removes the maintenances of an add-on that was removed. A maintenance whose event did not name its add-on goes with
/// the app's last one.
pub(super) fn apply_addon_removed(app: &mut App, addon_uuid: &str) {
    let is_last = app.addons.is_empty();
    let is_of_it = |maintenance: &Maintenance| match &maintenance.addon_uuid {
        Some(named) => named == addon_uuid,
        None => is_last,
    };
    if app.maintenances.values().any(is_of_it) {
        app.maintenances.retain(|_, maintenance| !is_of_it(maintenance));
    }
}

fn planned(data: &catalogue::Maintenance) -> Maintenance {
    Maintenance {
        maintenance_type: data.maintenance_type.clone(),
        addon_name: data.addon_name.clone(),
        addon_uuid: data.addon_uuid.clone(),
        window: data.next_maintenance_window,
        started_at: None,
    }
}

/// Removes the maintenance with the oldest window if there are too many. A platform that does not report how maintenances
/// end would otherwise fill the state.
fn bound(maintenances: &mut BTreeMap<String, Maintenance>) {
    if maintenances.len() > REMEMBERED {
        let oldest =
            maintenances.iter().min_by_key(|(_, maintenance)| maintenance.window).map(|(id, _)| id.clone());
        maintenances.remove(&oldest.unwrap_or_default());
    }
}
