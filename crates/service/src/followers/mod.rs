//! Followers: what reads the platform timeline, each from a cursor of its own.
//!
//! A cursor is a row, and it is written in the commit of what the follower did with the events up to it. So nothing is done
//! twice and nothing is left out, wherever a process ends. Several processes share a follower: whoever claims its cursor
//! works, and the write that moves the cursor ends the claim. If a process ends in between, the others wait for the lease.

mod event_counts;

use std::sync::Arc;
use std::time::Duration;

use annals_store::{CommandError, PlatformCommit, TypedRows as _, follow, key};

use crate::transaction::Transaction;
use crate::{Error, Service};

use event_counts::EventCounter;

/// About how many events a follower takes in one commit.
const EVENTS_AT_ONCE: usize = 10_000;
/// How long a process has for that before another one tries.
const LEASE: Duration = Duration::from_secs(10);
/// How long a follower waits for more events before it takes them. Each round is a commit, which others have to share.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a follower waits after a failure.
const RETRY: Duration = Duration::from_secs(2);

/// What does something with every event, once.
trait Follower: Send + Sync + Copy + 'static {
    /// Names its cursor in the store. It never changes, or the follower begins again from the first event.
    const NAME: &'static str;

    /// Takes these commits in, which follow those that it took before. What it writes and the cursor are one commit.
    fn take(self, transaction: &mut Transaction<'_>, commits: &[PlatformCommit]) -> Result<(), CommandError>;
}

impl Service {
    /// Follows the platform timeline until it is dropped.
    pub(crate) async fn follow(&self) {
        self.keep_following(EventCounter).await;
    }

    /// Has every follower take what is recorded by now, unless another process is at it.
    pub async fn catch_up(&self) -> Result<(), Error> {
        self.advance(EventCounter).await
    }

    async fn keep_following<F: Follower>(&self, follower: F) {
        // What was recorded while nobody followed is taken at once.
        let mut taken = self.advance(follower).await;
        loop {
            if let Err(error) = taken {
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

    /// Takes all that is there, as long as no other process is at it.
    async fn advance<F: Follower>(&self, follower: F) -> Result<(), Error> {
        if self.cursor(F::NAME).await?.is_none() {
            self.begin::<F>().await?;
        }
        loop {
            let claimed = self.store().claim(key::Cursor::only(F::NAME), 1, LEASE).await?;
            let Some((key, cursor)) = claimed.into_iter().next() else { return Ok(()) };
            let commits = self.store().platform(cursor, EVENTS_AT_ONCE).await?;
            let taken: usize = commits.iter().map(|commit| commit.events.len()).sum();
            self.commit(move |transaction| {
                // The lease may have ended, and another process may have done this.
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

    /// Puts a cursor before the first event, unless there is one.
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
