//! What a decision looked at.

use std::collections::HashSet;

use crate::contract::WriteSet;
use crate::rows::RowKey;
use crate::timeline::TimelineId;

use crate::postgres::cache::{ABSENT, CachedRow, Keys};

/// What one decision looked at.
#[derive(Default)]
pub(super) struct ReadSet {
    /// What has to be looked up before the decision counts.
    pub(super) missing: Keys,
    pub(super) from_cache: Keys,
    /// Rows with a version of their own.
    pub(super) rows: Vec<(RowKey, i64)>,
    pub(super) clocks: Vec<(TimelineId, i64)>,
    /// Rows that a timeline's clock stands for.
    pub(super) owned: Vec<(RowKey, CachedRow)>,
}

impl ReadSet {
    /// What was cached and nothing compares with the database when these writes are recorded: that a row or a timeline
    /// is not there, unless it is written; and anything at all, if nothing is written.
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
