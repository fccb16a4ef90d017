//! Reading a timeline forward: exports, and those who follow it.

use std::time::Duration;

use annals_model::Filter;
use annals_store::TimelineId;
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::visibility::Reader;
use crate::{Error, Service};

/// The most events and, unless one event is longer, about the most bytes of one step.
const EVENTS_AT_ONCE: u64 = 256;
const STEP_BYTES: usize = 256 << 10;

/// A reader of a timeline that goes from older to newer events.
#[derive(Debug)]
pub struct Forward {
    timeline: TimelineId,
    /// The position of the last event that was read, or left out since it does not match.
    after: u64,
    changed: watch::Receiver<()>,
}

impl Service {
    /// Reads a timeline forward, from the event after this position on.
    pub fn forward(&self, timeline: TimelineId, after: u64) -> Forward {
        // Subscribed before the first read, so that an event recorded meanwhile is noticed.
        let changed = self.inner().arrivals.of(self.store(), timeline);
        Forward { timeline, after, changed }
    }

    /// Returns the next events up to a position that match a filter, oldest first, each with its position and without what is
    /// hidden from its reader. Takes one step of bounded size; [`Forward::position`] says how far it got.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn step(
        &self,
        reader: Reader,
        forward: &mut Forward,
        filter: &Filter,
        last: u64,
    ) -> Result<Vec<(u64, Bytes)>, Error> {
        let first = forward.after + 1;
        let mut last = last.min(forward.after + EVENTS_AT_ONCE);
        let stored = loop {
            let mut events = self.store().read(forward.timeline, first..=last, STEP_BYTES).await?;
            // A read that reaches its limit has the newest ones. The oldest ones are wanted here.
            if events.is_empty() || events.len() as u64 == last + 1 - first {
                events.reverse();
                break events;
            }
            last = first + (last - first) / 2;
        };
        forward.after += stored.len() as u64;
        let seen = self.as_seen(reader, stored.clone()).await?;
        let all = (first..).zip(stored.into_iter().zip(seen));
        let matching = all.filter(|(_, (stored, seen))| filter.matches(stored, seen));
        Ok(matching.map(|(position, (_, seen))| (position, seen)).collect())
    }

    /// Waits until the timeline has events after those that were read, at most so long. Returns its last position.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn wait_for_more(&self, forward: &mut Forward, at_most: Duration) -> Result<u64, Error> {
        forward.changed.borrow_and_update();
        let mut length = self.head(forward.timeline).await?.length;
        if length <= forward.after {
            // Whether it was woken or not, it looks: a notification can be lost.
            _ = timeout(at_most, forward.changed.changed()).await;
            length = self.head(forward.timeline).await?.length;
        }
        Ok(length)
    }
}

impl Forward {
    /// Returns the position of the last event that was read or left out.
    pub fn position(&self) -> u64 {
        self.after
    }
}
