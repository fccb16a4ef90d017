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
//!     counts              the number of timelines (`counts`)
//! ```
//!
//! One thread decides and commits (`committer`). Readers never wait for it. fjall writes committed data to a journal and
//! to tables in memory, and later to tables on disk. The journal is synced before a commit returns.

mod backup;
mod checkpoint;
mod committer;
mod counts;
mod damage;
mod directory;
mod format;
mod ids;
mod open;
mod platform;
mod read;
mod restore;
mod run;
mod transfer;
mod tree;

use std::iter;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
use crate::engine::CommitQueue;
use crate::engine::checkpoint::Checkpoint;
use crate::error::Error;
use crate::rows::{Row, RowKey, RowRange};
use crate::timeline::TimelineId;

use directory::Directory;

pub use open::Options;
pub use restore::{check_backup, restore};
#[cfg(fuzzing)]
pub(crate) use run::read_all as read_run;

/// A store in a directory, for one process. [`Options`] opens it.
pub struct EmbeddedStore {
    directory: Arc<Directory>,
    queue: CommitQueue,
    committer: Option<JoinHandle<()>>,
}

/// The LSM tree, open, and caches of what it contains. After a failed write it is opened again (`directory`).
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
        // While the directory accepts no writes, the committer may be busy with opening it again.
        if !self.directory.is_writable() && !self.queue.is_closed() {
            return Err(CommitError::Failed(Error::ReadOnly));
        }
        self.queue.commit(command).await
    }

    async fn head(&self, timeline: TimelineId) -> Result<Head, Error> {
        self.directory.inner().await?.head(timeline)
    }

    async fn timelines(
        &self,
        after: Option<TimelineId>,
        limit: usize,
    ) -> Result<Vec<(TimelineId, Head)>, Error> {
        self.directory.inner().await?.timelines(after, limit)
    }

    // Reads run on the caller's thread. A page is a few blocks, nearly always in memory, so handing the read to another
    // thread would cost more than the read itself. `bytes_max` bounds long reads.
    async fn read(
        &self,
        timeline: TimelineId,
        positions: RangeInclusive<u64>,
        bytes_max: usize,
    ) -> Result<Vec<Bytes>, Error> {
        self.directory.inner().await?.read(timeline, &positions, bytes_max)
    }

    async fn length_before(&self, timeline: TimelineId, time: Time) -> Result<u64, Error> {
        self.directory.inner().await?.length_before(timeline, time)
    }

    async fn find(&self, home: TimelineId, event: EventId) -> Result<Option<Bytes>, Error> {
        self.directory.inner().await?.find(home, event)
    }

    async fn row(&self, key: &RowKey) -> Result<Option<Row>, Error> {
        self.directory.inner().await?.row(key)
    }

    async fn rows_in(&self, range: &RowRange, limit: usize) -> Result<Vec<(RowKey, Row)>, Error> {
        self.directory.inner().await?.list(range).take(limit).collect()
    }

    async fn claim_rows(
        &self,
        range: &RowRange,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<(RowKey, Row)>, Error> {
        let inner = self.directory.inner().await?;
        let mut claims = self.directory.claims.lock().expect("nothing panics while it holds this lock");
        let now = Instant::now();
        claims.retain(|_, until| *until > now);
        let mut claimed = Vec::new();
        for listed in inner.list(range) {
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
        self.directory.inner().await?.platform(after, limit_events)
    }

    async fn platform_length(&self) -> Result<u64, Error> {
        Ok(self.directory.inner().await?.platform_length.load(Ordering::Acquire))
    }

    fn backup(&self) -> Option<Box<dyn Iterator<Item = Result<Bytes, Error>> + Send>> {
        Some(match self.directory.backup() {
            Some(backup) => Box::new(backup),
            None => Box::new(iter::once(Err(Error::ReadOnly))),
        })
    }

    fn subscribe(&self) -> broadcast::Receiver<TimelineId> {
        self.directory.notifications.subscribe()
    }

    async fn ready(&self) -> Result<(), Error> {
        match self.directory.is_writable() {
            true => Ok(()),
            false => Err(Error::ReadOnly),
        }
    }

    fn committer_load(&self) -> CommitterLoad {
        // One process has the store, so nothing is ever decided again.
        CommitterLoad { waiting_commands: self.queue.waiting(), retries: 0 }
    }

    async fn statistics(&self) -> Result<Statistics, Error> {
        let inner = self.directory.inner().await?;
        Ok(Statistics {
            timelines: inner.timelines.load(Ordering::Relaxed),
            bytes: inner.database.disk_space()?,
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
