//! Opening a store in a database.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::runtime::Handle;
use tokio::sync::{broadcast, mpsc, watch};

use crate::contract::CommitSummary;
use crate::engine::{CommitQueue, CommonOptions, NOTIFICATIONS_MAX};
use crate::error::Error;

use super::cache::Cache;
use super::commit::committer::Committer;
use super::connection::address::Address;
use super::connection::presence::{self, LockMode, Presence};
use super::connection::read_pool::ReadPool;
use super::connection::tls;
use super::{Inner, PostgresStore, platform, schema};

/// The default number of connections for reads.
const CONNECTIONS: usize = 16;

/// Options for opening a store in a database.
pub struct Options {
    address: Address,
    connections: usize,
    lock_mode: LockMode,
    common: CommonOptions,
}

impl Options {
    /// Chooses the database of the store. The tables are created if they do not exist.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            connections: CONNECTIONS,
            lock_mode: LockMode::Shared,
            common: CommonOptions::default(),
        }
    }

    /// Sets how many connections serve reads. The store opens three more: two for commits, and one that holds the store's
    /// lock.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Chooses to open the store exclusively, so that no other process can have it open at the same time.
    #[must_use]
    pub fn exclusive(mut self) -> Self {
        self.lock_mode = LockMode::Exclusive;
        self
    }

    /// Sets whether the store must exist. If it must and does not, opening fails with [`Error::Missing`].
    #[must_use]
    pub fn existing(mut self, must_exist: bool) -> Self {
        self.common.must_exist = must_exist;
        self
    }

    /// Sets a function to call after every commit that records events, on the committing thread.
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(CommitSummary) + Send + Sync + 'static) -> Self {
        self.common.observer = Box::new(observer);
        self
    }

    /// Opens the store. Must be called within a Tokio runtime that outlives the store.
    ///
    /// # Errors
    ///
    /// - [`Error::InUse`] if another process has the store open exclusively. With [`exclusive`](Self::exclusive), if
    ///   another process has it open at all.
    /// - [`Error::Missing`] if the store must exist and does not.
    /// - [`Error::Newer`] if a newer annals wrote the store.
    /// - [`Error::Unavailable`] if the database cannot be reached.
    /// - [`Error::Engine`] if the database or the TLS certificate cannot be used.
    pub async fn open(self) -> Result<PostgresStore, Error> {
        let tls = tls::connector(&self.address.verification)?;
        let mut read_pool = ReadPool::new(&self.address, tls.clone(), self.connections)?;
        let mut connection = read_pool.connection().await?;
        if self.common.must_exist && !schema::is_there(&connection).await? {
            return Err(Error::Missing);
        }
        read_pool.is_distributed = schema::migrate(&mut connection).await?;
        drop(connection);
        let clock = platform::greatest_clock(&read_pool).await?;
        let cache = Arc::new(Cache::default());
        let (announcements, announced) = mpsc::channel(presence::ANNOUNCEMENTS_MAX);
        let presence = Presence {
            address: self.address.clone(),
            tls: tls.clone(),
            lock_mode: self.lock_mode,
            notifications: broadcast::Sender::new(NOTIFICATIONS_MAX),
            cache: Arc::clone(&cache),
            is_lock_held: watch::Sender::new(true),
            announcements: announced,
        };
        let lock = presence.acquire().await?;
        let inner = Arc::new(Inner {
            address: self.address,
            tls,
            lock_mode: self.lock_mode,
            read_pool,
            cache,
            notifications: presence.notifications.clone(),
            is_lock_held: presence.is_lock_held.subscribe(),
            announcements,
            observer: self.common.observer,
            commit_retries: AtomicU64::new(0),
        });
        let presence = tokio::spawn(presence.run(lock)).abort_handle();
        let (queue, jobs) = CommitQueue::new();
        let committer = Committer::new(Arc::clone(&inner), jobs, clock);
        let runtime = Handle::current();
        // Deciding keeps a processor busy, so it runs on a thread of its own, where it does not delay requests.
        std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || runtime.block_on(committer.run()))
            .map_err(|error| Error::Engine(Box::new(error)))?;
        Ok(PostgresStore { inner, queue, presence })
    }
}
