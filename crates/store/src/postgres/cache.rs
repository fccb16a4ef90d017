//! What is known of the database: looked up just now, or cached from before.

use std::collections::HashSet;

use annals_model::EventId;
use foldhash::HashMap;
use quick_cache::Weighter;
use quick_cache::sync;

use crate::contract::Head;
use crate::engine::checkpoint::Checkpoint;
use crate::rows::{Row, RowKey};
use crate::timeline::TimelineId;

/// A version that no row has, and a clock that no timeline has: of one that is not there.
pub(crate) const ABSENT: i64 = 0;

/// Where a timeline stands.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CachedHead {
    pub(crate) head: Head,
    pub(crate) clock: i64,
}

/// A row, or that there is none.
#[derive(Debug, Clone)]
pub(crate) struct CachedRow {
    pub(crate) row: Option<Row>,
    /// Its version; of one that a timeline owns, the clock of that.
    pub(crate) version: i64,
    /// How long its stored value is.
    pub(crate) bytes: usize,
    /// Of a state of an app, up to where it is stored.
    pub(crate) checkpoint: Checkpoint,
}

impl CachedRow {
    /// A row that is not there, whatever tells of that.
    pub(crate) fn absent(version: i64) -> Self {
        Self { row: None, version, bytes: 0, checkpoint: Checkpoint::default() }
    }
}

/// What can be looked up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys {
    pub(crate) heads: HashSet<TimelineId>,
    pub(crate) rows: HashSet<RowKey>,
    /// Whether events are recorded, by their identifier and the timeline they would be in.
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

/// What was found.
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

/// What was found or written before, and may have been changed by another process since. It saves most lookups: what was
/// decided from it is compared with the database when it is written, and what was refused because of it is decided again.
pub(crate) struct Cache {
    pub(crate) heads: sync::Cache<TimelineId, CachedHead>,
    pub(crate) rows: sync::Cache<RowKey, CachedRow, RowBytes>,
}

/// Heads in memory; each takes about 100 bytes.
const HEADS_MAX: usize = 100_000;
/// Rows in memory.
const ROWS_BYTES_MAX: u64 = 96 << 20;

impl Default for Cache {
    fn default() -> Self {
        Self {
            heads: sync::Cache::new(HEADS_MAX),
            rows: sync::Cache::with_weighter(HEADS_MAX, ROWS_BYTES_MAX, RowBytes),
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
        // A row takes about three times its written length in memory, and some for the cache itself.
        (200 + key.text_bytes() + 3 * cached.bytes + cached.checkpoint.bytes_since) as u64
    }
}
