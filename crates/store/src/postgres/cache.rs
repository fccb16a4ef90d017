//! Data from the database: the keys and results of lookups, and the cache of earlier results.

use std::collections::HashSet;

use annals_model::EventId;
use foldhash::HashMap;
use quick_cache::Weighter;
use quick_cache::sync;

use crate::contract::Head;
use crate::engine::checkpoint::Checkpoint;
use crate::rows::{Row, RowKey};
use crate::timeline::TimelineId;

/// The version of a row that does not exist, and the clock of a timeline that does not exist.
pub(crate) const ABSENT: i64 = 0;

/// The head of a timeline, and its clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CachedHead {
    pub(crate) head: Head,
    pub(crate) clock: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct CachedRow {
    /// `None` if the row does not exist.
    pub(crate) row: Option<Row>,
    /// The row's version, or the clock of the timeline that owns it.
    pub(crate) version: i64,
    /// The length of the stored value.
    pub(crate) bytes: usize,
    /// For the state of an app, its stored checkpoint.
    pub(crate) checkpoint: Checkpoint,
}

impl CachedRow {
    /// Returns a row that does not exist.
    pub(crate) fn absent(version: i64) -> Self {
        Self { row: None, version, bytes: 0, checkpoint: Checkpoint::default() }
    }
}

/// The keys of what a lookup reads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys {
    pub(crate) heads: HashSet<TimelineId>,
    pub(crate) rows: HashSet<RowKey>,
    /// Events by identifier and home, to look up whether they are recorded.
    pub(crate) events: HashSet<(EventId, TimelineId)>,
}

impl Keys {
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty() && self.rows.is_empty() && self.events.is_empty()
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.heads.extend(other.heads);
        self.rows.extend(other.rows);
        self.events.extend(other.events);
    }
}

/// The result of a lookup.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub(crate) heads: HashMap<TimelineId, CachedHead>,
    pub(crate) rows: HashMap<RowKey, CachedRow>,
    pub(crate) events: HashMap<(EventId, TimelineId), bool>,
}

impl Found {
    pub(crate) fn extend(&mut self, other: Self) {
        self.heads.extend(other.heads);
        self.rows.extend(other.rows);
        self.events.extend(other.events);
    }
}

/// Data read or written earlier. Another process may have changed it since. The cache saves most lookups. A commit
/// compares with the database what it was decided from, and a command that is rejected because of cached data is decided
/// again from a lookup.
pub(crate) struct Cache {
    pub(crate) heads: sync::Cache<TimelineId, CachedHead>,
    pub(crate) rows: sync::Cache<RowKey, CachedRow, RowBytes>,
}

/// How many heads are cached; each takes about 100 bytes.
const HEADS_MAX: usize = 100_000;
/// The estimated number of cached rows.
const ROWS_ESTIMATE: usize = 100_000;
/// The size of the cache of rows.
const ROWS_BYTES_MAX: u64 = 96 << 20;

impl Default for Cache {
    fn default() -> Self {
        Self {
            heads: sync::Cache::new(HEADS_MAX),
            rows: sync::Cache::with_weighter(ROWS_ESTIMATE, ROWS_BYTES_MAX, RowBytes),
        }
    }
}

impl Cache {
    pub(crate) fn insert(&self, found: Found) {
        for (timeline, head) in found.heads {
            self.heads.insert(timeline, head);
        }
        for (key, row) in found.rows {
            self.rows.insert(key, row);
        }
    }

    pub(crate) fn invalidate(&self, keys: &Keys) {
        for timeline in &keys.heads {
            self.heads.remove(timeline);
        }
        for key in &keys.rows {
            self.rows.remove(key);
        }
    }
}

#[derive(Clone)]
pub(crate) struct RowBytes;

impl Weighter<RowKey, CachedRow> for RowBytes {
    fn weight(&self, key: &RowKey, cached: &CachedRow) -> u64 {
        // A row takes about three times its stored length in memory, plus the cache's own overhead.
        (200 + key.text_bytes() + 3 * cached.bytes + cached.checkpoint.bytes_since) as u64
    }
}
