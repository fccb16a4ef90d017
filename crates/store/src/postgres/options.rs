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

/// How many connections read at once, unless something else is said.
const CONNECTIONS: usize = 16;

/// How to open a store in a database.
pub struct Options {
    address: Address,
    connections: usize,
    lock_mode: LockMode,
    common: CommonOptions,
}

impl Options {
    /// The store in that database; its tables are made if they are not there.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            connections: CONNECTIONS,
            lock_mode: LockMode::Shared,
            common: CommonOptions::default(),
        }
    }

    /// How many connections read at once. Three more decide, write, and listen.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Has the store for itself, which fails while any other process has it open.
    #[must_use]
    pub fn exclusive(mut self) -> Self {
        self.lock_mode = LockMode::Exclusive;
        self
    }

    /// Whether only a store that is there is opened, and none is made.
    #[must_use]
    pub fn existing(mut self, is_existing: bool) -> Self {
        self.common.is_existing = is_existing;
        self
    }

    /// Calls this after every commit, on the committing thread.
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(CommitSummary) + Send + Sync + 'static) -> Self {
        self.common.observer = Box::new(observer);
        self
    }

    /// Opens the store. Has to be called within a runtime that lives as long as the store.
    pub async fn open(self) -> Result<PostgresStore, Error> {
        let tls = tls::connector(&self.address.verification)?;
        let mut read_pool = ReadPool::new(&self.address, tls.clone(), self.connections)?;
        let mut connection = read_pool.connection().await?;
        if self.common.is_existing && !schema::is_there(&connection).await? {
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
        let held = presence.acquire().await?;
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
        let presence = tokio::spawn(presence.run(held)).abort_handle();
        let (queue, jobs) = CommitQueue::new();
        let committer = Committer::new(Arc::clone(&inner), jobs, clock);
        let runtime = Handle::current();
        // Deciding takes the processor for a while; on a thread of its own it keeps no request waiting.
        std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || runtime.block_on(committer.run()))
            .map_err(|error| Error::Engine(Box::new(error)))?;
        Ok(PostgresStore { inner, queue, presence })
    }
}
