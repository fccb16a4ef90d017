//! The distribution keys of rows. Citus stores rows with equal distribution keys on the same shard.
//!
//! ```text
//! row of an app or a user      its timeline's name
//! row listed across timelines  a fixed name
//! add-on of a provider         "provider " │ the provider's name in hexadecimal
//! any other row                XXH3 of the stored key, as 16 hexadecimal digits
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

/// Returns the timeline that owns a row, or `None` if the row has a version of its own. Every commit that writes an owned
/// row also moves the clock of its owner, so this clock serves as the row's version.
pub(crate) const fn owning_timeline(key: &RowKey) -> Option<TimelineId> {
    match key {
        RowKey::App(key::App(app)) => Some(TimelineId::App(*app)),
        RowKey::Account(key::Account(user)) => Some(TimelineId::User(*user)),
        _ => None,
    }
}
