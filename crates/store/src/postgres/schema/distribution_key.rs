//! The distribution keys of rows: Citus stores rows with equal ones on the same shard.
//!
//! ```text
//! of an app or a user          its timeline's name
//! listed rows                  a fixed name
//! add-ons of a provider        "provider " │ the provider's name in hexadecimal
//! any other                    XXH3 of the stored key, as 16 hexadecimal digits
//! ```

use xxhash_rust::xxh3::xxh3_64;

use super::values::timeline_name;
use crate::rows::{Distribution, RowKey, RowRange, key};
use crate::timeline::TimelineId;

/// Returns the distribution key of a row.
pub(crate) fn of_row(key: &RowKey) -> String {
    match key.distribution() {
        Distribution::KeyHash => format!("{:016x}", xxh3_64(&key.to_bytes())),
        colocated => of_colocated(&colocated),
    }
}

/// Returns the distribution key of all rows of a range.
pub(crate) fn of_range(range: &RowRange) -> String {
    of_colocated(&range.distribution)
}

fn of_colocated(distribution: &Distribution) -> String {
    match distribution {
        Distribution::Timeline(timeline) => timeline_name(*timeline),
        Distribution::Colocated(name) => (*name).to_owned(),
        // A provider's name may contain any character, even a zero byte, which PostgreSQL's text cannot.
        Distribution::Provider(name) => format!("provider {}", hex::encode(name)),
        Distribution::KeyHash => unreachable!("rows distributed by the hash of their key are in no range"),
    }
}

/// Returns the timeline whose clock is the version of a row, because every commit that writes the row also moves that
/// clock. `None` if the row has a version of its own.
pub(crate) const fn owning_timeline(key: &RowKey) -> Option<TimelineId> {
    match key {
        RowKey::App(key::App(app)) => Some(TimelineId::App(*app)),
        RowKey::Account(key::Account(user)) => Some(TimelineId::User(*user)),
        _ => None,
    }
}
