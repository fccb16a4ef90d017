//! What a group of commands writes.

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

/// About how long a row is when written; writing it only to know would cost more than it is worth.
const ROW_BYTES: usize = 256;

/// What a group writes, and what that was decided from.
#[derive(Default)]
pub(crate) struct Effects {
    /// The versions of rows that decisions were made from.
    pub(crate) read: HashMap<RowKey, i64>,
    /// The clocks of timelines that they were made from.
    pub(crate) clocks_read: HashMap<TimelineId, i64>,
    /// The rows owned by timelines that they were made from.
    pub(crate) owned: HashMap<RowKey, CachedRow>,
    /// The timelines that are appended to, or own a row that is written.
    pub(crate) heads: HashMap<TimelineId, NewHead>,
    pub(crate) rows: HashMap<RowKey, Option<Row>>,
    /// Of the states of apps among the rows, how each is stored.
    pub(crate) states: HashMap<AppId, NewState>,
    /// Apps whose state cannot be rebuilt from their events.
    pub(crate) force_checkpoint: HashSet<AppId>,
    pub(crate) external_ids: HashMap<EventId, (TimelineId, u64)>,
    pub(crate) platform: PlatformCommit,
    /// The clock of every timeline in `heads`, and the version of every row it writes.
    pub(crate) clock: i64,
    pub(crate) version: i64,
    pub(crate) size: GroupSize,
}

impl Effects {
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty() && self.rows.is_empty()
    }

    /// Everything it was decided from or writes, for whoever wants to hold it still.
    pub(crate) fn keys(&self) -> Keys {
        Keys {
            heads: self.heads.keys().chain(self.clocks_read.keys()).copied().collect(),
            rows: self.read.keys().chain(self.rows.keys()).chain(self.owned.keys()).cloned().collect(),
            events: HashSet::new(),
        }
    }

    /// The timelines in the order in which everybody locks them.
    pub(crate) fn sorted_heads(&self) -> Vec<&NewHead> {
        let mut heads: Vec<_> = self.heads.iter().collect();
        heads.sort_unstable_by_key(|(timeline, _)| **timeline);
        heads.into_iter().map(|(_, new)| new).collect()
    }

    /// What is known once it is recorded.
    pub(crate) fn recorded(&self) -> Found {
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

    /// A row as it is once this is recorded, if this says anything of it: it writes the row, or the timeline that owns it.
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
        let known = self.owned.get(key)?;
        self.heads.contains_key(&owner?).then(|| CachedRow { version: self.clock, ..known.clone() })
    }
}

/// Where a timeline will stand, and what is appended to it for that.
#[derive(Debug, Clone)]
pub(crate) struct NewHead {
    pub(crate) clock_before: i64,
    /// Greater than that of each timeline that the group writes was before.
    pub(crate) clock: i64,
    pub(crate) head: Head,
    pub(crate) entries: Entries,
}

impl NewHead {
    /// Where it stands before anything is appended.
    pub(crate) fn after(head: Head, clock_before: i64, timeline: TimelineId) -> Self {
        let entries = Entries::of(timeline_name(timeline));
        Self { clock_before, clock: clock_before, head, entries }
    }

    /// Appends an event; gives its position.
    pub(crate) fn append(&mut self, created_at: Time, is_home: bool, json: &[u8]) -> u64 {
        assert!(created_at >= self.head.last_time, "a command never goes back in time");
        self.head = Head { length: self.head.length + 1, last_time: created_at };
        self.entries.push(self.head.length, created_at, is_home, json);
        self.head.length
    }
}

/// How a state of an app will be stored.
#[derive(Debug, Clone)]
pub(crate) struct NewState {
    /// What is written, if the state is not rebuilt from its timeline when it is read.
    pub(crate) value: Option<Json>,
    pub(crate) checkpoint: Checkpoint,
    /// How long what is stored is.
    pub(crate) bytes: usize,
}

impl NewState {
    /// One that is written, with all events up to that position in it.
    pub(crate) fn written(state: &Row, position: u64) -> Self {
        let value = state.to_bytes();
        Self { bytes: value.len(), value: Some(Json(value.into())), checkpoint: Checkpoint::at(position) }
    }
}
