//! The part of a row's key by which rows are distributed over machines.

use xxhash_rust::xxh3::xxh3_64;

use super::values::timeline_text;
use crate::rows::{Distribution, RowKey, RowRange, key};
use crate::timeline::TimelineId;

/// What a row is distributed by.
pub(crate) fn of_row(key: &RowKey) -> String {
    match key.distribution() {
        Distribution::Alone => format!("{:016x}", xxh3_64(&key.to_bytes())),
        together => of_rows_that_stand_together(&together),
    }
}

/// What all rows of a range are distributed by.
pub(crate) fn of_range(range: &RowRange) -> String {
    of_rows_that_stand_together(&range.distribution)
}

fn of_rows_that_stand_together(distribution: &Distribution) -> String {
    match distribution {
        Distribution::Timeline(timeline) => timeline_text(*timeline),
        Distribution::Together(name) => (*name).to_owned(),
        // A provider's name may have anything in it, a zero byte too.
        Distribution::Provider(name) => format!("provider {}", hex::encode(name)),
        Distribution::Alone => unreachable!("rows that stand alone are in no range"),
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
