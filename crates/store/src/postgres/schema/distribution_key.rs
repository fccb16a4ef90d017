//! The part of a row's key by which rows are distributed over machines.

use xxhash_rust::xxh3::xxh3_64;

use super::values::timeline_name;
use crate::rows::{Distribution, RowKey, RowRange, key};
use crate::timeline::TimelineId;

/// What a row is distributed by.
pub(crate) fn of_row(key: &RowKey) -> String {
    match key.distribution() {
        Distribution::KeyHash => format!("{:016x}", xxh3_64(&key.to_bytes())),
        together => of_colocated(&together),
    }
}

/// What all rows of a range are distributed by.
pub(crate) fn of_range(range: &RowRange) -> String {
    of_colocated(&range.distribution)
}

fn of_colocated(distribution: &Distribution) -> String {
    match distribution {
        Distribution::Timeline(timeline) => timeline_name(*timeline),
        Distribution::Colocated(name) => (*name).to_owned(),
        // A provider's name may have anything in it, a zero byte too.
        Distribution::Provider(name) => format!("provider {}", hex::encode(name)),
        Distribution::KeyHash => unreachable!("rows that stand alone are in no range"),
    }
}

/// The timeline whose clock tells of every change of a row: who writes the row writes the clock too.
pub(crate) const fn owning_timeline(key: &RowKey) -> Option<TimelineId> {
    match key {
        RowKey::App(key::App(app)) => Some(TimelineId::App(*app)),
        RowKey::Account(key::Account(user)) => Some(TimelineId::User(*user)),
        _ => None,
    }
}
