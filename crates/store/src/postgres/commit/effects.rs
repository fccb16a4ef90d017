//! The effects of a group: what it read, and what it writes.

use std::collections::HashSet;

use annals_model::{AppId, EventId, Time};
use foldhash::HashMap;

use crate::contract::{Head, PlatformCommit};
use crate::engine::GroupSize;
use crate::engine::checkpoint::Checkpoint;
use crate::rows::{Row, RowKey, key};
use crate::timeline::TimelineId;

use super::entries::Entries;
use crate::postgres::cache::{ABSENT, CachedHead, CachedRow, Found, Keys};
use crate::postgres::schema::distribution_key;
use crate::postgres::schema::values::{Json, timeline_name};

/// About the length of an encoded row, for the cache's weights. Encoding each row to measure it would cost more.
const ROW_BYTES: usize = 256;

/// The read set and the write set of a group.
#[derive(Default)]
pub(crate) struct Effects {
    /// The rows read that have a version of their own, with this version.
    pub(crate) read: HashMap<RowKey, i64>,
    /// The timelines read, and their clocks.
    pub(crate) clocks_read: HashMap<TimelineId, i64>,
    /// The rows read that a timeline owns.
    pub(crate) owned: HashMap<RowKey, CachedRow>,
    /// The timelines written: those that events are appended to, and those that own a written row.
    pub(crate) heads: HashMap<TimelineId, NewHead>,
    /// The rows written; `None` is a removal.
    pub(crate) rows: HashMap<RowKey, Option<Row>>,
    /// How the states of apps among the rows are stored.
    pub(crate) states: HashMap<AppId, NewState>,
    /// Apps whose state cannot be rebuilt from their events.
    pub(crate) force_checkpoint: HashSet<AppId>,
    pub(crate) external_ids: HashMap<EventId, (TimelineId, u64)>,
    pub(crate) platform: PlatformCommit,
    /// The new clock of every timeline in `heads`.
    pub(crate) clock: i64,
    /// The new version of every row in `rows`.
    pub(crate) version: i64,
    pub(crate) size: GroupSize,
}

impl Effects {
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty() && self.rows.is_empty()
    }

    /// Returns the keys of everything read or written, to lock or invalidate them.
    pub(crate) fn keys(&self) -> Keys {
        Keys {
            heads: self.heads.keys().chain(self.clocks_read.keys()).copied().collect(),
            rows: self.read.keys().chain(self.rows.keys()).chain(self.owned.keys()).cloned().collect(),
            events: HashSet::new(),
        }
    }

    /// Returns the timelines in the order in which every process locks them.
    pub(crate) fn sorted_heads(&self) -> Vec<&NewHead> {
        let mut heads: Vec<_> = self.heads.iter().collect();
        heads.sort_unstable_by_key(|(timeline, _)| **timeline);
        heads.into_iter().map(|(_, new)| new).collect()
    }

    /// Returns what is cached once the group is committed.
    pub(crate) fn to_cache(&self) -> Found {
        let heads = self.heads.iter();
        let rows = self.rows.keys().chain(self.owned.keys());
        Found {
            heads: heads
                .map(|(timeline, new)| (*timeline, CachedHead { head: new.head, clock: self.clock }))
                .collect(),
            rows: rows.filter_map(|key| Some((key.clone(), self.row(key)?))).collect(),
            events: HashMap::default(),
        }
    }

    /// Returns a row as it is once the group is committed; `None` if the group writes neither the row nor the timeline
    /// that owns it.
    pub(crate) fn row(&self, key: &RowKey) -> Option<CachedRow> {
        let owner = distribution_key::owning_timeline(key);
        if let Some(row) = self.rows.get(key) {
            let version = match owner {
                Some(_) => self.clock,
                None if row.is_some() => self.version,
                None => ABSENT,
            };
            let (bytes, checkpoint) = match key {
                RowKey::App(key::App(app)) => {
                    self.states.get(app).map(|state| (state.bytes, state.checkpoint))
                }
                _ => Some((ROW_BYTES, Checkpoint::default())),
            }
            .unwrap_or_default();
            return Some(CachedRow { row: row.clone(), version, bytes, checkpoint });
        }
        let cached = self.owned.get(key)?;
        self.heads.contains_key(&owner?).then(|| CachedRow { version: self.clock, ..cached.clone() })
    }
}

/// The new head of a timeline, and the entries appended to it.
#[derive(Debug, Clone)]
pub(crate) struct NewHead {
    /// The clock that the timeline must still have when the group is written.
    pub(crate) clock_before: i64,
    /// The new clock. It is greater than the previous clocks of all timelines that the group writes.
    pub(crate) clock: i64,
    pub(crate) head: Head,
    pub(crate) entries: Entries,
}

impl NewHead {
    /// Starts from the current head, before anything is appended.
    pub(crate) fn after(head: Head, clock_before: i64, timeline: TimelineId) -> Self {
        let entries = Entries::of(timeline_name(timeline));
        Self { clock_before, clock: clock_before, head, entries }
    }

    /// Appends an event and returns its position.
    pub(crate) fn append(&mut self, created_at: Time, is_home: bool, json: &[u8]) -> u64 {
        let latest = self.head.latest;
        self.head = self.head.append(created_at);
        self.entries.push(self.head.length, created_at, latest, is_home, json);
        self.head.length
    }
}

/// How the state of an app is stored.
#[derive(Debug, Clone)]
pub(crate) struct NewState {
    /// The value to write; `None` if the stored checkpoint stays.
    pub(crate) value: Option<Json>,
    /// The checkpoint that is stored afterwards.
    pub(crate) checkpoint: Checkpoint,
    /// The length of the value that is stored afterwards.
    pub(crate) bytes: usize,
}

impl NewState {
    /// Returns a state that is written, with all events up to `position`.
    pub(crate) fn written(state: &Row, position: u64) -> Self {
        let value = state.to_bytes();
        Self { bytes: value.len(), value: Some(Json(value.into())), checkpoint: Checkpoint::at(position) }
    }
}
