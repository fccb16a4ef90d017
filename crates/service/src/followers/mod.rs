//! Followers: readers of the platform timeline, which has every event once.
//!
//! A follower's cursor is the platform position up to which the follower has taken events. The cursor is a row. One commit
//! moves it and writes what the follower makes of the events. So a follower takes each event exactly once, even if the
//! process ends in between. Several processes share a follower: the process that has claimed the cursor does the work, and
//! moving the cursor ends the claim. If that process ends, the others can claim the cursor once the lease has expired.
//!
//! All followers of the service are in this module. A reader that keeps its position elsewhere uses
//! [`annals_store::follow`]; see `examples/deployments_by_app.rs`.

mod event_counts;
mod summaries;

use std::sync::Arc;
use std::time::Duration;

use annals_store::{CommandError, PlatformCommit, TypedRows as _, follow, key};

use crate::jobs::Job;
use crate::transaction::Transaction;
use crate::{Error, Service};

use event_counts::EventCounter;
use summaries::Summarizer;

/// The names of all followers.
const NAMES: [&str; 2] = [EventCounter::NAME, Summarizer::NAME];

/// About how many events a follower takes in one commit.
const EVENTS_AT_ONCE: usize = 10_000;
/// How long a process has for such a commit before another process tries.
const LEASE: Duration = Duration::from_secs(10);
/// How long a follower waits, after it was notified, for more events to take with the first ones. Taking events is a commit,
/// and fewer commits delay others less.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a follower waits after a failure.
const RETRY: Duration = Duration::from_secs(2);

/// A reader that takes every event exactly once.
trait Follower: Send + Sync + Copy + 'static {
    /// The name of its cursor in the store. It never changes: a follower with a new name begins with the first event.
    const NAME: &'static str;

    /// Does what needs reads that no commit can make. It may be done again for the same commits, by another process too.
    fn prepare(self, _: &Service, _: &[PlatformCommit]) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// Takes the commits that follow those it took before. What it writes to the transaction is committed together with the
    /// new cursor. If that fails, it runs again for the same commits.
    fn take(self, transaction: &mut Transaction<'_>, commits: &[PlatformCommit]) -> Result<(), CommandError>;
}

/// How far a follower is behind the end of the platform timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowerLag {
    /// The follower's name.
    pub follower: &'static str,
    /// How many events it has not taken.
    pub events: u64,
    /// How long ago the first of these was recorded; zero if there is none.
    pub age: Duration,
}

impl Service {
    /// Runs all followers until the future is dropped.
    pub(crate) async fn follow(&self) {
        tokio::join!(self.keep_following(EventCounter), self.keep_following(Summarizer));
    }

    /// Gives every follower the events recorded so far. Skips a follower that another process runs.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read or written.
    pub async fn catch_up(&self) -> Result<(), Error> {
        self.advance(EventCounter).await?;
        self.advance(Summarizer).await
    }

    pub(crate) async fn follower_lags(&self) -> Result<Vec<FollowerLag>, Error> {
        let mut lags = Vec::with_capacity(NAMES.len());
        for follower in NAMES {
            lags.push(self.follower_lag(follower).await?);
        }
        Ok(lags)
    }

    async fn follower_lag(&self, follower: &'static str) -> Result<FollowerLag, Error> {
        // The cursor is read before the length: it may move meanwhile, and must not seem to be beyond the end.
        let cursor = self.cursor(follower).await?.unwrap_or_default();
        let events = self.store().platform_length().await?.saturating_sub(cursor);
        let next = if events > 0 { self.store().platform(cursor, 1).await? } else { Vec::new() };
        let age_ms = next.first().map_or(0, |commit| {
            // Another process's clock may be ahead.
            self.now().as_millis().saturating_sub(commit.recorded_at.as_millis())
        });
        Ok(FollowerLag { follower, events, age: Duration::from_millis(age_ms) })
    }

    async fn keep_following<F: Follower>(&self, follower: F) {
        // Events that were recorded while no process ran are taken without waiting.
        let mut taken = self.advance(follower).await;
        loop {
            if let Err(error) = taken {
                self.inner().failures.add(Job::Followers);
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    follower = F::NAME,
                    "a follower failed; it tries again"
                );
                tokio::time::sleep(RETRY).await;
            }
            taken = self.take_next(follower).await;
        }
    }

    async fn take_next<F: Follower>(&self, follower: F) -> Result<(), Error> {
        let cursor = self.cursor(F::NAME).await?.unwrap_or_default();
        follow(Arc::clone(self.store()), cursor).next().await?;
        tokio::time::sleep(PAUSE).await;
        self.advance(follower).await
    }

    /// Takes all events recorded so far, unless another process runs the follower.
    async fn advance<F: Follower>(&self, follower: F) -> Result<(), Error> {
        if self.cursor(F::NAME).await?.is_none() {
            self.begin::<F>().await?;
        }
        loop {
            let claimed = self.store().claim(key::Cursor::only(F::NAME), 1, LEASE).await?;
            let Some((key, cursor)) = claimed.into_iter().next() else { return Ok(()) };
            let commits = self.store().platform(cursor, EVENTS_AT_ONCE).await?;
            let taken: usize = commits.iter().map(|commit| commit.events.len()).sum();
            follower.prepare(self, &commits).await?;
            self.commit(move |transaction| {
                // The lease may have ended, and another process may have taken these events.
                if transaction.get(key.clone())? != Some(cursor) {
                    return Ok(());
                }
                follower.take(transaction, &commits)?;
                transaction.put(key.clone(), commits.last().map_or(cursor, PlatformCommit::last));
                Ok(())
            })
            .await?;
            if taken < EVENTS_AT_ONCE {
                return Ok(());
            }
        }
    }

    async fn cursor(&self, follower: &str) -> Result<Option<u64>, Error> {
        Ok(self.store().get(key::Cursor(follower.to_owned())).await?)
    }

    /// Puts a new follower's cursor before the first event.
    async fn begin<F: Follower>(&self) -> Result<(), Error> {
        self.commit(|transaction| {
            let key = key::Cursor(F::NAME.to_owned());
            if transaction.get(key.clone())?.is_none() {
                transaction.put(key, 0);
            }
            Ok(())
        })
        .await
    }
}
