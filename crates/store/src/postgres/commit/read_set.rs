//! The read set of a decision.

use std::collections::HashSet;

use crate::contract::WriteSet;
use crate::rows::RowKey;
use crate::timeline::TimelineId;

use crate::postgres::cache::{ABSENT, CachedRow, Keys};

/// What one decision read.
#[derive(Default)]
pub(super) struct ReadSet {
    /// What the decision read although it was neither cached nor looked up. If there is anything, the decision is void.
    pub(super) missing: Keys,
    /// What came from the cache.
    pub(super) from_cache: Keys,
    /// Rows that have a version of their own, with this version.
    pub(super) rows: Vec<(RowKey, i64)>,
    /// Timelines, and their clocks.
    pub(super) clocks: Vec<(TimelineId, i64)>,
    /// Rows whose version is the clock of the timeline that owns them.
    pub(super) owned: Vec<(RowKey, CachedRow)>,
}

impl ReadSet {
    /// Returns what came from the cache and is not compared with the database when these writes are committed: rows and
    /// timelines that are absent and not written. If nothing is written, everything from the cache.
    pub(super) fn unproven(&self, writes: &WriteSet, written: &HashSet<TimelineId>) -> Keys {
        if writes.events.is_empty() && writes.rows.is_empty() {
            return self.from_cache.clone();
        }
        let mut unproven = Keys::default();
        for (timeline, clock) in &self.clocks {
            if *clock == ABSENT && self.from_cache.heads.contains(timeline) && !written.contains(timeline) {
                unproven.heads.insert(*timeline);
            }
        }
        for (key, version) in &self.rows {
            if *version == ABSENT
                && self.from_cache.rows.contains(key)
                && !writes.rows.row(key).is_some_and(Option::is_some)
            {
                unproven.rows.insert(key.clone());
            }
        }
        unproven
    }
}
