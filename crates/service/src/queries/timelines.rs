//! Queries of timelines. Fields that the reader may not see are hidden.

use std::ops::RangeInclusive;

use annals_model::filter::Created;
use annals_model::{AppId, Event, EventId, Filter, Rejection, Time, UserId, event};
use annals_store::{Head, TimelineId};
use bytes::Bytes;

use super::page::Page;
use super::spans::Segment;
use crate::credentials::Credential;
use crate::visibility::{Reader, Visibility};
use crate::{Error, Service};

/// The size of the cache of pages.
pub(crate) const PAGES_BYTES_MAX: u64 = 64 << 20;
/// The estimated number of cached pages.
pub(crate) const PAGES_ESTIMATE: usize = 8_000;
/// The length of the longest page that is read at once and cached. A longer page is read in parts, so that memory is bounded.
const PAGE_BYTES_MAX: usize = 256 << 10;

/// The events of a timeline since a time, or at some positions, that are still to be read.
#[derive(Debug, Clone)]
pub struct Span {
    since: Time,
    filter: Filter,
    /// Oldest first.
    left: Vec<Segment>,
}

impl Span {
    /// Returns the span of the events at these positions.
    pub fn of(positions: RangeInclusive<u64>) -> Self {
        let is_empty = positions.is_empty() || *positions.end() == 0;
        let left = if is_empty { Vec::new() } else { vec![Segment { positions, is_whole: true }] };
        Self { since: Time::EPOCH, filter: Filter::EVERYTHING, left }
    }

    /// Leaves out the events that do not match a filter.
    #[must_use]
    pub fn matching(self, filter: Filter) -> Self {
        Self { filter, ..self }
    }

    /// Returns the number of positions that are left to be read.
    pub fn positions(&self) -> u64 {
        self.left.iter().map(|Segment { positions, .. }| positions.end() - positions.start() + 1).sum()
    }

    /// Returns whether nothing is left to be read. What is left may turn out to be earlier than the span.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }
}

impl Service {
    /// Returns a user's timeline, and the caller as its reader: the user, the operator or an auditor.
    ///
    /// # Errors
    ///
    /// Fails with "not found" for any other caller, and if there is no such user. Fails if the store cannot be read.
    pub async fn user_timeline(
        &self,
        credential: &Credential,
        user: UserId,
    ) -> Result<(TimelineId, Reader), Error> {
        let reader = match credential {
            Credential::User(caller) if caller.id() == user => Reader::Own(user),
            Credential::User(_) => return Err(Rejection::NotFound("user").into()),
            Credential::Operator | Credential::Auditor => self.platform_reader(credential)?,
        };
        match self.account(user).await? {
            Some(_) => Ok((TimelineId::User(user), reader)),
            None => Err(Rejection::NotFound("user").into()),
        }
    }

    /// Returns the end of a timeline.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn head(&self, timeline: TimelineId) -> Result<Head, Error> {
        Ok(self.store().head(timeline).await?)
    }

    /// Returns where a timeline with this head has its events at or after `since`, whatever order they came in.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn since(&self, timeline: TimelineId, head: Head, since: Time) -> Result<Span, Error> {
        Ok(Span {
            since,
            filter: Filter::EVERYTHING,
            left: self.segments_since(timeline, head, since).await?,
        })
    }

    /// Returns an event of an app as recorded, with all fields. It must not be shown to callers without hiding fields.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn recorded_event(&self, app: AppId, event: EventId) -> Result<Option<Event>, Error> {
        let stored = self.store().find(TimelineId::App(app), event).await?;
        Ok(stored.and_then(|json| Event::from_json(&json)))
    }

    /// Returns the position of an event in a timeline with this head. `None` if it is not there; also for an event of an app on a
    /// user's timeline, if it was reported with an identifier that does not say when it happened.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn position_of(
        &self,
        timeline: TimelineId,
        head: Head,
        id: EventId,
    ) -> Result<Option<u64>, Error> {
        let stored = self.store().find(timeline, id).await?;
        let time = stored.and_then(|json| event::created_at_in(&json)).unwrap_or(id.time());
        for Segment { positions, .. } in self.segments_within(timeline, head, Created::at(time)).await? {
            let (first, mut last) = positions.into_inner();
            while first <= last {
                let events = self.store().read(timeline, first..=last, PAGE_BYTES_MAX).await?;
                if let Some(index) = events.iter().position(|json| event::id_in(json) == Some(id)) {
                    return Ok(Some(last - index as u64));
                }
                if events.is_empty() {
                    break;
                }
                last -= events.len() as u64;
            }
        }
        Ok(None)
    }

    /// Returns an event by its identifier. `home` must be the event's home: the timeline of its app, or of its user if it has no
    /// app.
    ///
    /// # Errors
    ///
    /// Fails if there is no such event in the timeline, or if the store cannot be read.
    pub async fn event(&self, reader: Reader, home: TimelineId, event: EventId) -> Result<Bytes, Error> {
        let stored = self.store().find(home, event).await?.ok_or(Rejection::NotFound("event"))?;
        let seen = self.as_seen(reader, vec![stored]).await?;
        Ok(seen.into_iter().next().unwrap_or_default())
    }

    /// Returns the next events of a span, newest first: about as many as `bytes_max` holds. None are left if there are none.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn next_events(
        &self,
        reader: Reader,
        timeline: TimelineId,
        span: &mut Span,
        bytes_max: usize,
    ) -> Result<Vec<Bytes>, Error> {
        while let Some(Segment { positions, is_whole }) = span.left.pop() {
            let mut events = self.store().read(timeline, positions.clone(), bytes_max).await?;
            let rest = *positions.start()..=positions.end() - events.len() as u64;
            if !events.is_empty() && !rest.is_empty() {
                span.left.push(Segment { positions: rest, is_whole });
            }
            if !is_whole {
                events.retain(|json| event::created_at_in(json).is_some_and(|time| time >= span.since));
            }
            let seen = self.matching(reader, events, &span.filter).await?;
            if !seen.is_empty() {
                return Ok(seen);
            }
        }
        Ok(Vec::new())
    }

    /// Returns the events at the given positions, newest first and joined by commas. `None` if the page is so long that it has
    /// to be read in parts, with [`Service::next_events`].
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn page(
        &self,
        reader: Reader,
        timeline: TimelineId,
        positions: &RangeInclusive<u64>,
    ) -> Result<Option<Bytes>, Error> {
        if positions.is_empty() {
            return Ok(Some(Bytes::new()));
        }
        let key = (timeline, *positions.start(), *positions.end());
        let page = match self.inner().pages.get(&key) {
            Some(page) => page,
            None => {
                let events = self.store().read(timeline, positions.clone(), PAGE_BYTES_MAX).await?;
                if events.len() as u64 != positions.end() - positions.start() + 1 {
                    return Ok(None);
                }
                let page = Page::of(&events);
                self.inner().pages.insert(key, page.clone());
                page
            }
        };
        if reader == Reader::Seeing(Visibility::ALL) {
            return Ok(Some(page.whole()));
        }
        let visible = self.visible(reader, page.owners()).await?;
        Ok(Some(page.seen(|owner| visible.of(owner))))
    }
}
