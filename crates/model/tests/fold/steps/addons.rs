//! Steps on add-ons.

use annals_model::Rejection;
use annals_model::app::{
    AddAddon, AddFeature, ChooseMaintenanceWindow, ConfigureAddon, DeleteAddon, MaintenanceMove,
    MoveMaintenance, NewValue, PlanMaintenance, RemoveFeature, UpgradeAddon,
};

use super::{Kind, Step, text, variable_value};
use crate::platform::Decided;

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "add an addon", decide: add },
    Kind { name: "upgrade an addon", decide: upgrade },
    Kind { name: "delete an addon", decide: delete },
    Kind { name: "configure an addon", decide: configure },
    Kind { name: "add a database feature", decide: add_feature },
    Kind { name: "remove a database feature", decide: remove_feature },
    Kind { name: "choose a maintenance window", decide: choose_maintenance_window },
    Kind { name: "plan maintenance", decide: plan_maintenance },
    Kind { name: "move maintenance on", decide: move_maintenance },
];

fn add(step: &mut Step<'_>) -> Decided {
    let provider_id = text(&["postgresql", "redis", "none"], step.a);
    step.act(&AddAddon { provider_id, plan_id: text(&["postgresql-sandbox", "redis-sandbox"], step.b) })
}

fn upgrade(step: &mut Step<'_>) -> Decided {
    let plan_id = text(&["postgresql-starter-512", "redis-starter-512"], step.b);
    step.act(&UpgradeAddon { id: step.addon(), plan_id })
}

fn delete(step: &mut Step<'_>) -> Decided {
    step.act(&DeleteAddon { id: step.addon() })
}

fn configure(step: &mut Step<'_>) -> Decided {
    let name = text(&["DATABASE_URL", "REDIS_URL", "A"], step.b);
    let config = vec![NewValue { name, value: variable_value(step.a) }];
    step.act(&ConfigureAddon { id: step.addon(), config })
}

fn add_feature(step: &mut Step<'_>) -> Decided {
    let feature = text(&["force-ssl", "publicly-available", "none"], step.b);
    step.act(&AddFeature { addon_id: step.addon(), feature })
}

fn remove_feature(step: &mut Step<'_>) -> Decided {
    let feature = text(&["force-ssl", "publicly-available"], step.b);
    step.act(&RemoveFeature { addon_id: step.addon(), feature })
}

fn choose_maintenance_window(step: &mut Step<'_>) -> Decided {
    let weekday_utc = Some(step.b as i64 * 2);
    step.act(&ChooseMaintenanceWindow { addon_id: step.addon(), weekday_utc, starting_hour_utc: None })
}

fn plan_maintenance(step: &mut Step<'_>) -> Decided {
    let maintenance_type = text(&["db-upgrade", "NO"], step.b);
    step.act(&PlanMaintenance { addon_id: step.addon(), maintenance_type })
}

fn move_maintenance(step: &mut Step<'_>) -> Decided {
    let maintenances = &step.private.maintenances;
    let chosen = maintenances.get(step.a % maintenances.len().max(1));
    let Some((addon_id, id)) = chosen.map(|record| (record.addon_id.clone(), record.id)) else {
        return Err(Rejection::NotFound("maintenance"));
    };
    let moves =
        [MaintenanceMove::Start, MaintenanceMove::Complete, MaintenanceMove::Fail, MaintenanceMove::Cancel];
    step.act(&MoveMaintenance { addon_id, id, to: moves[step.b % moves.len()] })
}
