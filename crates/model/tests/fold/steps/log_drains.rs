//! Steps on log drains.

use annals_model::app::{AddAddonLogDrain, AddLogDrain, DeleteAddonLogDrain, DeleteLogDrain, Drain};

use super::{Kind, Step, text};
use crate::platform::Decided;

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "add a log drain", decide: add },
    Kind { name: "delete a log drain", decide: delete },
    Kind { name: "add a log drain of an addon", decide: add_to_addon },
    Kind { name: "delete a log drain of an addon", decide: delete_from_addon },
];

fn drain(step: &Step<'_>) -> Drain {
    Drain {
        kind: text(&["syslog", "datadog", "elk"], step.a),
        host: Some("logs.io".to_owned()),
        port: Some(text(&["514", "515", "x"], step.b)),
        token: Some("t".to_owned()),
        drain_region: Some("eu".to_owned()),
        url: Some("https://elk.io".to_owned()),
    }
}

/// The URL of one of the drains above, as the model writes it.
fn url(step: &Step<'_>) -> String {
    text(&["syslog://:t@logs.io:514", "datadog://t?region=eu", "elk://elk.io"], step.b)
}

fn add(step: &mut Step<'_>) -> Decided {
    step.act(&AddLogDrain(drain(step)))
}

fn delete(step: &mut Step<'_>) -> Decided {
    step.act(&DeleteLogDrain { url: url(step) })
}

fn add_to_addon(step: &mut Step<'_>) -> Decided {
    step.act(&AddAddonLogDrain { addon_id: step.addon(), drain: drain(step) })
}

fn delete_from_addon(step: &mut Step<'_>) -> Decided {
    step.act(&DeleteAddonLogDrain { addon_id: step.addon(), url: url(step) })
}
