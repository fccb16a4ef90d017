//! The PostgreSQL engine: any number of processes on one database, which the Citus extension can distribute.
//!
//! `schema/schema.sql` has the tables. Each timeline has a row with its length. A commit that appends to the timeline
//! locks this row until the commit ends, so positions have no gaps even with several processes. Reads query the
//! database, so they see what every process has committed. The cache only saves lookups: a commit compares with the
//! database what was decided from cached data.

mod cache;
mod commit;
mod connection;
mod failure;
mod options;
mod platform;
mod read;
mod schema;
mod transfer;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use annals_model::{App, AppId, EventId, Time};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::AbortHandle;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::contract::{Command, CommitError, CommitterLoad, Head, PlatformCommit, Statistics, Store};
use crate::engine::{CommitQueue, Observer};
use crate::error::Error;
use crate::rows::{Row, RowKey, RowRange, key};
use crate::timeline::TimelineId;

use cache::Cache;
use connection::presence::LockMode;
use connection::read_pool::ReadPool;
use connection::session::Session;
use read::{events, rows, search, statistics};

pub use connection::address::Address;
pub use options::Options;

/// Whether the database refuses writes: a standby does, and so does one with `default_transaction_read_only`.
const IS_READ_ONLY: &str = "SELECT current_setting('transaction_read_only')::boolean";
/// How long the database may take to say whether it is ready.
const READY_TIME_MAX: Duration = Duration::from_secs(4);

/// A store in a database, for any number of processes. [`Options`] opens it.
pub struct PostgresStore {
    inner: Arc<Inner>,
    queue: CommitQueue,
    presence: AbortHandle,
}

/// What the committer and the readers share.
struct Inner {
    address: Address,
    tls: MakeRustlsConnect,
    lock_mode: LockMode,
    read_pool: ReadPool,
    cache: Arc<Cache>,
    notifications: broadcast::Sender<TimelineId>,
    is_lock_held: watch::Receiver<bool>,
    announcements: mpsc::Sender<Vec<TimelineId>>,
    observer: Observer,
    /// How often a group was decided again because another process committed first.
    commit_retries: AtomicU64,
}

impl Inner {
    async fn connect(&self) -> Result<Session, Error> {
        Session::connect(&self.address, &self.tls, self.read_pool.is_distributed, self.is_fenced()).await
    }

    /// Whether each transaction that writes checks that no other process has taken the store exclusively.
    fn is_fenced(&self) -> bool {
        self.lock_mode == LockMode::Shared
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.presence.abort();
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, command: Box<dyn Command>) -> Result<(), CommitError> {
        self.queue.commit(command).await
    }

    async fn head(&self, timeline: TimelineId) -> Result<Head, Error> {
        events::head(&self.inner.read_pool, timeline).await
    }

    async fn timelines(
        &self,
        after: Option<TimelineId>,
        limit: usize,
    ) -> Result<Vec<(TimelineId, Head)>, Error> {
        events::timelines(&self.inner.read_pool, after, limit).await
    }

    async fn app(&self, id: AppId) -> Result<Option<(Arc<App>, Head)>, Error> {
        rows::app(&self.inner.read_pool, &self.inner.cache, id).await
    }

    async fn read(
        &self,
        timeline: TimelineId,
        positions: RangeInclusive<u64>,
        bytes_max: usize,
    ) -> Result<Vec<Bytes>, Error> {
        events::read(&self.inner.read_pool, timeline, positions, bytes_max).await
    }

    async fn length_before(&self, timeline: TimelineId, time: Time) -> Result<u64, Error> {
        let counts = search::lengths_before(&mut &self.inner.read_pool, &[(timeline, time)]).await?;
        Ok(counts.first().copied().unwrap_or_default())
    }

    async fn find(&self, home: TimelineId, event: EventId) -> Result<Option<Bytes>, Error> {
        events::find(&self.inner.read_pool, home, event).await
    }

    async fn row(&self, key: &RowKey) -> Result<Option<Row>, Error> {
        match key {
            RowKey::App(key::App(id)) => Ok(self.app(*id).await?.map(|(app, _)| Row::App(app))),
            key => rows::row(&self.inner.read_pool, key).await,
        }
    }

    async fn rows_in(&self, range: &RowRange, limit: usize) -> Result<Vec<(RowKey, Row)>, Error> {
        rows::list(&self.inner.read_pool, range, limit).await
    }

    async fn claim_rows(
        &self,
        range: &RowRange,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<(RowKey, Row)>, Error> {
        rows::claim(&self.inner.read_pool, self.inner.is_fenced(), range, limit, lease).await
    }

    async fn platform(&self, after: u64, limit_events: usize) -> Result<Vec<PlatformCommit>, Error> {
        platform::read(&self.inner.read_pool, after, limit_events).await
    }

    async fn platform_length(&self) -> Result<u64, Error> {
        platform::length(&self.inner.read_pool).await
    }

    fn subscribe(&self) -> broadcast::Receiver<TimelineId> {
        self.inner.notifications.subscribe()
    }

    async fn ready(&self) -> Result<(), Error> {
        if self.queue.is_closed() {
            return Err(Error::Closed);
        }
        // The database is checked first: if it is down, the lock is not held either, and the error should name the cause.
        let asked = self.inner.read_pool.rows(IS_READ_ONLY, &[]);
        let silent = || Error::Unavailable("it does not respond".into());
        let rows = tokio::time::timeout(READY_TIME_MAX, asked).await.map_err(|_| silent())??;
        if rows.first().is_none_or(|row| row.get(0)) {
            return Err(Error::Unavailable("it is read-only".into()));
        }
        match *self.inner.is_lock_held.borrow() {
            true => Ok(()),
            false => Err(Error::Unavailable("the store's lock is not held".into())),
        }
    }

    fn committer_load(&self) -> CommitterLoad {
        let retries = self.inner.commit_retries.load(Ordering::Relaxed);
        CommitterLoad { waiting_commands: self.queue.waiting(), retries }
    }

    async fn statistics(&self) -> Result<Statistics, Error> {
        statistics::statistics(&self.inner.read_pool).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.queue.close().await
    }
}
