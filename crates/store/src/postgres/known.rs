//! What is known of the database: looked up just now, or remembered from before.

use std::collections::HashSet;

use annals_model::EventId;
use foldhash::HashMap;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::checkpoint::Checkpoint;
use crate::contract::{Head, TimelineId};
use crate::rows::{Row, RowKey};

/// A version that no row has, and a clock that no timeline has: of one that is not there.
pub(super) const ABSENT: i64 = 0;

/// Where a timeline stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct KnownHead {
    pub(super) head: Head,
    pub(super) clock: i64,
}

/// A row, or that there is none.
#[derive(Debug, Clone)]
pub(super) struct KnownRow {
    pub(super) row: Option<Row>,
    /// Its version; of one that a timeline guards, the clock of that.
    pub(super) version: i64,
    /// How long its stored value is.
    pub(super) bytes: usize,
    /// Of a state of an app, up to where it is stored.
    pub(super) checkpoint: Checkpoint,
}

impl KnownRow {
    /// A row that is not there, whatever tells of that.
    pub(super) fn absent(version: i64) -> Self {
        Self { row: None, version, bytes: 0, checkpoint: Checkpoint::default() }
    }
}

/// What can be looked up.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    pub(super) heads: HashSet<TimelineId>,
    pub(super) rows: HashSet<RowKey>,
    /// Whether events are recorded, by their identifier and the timeline they would be in.
    pub(super) events: HashSet<(EventId, TimelineId)>,
}

impl Keys {
    pub(super) fn is_empty(&self) -> bool {
        self.heads.is_empty() && self.rows.is_empty() && self.events.is_empty()
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.heads.extend(other.heads);
        self.rows.extend(other.rows);
        self.events.extend(other.events);
    }
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) heads: HashMap<TimelineId, KnownHead>,
    pub(super) rows: HashMap<RowKey, KnownRow>,
    pub(super) events: HashMap<(EventId, TimelineId), bool>,
}

impl Known {
    pub(super) fn extend(&mut self, other: Self) {
        self.heads.extend(other.heads);
        self.rows.extend(other.rows);
        self.events.extend(other.events);
    }
}

/// What was found or written before, and may have been changed by another process since. It saves most lookups: what was
/// decided from it is compared with the database when it is written, and what was refused because of it is decided again.
pub(super) struct Memory {
    pub(super) heads: Cache<TimelineId, KnownHead>,
    pub(super) rows: Cache<RowKey, KnownRow, RowBytes>,
}

/// Heads in memory; each takes about 100 bytes.
const HEADS_MAX: usize = 100_000;
/// Rows in memory.
const ROWS_BYTES_MAX: u64 = 96 << 20;

impl Default for Memory {
    fn default() -> Self {
        Self { heads: Cache::new(HEADS_MAX), rows: Cache::with_weighter(HEADS_MAX, ROWS_BYTES_MAX, RowBytes) }
    }
}

impl Memory {
    pub(super) fn keep(&self, known: Known) {
        for (timeline, head) in known.heads {
            self.heads.insert(timeline, head);
        }
        for (key, row) in known.rows {
            self.rows.insert(key, row);
        }
    }

    pub(super) fn forget(&self, keys: &Keys) {
        for timeline in &keys.heads {
            self.heads.remove(timeline);
        }
        for key in &keys.rows {
            self.rows.remove(key);
        }
    }
}

#[derive(Clone)]
pub(super) struct RowBytes;

impl Weighter<RowKey, KnownRow> for RowBytes {
    fn weight(&self, key: &RowKey, known: &KnownRow) -> u64 {
        // A row takes about three times its written length in memory, and some for the cache itself.
        (200 + key.text_bytes() + 3 * known.bytes + known.checkpoint.bytes_since) as u64
    }
}
