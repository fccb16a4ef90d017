//! The embedded engine: a store in a directory, for one process, in an LSM tree ([fjall](https://docs.rs/fjall)).
//!
//! ```text
//! <directory>/format      the format's number in decimal, and a newline
//! <directory>/lock        locked while a process has the store open
//! <directory>/fjall/      keyspaces:
//!     runs                events and references to events, by timeline and position (`run`)
//!     rows                states, names, tokens, stored responses (`rows/encoding.rs`, `checkpoint`)
//!     platform            the platform timeline: one entry per commit that has events (`platform`)
//!     ids                 the positions of events with external identifiers (`ids`)
//!     counts              the number of timelines (`committer`)
//! ```
//!
//! One thread decides and commits (`committer`). Readers never wait for it. fjall writes committed data to a journal and
//! to tables in memory, and later to tables on disk. The journal is synced before a commit returns.

mod backup;
mod checkpoint;
mod committer;
mod damage;
mod ids;
mod open;
mod platform;
mod read;
mod run;
mod transfer;

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use annals_model::{EventId, Time};
use async_trait::async_trait;
use bytes::Bytes;
use fjall::{Database, Keyspace};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::broadcast;

use crate::contract::{Command, CommitError, CommitterLoad, Head, PlatformCommit, Statistics, Store};
use crate::engine::checkpoint::Checkpoint;
use crate::engine::{CommitQueue, Observer};
use crate::error::Error;
use crate::rows::{Row, RowKey, RowRange};
use crate::timeline::TimelineId;

use backup::Backup;

pub use backup::{check_backup, restore};
pub use open::Options;

/// A store in a directory, for one process. [`Options`] opens it.
pub struct EmbeddedStore {
    inner: Arc<Inner>,
    queue: CommitQueue,
    committer: Option<JoinHandle<()>>,
}

/// What the committer and the readers share.
struct Inner {
    database: Database,
    runs: Keyspace,
    rows: Keyspace,
    platform: Keyspace,
    ids: Keyspace,
    counts: Keyspace,
    heads: Cache<TimelineId, Head>,
    row_cache: Cache<RowKey, CachedRow, RowBytes>,
    timelines: AtomicU64,
    platform_length: AtomicU64,
    writable: AtomicBool,
    notifications: broadcast::Sender<TimelineId>,
    /// Claimed rows, and when their leases expire. Only this process has the store open, so memory suffices.
    claims: Mutex<HashMap<RowKey, Instant>>,
    observer: Observer,
    // The last field is dropped last, so the directory is unlocked only when nothing uses it any more.
    _lock: std::fs::File,
}

#[derive(Clone)]
struct CachedRow {
    /// `None` if the row does not exist.
    row: Option<Row>,
    /// The length of the stored value.
    bytes: usize,
    /// For the state of an app, its stored checkpoint.
    checkpoint: Checkpoint,
}

#[derive(Clone)]
struct RowBytes;

impl Weighter<RowKey, CachedRow> for RowBytes {
    fn weight(&self, key: &RowKey, cached: &CachedRow) -> u64 {
        // A row takes about three times its stored length in memory, plus the cache's own overhead. The state of an
        // app may have grown by all the events since its checkpoint.
        (200 + key.text_bytes() + 3 * cached.bytes + cached.checkpoint.bytes_since) as u64
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        // Without a sender, the committer ends once it has finished the queued commands.
        self.queue = CommitQueue::new().0;
        if let Some(committer) = self.committer.take() {
            _ = committer.join();
        }
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn commit(&self, command: Box<dyn Command>) -> Result<(), CommitError> {
        self.queue.commit(command).await
    }

    async fn head(&self, timeline: TimelineId) -> Result<Head, Error> {
        self.inner.head(timeline)
    }

    // Reads run on the caller's thread. A page is a few blocks, nearly always in memory, so handing the read to another
    // thread would cost more than the read itself. `bytes_max` bounds long reads.
    async fn read(
        &self,
        timeline: TimelineId,
        positions: RangeInclusive<u64>,
        bytes_max: usize,
    ) -> Result<Vec<Bytes>, Error> {
        self.inner.read(timeline, &positions, bytes_max)
    }

    async fn length_before(&self, timeline: TimelineId, time: Time) -> Result<u64, Error> {
        self.inner.length_before(timeline, time)
    }

    async fn find(&self, home: TimelineId, event: EventId) -> Result<Option<Bytes>, Error> {
        self.inner.find(home, event)
    }

    async fn row(&self, key: &RowKey) -> Result<Option<Row>, Error> {
        self.inner.row(key)
    }

    async fn rows_in(&self, range: &RowRange, limit: usize) -> Result<Vec<(RowKey, Row)>, Error> {
        self.inner.list(range).take(limit).collect()
    }

    async fn claim_rows(
        &self,
        range: &RowRange,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<(RowKey, Row)>, Error> {
        let mut claims = self.inner.claims.lock().expect("nothing panics while it holds this lock");
        let now = Instant::now();
        claims.retain(|_, until| *until > now);
        let mut claimed = Vec::new();
        for listed in self.inner.list(range) {
            let (key, row) = listed?;
            if claimed.len() == limit {
                break;
            }
            if !claims.contains_key(&key) {
                claims.insert(key.clone(), now + lease);
                claimed.push((key, row));
            }
        }
        Ok(claimed)
    }

    async fn platform(&self, after: u64, limit_events: usize) -> Result<Vec<PlatformCommit>, Error> {
        self.inner.platform(after, limit_events)
    }

    async fn platform_length(&self) -> Result<u64, Error> {
        Ok(self.inner.platform_length.load(Ordering::Acquire))
    }

    fn backup(&self) -> Option<Box<dyn Iterator<Item = Result<Bytes, Error>> + Send>> {
        Some(Box::new(Backup::of(&self.inner)))
    }

    fn subscribe(&self) -> broadcast::Receiver<TimelineId> {
        self.inner.notifications.subscribe()
    }

    async fn ready(&self) -> Result<(), Error> {
        match self.inner.writable.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(Error::ReadOnly),
        }
    }

    fn committer_load(&self) -> CommitterLoad {
        // One process has the store, so nothing is ever decided again.
        CommitterLoad { waiting_commands: self.queue.waiting(), retries: 0 }
    }

    async fn statistics(&self) -> Result<Statistics, Error> {
        Ok(Statistics {
            timelines: self.inner.timelines.load(Ordering::Relaxed),
            bytes: self.inner.database.disk_space()?,
        })
    }

    async fn close(&self) -> Result<(), Error> {
        self.queue.close().await
    }
}

impl From<fjall::Error> for Error {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Locked => Self::InUse,
            fjall::Error::Poisoned => Self::ReadOnly,
            error => Self::Engine(Box::new(error)),
        }
    }
}
