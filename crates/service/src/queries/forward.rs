//! Reading a timeline forward: exports, and those who follow it.

use std::time::Duration;

use annals_model::Filter;
use annals_store::TimelineId;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::platform::Positioned;
use crate::visibility::Reader;
use crate::{Error, Service};

/// The most events and, unless one event is longer, about the most bytes of one step.
const EVENTS_AT_ONCE: u64 = 256;
const STEP_BYTES: usize = 256 << 10;
/// How often it is looked whether the platform timeline has more events. Over PostgreSQL, events get their positions there some
/// time after they are announced.
const PLATFORM_POLL: Duration = Duration::from_millis(250);

/// A timeline that can be followed and exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timeline {
    /// That of an app or a user.
    Of(TimelineId),
    /// That of the whole platform.
    Platform,
}

/// A reader of a timeline that goes from older to newer events.
#[derive(Debug)]
pub struct Forward {
    timeline: Timeline,
    /// The position of the last event that was read, or left out since it does not match.
    after: u64,
    changed: watch::Receiver<()>,
}

impl Service {
    /// Reads a timeline forward, from the event after this position on.
    pub fn forward(&self, timeline: Timeline, after: u64) -> Forward {
        // Subscribed before the first read, so that an event recorded meanwhile is noticed.
        let changed = self.inner().arrivals.of(self.store(), timeline);
        Forward { timeline, after, changed }
    }

    /// Returns the number of events of a timeline.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn length(&self, timeline: Timeline) -> Result<u64, Error> {
        match timeline {
            Timeline::Of(timeline) => Ok(self.head(timeline).await?.length),
            Timeline::Platform => self.platform_length().await,
        }
    }

    /// Returns the next events up to a position that match a filter, oldest first, without what is hidden from their
    /// reader. Takes one step of bounded size; [`Forward::position`] says how far it got.
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
    ) -> Result<Vec<Positioned>, Error> {
        let timeline = match forward.timeline {
            Timeline::Of(timeline) => timeline,
            Timeline::Platform => {
                let (events, reached) = self.platform_step(reader, forward.after, last, filter).await?;
                forward.after = reached;
                return Ok(events);
            }
        };
        let first = forward.after + 1;
        let mut last = last.min(forward.after + EVENTS_AT_ONCE);
        let stored = loop {
            let mut events = self.store().read(timeline, first..=last, STEP_BYTES).await?;
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
        let positioned =
            matching.map(|(position, (_, event))| Positioned { position, recorded_at: None, event });
        Ok(positioned.collect())
    }

    /// Waits until the timeline has events after those that were read, at most so long. Returns its last position.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn wait_for_more(&self, forward: &mut Forward, at_most: Duration) -> Result<u64, Error> {
        let deadline = Instant::now() + at_most;
        loop {
            forward.changed.borrow_and_update();
            let length = self.length(forward.timeline).await?;
            if length > forward.after || Instant::now() >= deadline {
                return Ok(length);
            }
            let until = match forward.timeline {
                Timeline::Of(_) => deadline,
                Timeline::Platform => deadline.min(Instant::now() + PLATFORM_POLL),
            };
            // Whether it was woken or not, it looks: a notification can be lost.
            _ = timeout_at(until, forward.changed.changed()).await;
        }
    }
}

impl Forward {
    /// Returns the position of the last event that was read or left out.
    pub fn position(&self) -> u64 {
        self.after
    }
}
