//! The databases among an app's add-ons: their features and their maintenance.

use std::sync::Arc;

use super::addons::{Addon, addon_id, find, meant_by, uuid_in_events};
use super::maintenances::{self, MaintenanceRecord, MaintenanceStatus};
use super::{App, AppAction, PrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{
    self, AddonUpdated, Addons, Databases, EndedMaintenance, MaintenanceEnd, MaintenanceWindow,
};
use crate::directory::Provider;
use crate::{AppId, EventId, Person, Rejection, Role, Time};

/// The length of a maintenance window, in hours.
pub const WINDOW_HOURS: u32 = 8;
const HOUR_MILLIS: u64 = 60 * 60 * 1000;
const DAY_MILLIS: u64 = 24 * HOUR_MILLIS;
const WEEK_MILLIS: u64 = 7 * DAY_MILLIS;
/// The longest name of a kind of maintenance.
const TYPE_BYTES_MAX: usize = 64;

/// Enables a feature of a database.
#[derive(Debug, Clone)]
pub struct AddFeature {
    /// The add-on's identifier.
    pub addon_id: String,
    /// The feature's name.
    pub feature: String,
}

impl AppAction for AddFeature {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let (provider, resource_id, addon) = database(app, &self.addon_id, context)?;
        let known = provider.features.iter().find(|feature| feature.name == self.feature);
        let Some(feature) = known else {
            let names: Vec<_> = provider.features.iter().map(|feature| feature.name.as_str()).collect();
            return Err(Rejection::invalid("feature", format!("must be one of {}", names.join(", "))));
        };
        if let Some(needed) = feature.requires.as_ref().filter(|needed| !addon.features.contains(*needed)) {
            return Err(Rejection::invalid("feature", format!("requires {needed}")));
        }
        if addon.features.contains(&self.feature) {
            return Ok(Decision::none());
        }
        let addon_uuid = uuid_in_events(app.id, resource_id, addon);
        let event = feature_event(&self.feature, addon_uuid, provider, context);
        Ok(Decision::of(Databases::AddFeature(event)))
    }
}

/// Disables a feature of a database, and before it those that require it.
#[derive(Debug, Clone)]
pub struct RemoveFeature {
    /// The add-on's identifier.
    pub addon_id: String,
    /// The feature's name.
    pub feature: String,
}

impl AppAction for RemoveFeature {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let (provider, resource_id, addon) = database(app, &self.addon_id, context)?;
        if !addon.features.contains(&self.feature) {
            // It may have been disabled along with one that it requires.
            let is_known = provider.features.iter().any(|feature| feature.name == self.feature);
            return if is_known { Ok(Decision::none()) } else { Err(Rejection::NotFound("feature")) };
        }
        let addon_uuid = uuid_in_events(app.id, resource_id, addon);
        let disabled = with_dependents(&self.feature, provider, addon);
        let events = disabled.into_iter().rev().map(|feature| {
            Databases::RemoveFeature(feature_event(feature, addon_uuid.clone(), provider, context)).into()
        });
        Ok(events.collect::<Vec<_>>().into())
    }
}

/// Changes the maintenance window of a database.
#[derive(Debug, Clone)]
pub struct ChooseMaintenanceWindow {
    /// The add-on's identifier.
    pub addon_id: String,
    /// The day, from 0 (Sunday) to 6 (Saturday); `None` keeps it. The type accepts any number, so that the error for
    /// a wrong one can name the field.
    pub weekday_utc: Option<i64>,
    /// The hour, from 0 to 23; `None` keeps it.
    pub starting_hour_utc: Option<i64>,
}

impl AppAction for ChooseMaintenanceWindow {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let (provider, resource_id, addon) = database(app, &self.addon_id, context)?;
        let before = maintenance_window(app.id, resource_id, addon);
        let within = |field: &str, wanted: Option<i64>, now: u8, max: u8| match wanted {
            None => Ok(now),
            Some(wanted) => match u8::try_from(wanted) {
                Ok(wanted) if wanted <= max => Ok(wanted),
                _ => Err(Rejection::invalid(field, format!("must be from 0 to {max}"))),
            },
        };
        let window = MaintenanceWindow {
            weekday_utc: within("weekday_utc", self.weekday_utc, before.weekday_utc, 6)?,
            starting_hour_utc: within(
                "starting_hour_utc",
                self.starting_hour_utc,
                before.starting_hour_utc,
                23,
            )?,
        };
        if window == before {
            return Ok(Decision::none());
        }
        let updated = AddonUpdated {
            maintenance_window: Some(window),
            ..updated(app.id, (provider, resource_id, addon), "maintenance_window")
        };
        Ok(Decision::of(Addons::AddonUpdated(updated)))
    }
}

/// Plans maintenance of a database in its next window. Creates the maintenance's identifier.
#[derive(Debug, Clone)]
pub struct PlanMaintenance {
    /// The add-on's identifier.
    pub addon_id: String,
    /// The kind of maintenance.
    pub maintenance_type: String,
}

impl AppAction for PlanMaintenance {
    const ROLE: Role = Role::Operator;
    type Created = EventId;

    fn actor(&self, app: &App, _: &PrivateState, _: Option<&Person>) -> Option<Person> {
        app.owner.clone()
    }

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision<EventId>, Rejection> {
        let (provider, resource_id, addon) = database(app, &self.addon_id, context)?;
        let is_good = (1..=TYPE_BYTES_MAX).contains(&self.maintenance_type.len())
            && self
                .maintenance_type
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !is_good {
            let message = "must be lower-case letters, digits and hyphens, such as db-upgrade";
            return Err(Rejection::invalid("type", message));
        }
        let record = MaintenanceRecord {
            id: context.ids.event_id(context.now),
            addon_id: self.addon_id.clone(),
            maintenance_type: self.maintenance_type.clone(),
            status: MaintenanceStatus::Scheduled,
            window: next_start(maintenance_window(app.id, resource_id, addon), context.now),
            started_at: None,
            ended_at: None,
        };
        let (id, event) = (
            record.id,
            maintenance_event(&record, &provider.name, uuid_in_events(app.id, resource_id, addon)),
        );
        maintenances::remember(private, record);
        Ok(Decision::creating(id, Databases::PlanMaintenance(event)))
    }
}

/// A transition of a maintenance to its next status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum MaintenanceMove {
    Start,
    Complete,
    Fail,
    Cancel,
}

/// Moves a maintenance to its next status.
#[derive(Debug, Clone)]
pub struct MoveMaintenance {
    /// The add-on's identifier.
    pub addon_id: String,
    /// The maintenance's identifier.
    pub id: EventId,
    /// The transition.
    pub to: MaintenanceMove,
}

impl AppAction for MoveMaintenance {
    const ROLE: Role = Role::Operator;
    type Created = ();

    fn actor(&self, app: &App, _: &PrivateState, _: Option<&Person>) -> Option<Person> {
        app.owner.clone()
    }

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let (provider, resource_id, addon) = database(app, &self.addon_id, context)?;
        let index = private
            .maintenances
            .iter()
            .position(|record| record.id == self.id && record.addon_id == self.addon_id);
        let record =
            &mut Arc::make_mut(private).maintenances[index.ok_or(Rejection::NotFound("maintenance"))?];
        let addon_uuid = uuid_in_events(app.id, resource_id, addon);
        let event = maintenance_event(record, &provider.name, addon_uuid);
        let ended = |status| {
            let ended_maintenance = EndedMaintenance { maintenance_id: self.id.to_string(), status };
            let updated = updated(app.id, (provider, resource_id, addon), "maintenance");
            Decision::of(Addons::AddonUpdated(AddonUpdated {
                ended_maintenance: Some(ended_maintenance),
                ..updated
            }))
        };
        match (record.status, self.to) {
            (MaintenanceStatus::Scheduled, MaintenanceMove::Start) => {
                let end = record.window.plus_millis(u64::from(WINDOW_HOURS) * HOUR_MILLIS);
                if !(record.window..end).contains(&context.now) {
                    let message = format!(
                        "the maintenance can only start in its window, from {} to {end}",
                        record.window
                    );
                    return Err(Rejection::Conflict(message));
                }
                (record.status, record.started_at) = (MaintenanceStatus::Running, Some(context.now));
                Ok(Decision::of(Databases::StartMaintenance(event)))
            }
            (MaintenanceStatus::Running, MaintenanceMove::Complete) => {
                (record.status, record.ended_at) = (MaintenanceStatus::Done, Some(context.now));
                Ok(Decision::of(Databases::CompleteMaintenance(event)))
            }
            (MaintenanceStatus::Running, MaintenanceMove::Fail) => {
                (record.status, record.ended_at) = (MaintenanceStatus::Failed, Some(context.now));
                Ok(ended(MaintenanceEnd::Failed))
            }
            (MaintenanceStatus::Scheduled, MaintenanceMove::Cancel) => {
                (record.status, record.ended_at) = (MaintenanceStatus::Cancelled, Some(context.now));
                Ok(ended(MaintenanceEnd::Cancelled))
            }
            (status, to) => {
                let (status, to) = (format!("{status:?}").to_lowercase(), format!("{to:?}").to_lowercase());
                Err(Rejection::Conflict(format!("cannot {to} the maintenance: it is {status}")))
            }
        }
    }
}

/// Returns an add-on's maintenance window: the chosen one, or else 21:00 UTC on a day derived from its identifier. This
/// spreads the databases of a platform over the week.
pub fn maintenance_window(app: crate::AppId, resource_id: &str, addon: &Addon) -> MaintenanceWindow {
    addon.maintenance_window.unwrap_or_else(|| {
        let spread: u32 = addon_id(app, resource_id).bytes().map(u32::from).sum();
        MaintenanceWindow { weekday_utc: (spread % 7) as u8, starting_hour_utc: 21 }
    })
}

/// Returns when a weekly window next begins after a time.
fn next_start(window: MaintenanceWindow, after: Time) -> Time {
    // 1970 began on a Thursday, the fourth day after Sunday.
    let into_week = u64::from(window.weekday_utc + 7 - 4) % 7 * DAY_MILLIS
        + u64::from(window.starting_hour_utc) * HOUR_MILLIS;
    let this_week = after.as_millis() / WEEK_MILLIS * WEEK_MILLIS + into_week;
    Time::from_millis(if this_week > after.as_millis() { this_week } else { this_week + WEEK_MILLIS })
}

/// Returns a database's provider, the identifier of its resource, and the add-on itself.
fn database<'a>(
    app: &'a App,
    id: &str,
    context: &Context<'a>,
) -> Result<(&'a Provider, &'a String, &'a Addon), Rejection> {
    let (resource_id, addon) = find(app, id).map_err(|_| Rejection::NotFound("database"))?;
    let provider =
        context.lookups.directory().provider(&addon.provider).filter(|provider| provider.is_database);
    Ok((provider.ok_or(Rejection::NotFound("database"))?, resource_id, addon))
}

/// Returns an active feature and, after it, the active ones that require it, directly or not.
fn with_dependents<'a>(feature: &'a str, provider: &'a Provider, addon: &Addon) -> Vec<&'a str> {
    let mut found = vec![feature];
    let mut index = 0;
    while let Some(required) = found.get(index).copied() {
        let dependents = provider.features.iter().filter(|feature| {
            feature.requires.as_deref() == Some(required) && addon.features.contains(&feature.name)
        });
        for dependent in dependents.map(|feature| feature.name.as_str()) {
            if !found.contains(&dependent) {
                found.push(dependent);
            }
        }
        index += 1;
    }
    found
}

fn feature_event(
    feature: &str,
    addon_uuid: String,
    provider: &Provider,
    context: &Context<'_>,
) -> catalogue::Feature {
    catalogue::Feature {
        feature: feature.to_owned(),
        remote_ip: context.remote_ip,
        addon_uuid,
        addon_provider_id: provider.internal_id().to_string(),
        addon_provider_name: provider.id.clone(),
    }
}

/// Returns the event data for a change of an attribute of a database. The caller adds what changed.
fn updated(
    app: AppId,
    (provider, resource_id, addon): (&Provider, &String, &Addon),
    attribute: &str,
) -> AddonUpdated {
    AddonUpdated {
        addon_id: uuid_in_events(app, resource_id, addon),
        addon_plan_name: addon.plan.clone(),
        addon_resource_id: resource_id.clone(),
        addon_provider_id: provider.internal_id().to_string(),
        addon_provider_name: provider.id.clone(),
        status: ["running".to_owned(), "running".to_owned()],
        attributes_changed: vec![attribute.to_owned()],
        maintenance_window: None,
        ended_maintenance: None,
    }
}

fn maintenance_event(
    record: &MaintenanceRecord,
    addon_name: &str,
    addon_uuid: String,
) -> catalogue::Maintenance {
    catalogue::Maintenance {
        addon_name: addon_name.to_owned(),
        maintenance_id: record.id.to_string(),
        maintenance_type: record.maintenance_type.clone(),
        maintenance_window_in_hours: WINDOW_HOURS,
        next_maintenance_window: record.window,
        addon_uuid: Some(addon_uuid),
    }
}

pub(super) fn apply(app: &mut App, data: &Databases, at: Time) {
    match data {
        Databases::AddFeature(catalogue::Feature { feature, addon_uuid, .. }) => {
            if let Some(addon) = meant_by(app, addon_uuid) {
                addon.features.insert(feature.clone());
            }
        }
        Databases::RemoveFeature(catalogue::Feature { feature, addon_uuid, .. }) => {
            if let Some(addon) = meant_by(app, addon_uuid) {
                addon.features.remove(feature);
            }
        }
        Databases::PlanMaintenance(data) => maintenances::apply_planned(app, data),
        Databases::StartMaintenance(data) => maintenances::apply_started(app, data, at),
        Databases::UpgradeDatabase(_) => {}
        Databases::CompleteMaintenance(data) => _ = app.maintenances.remove(&data.maintenance_id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_window_is_the_first_strictly_after_now() {
        let window = |weekday_utc, starting_hour_utc| MaintenanceWindow { weekday_utc, starting_hour_utc };
        // 2026-11-01 was a Sunday.
        for (now, window, next) in [
            ("2026-11-01T12:00:00Z", window(0, 21), "2026-11-01T21:00:00.000Z"),
            ("2026-11-01T21:00:00Z", window(0, 21), "2026-11-08T21:00:00.000Z"),
            ("2026-11-01T12:00:00Z", window(3, 0), "2026-11-04T00:00:00.000Z"),
            ("2026-11-01T12:00:00Z", window(6, 23), "2026-11-07T23:00:00.000Z"),
            ("2026-11-05T00:00:00Z", window(4, 0), "2026-11-12T00:00:00.000Z"),
        ] {
            assert_eq!(next_start(window, now.parse().unwrap()).to_string(), next);
        }
    }
}
