//! Queries of timelines. Fields that the reader may not see are hidden.

use std::ops::RangeInclusive;

use annals_model::{AppId, Event, EventId, Rejection, Time, UserId};
use annals_store::TimelineId;
use bytes::Bytes;

use super::page::Page;
use crate::credentials::Credential;
use crate::visibility::{Reader, Visibility};
use crate::{Error, Service};

/// The size of the cache of pages.
pub(crate) const PAGES_BYTES_MAX: u64 = 64 << 20;
/// The estimated number of cached pages.
pub(crate) const PAGES_ESTIMATE: usize = 8_000;
/// The length of the longest page that is read at once and cached. A longer page is read in parts, so that memory is bounded.
const PAGE_BYTES_MAX: usize = 256 << 10;

impl Service {
    /// Returns a user's timeline, and the caller as its reader: the user or the operator.
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
            Credential::Operator => Reader::Seeing(Visibility::ALL),
            Credential::User(caller) if caller.id() == user => Reader::Own(user),
            Credential::User(_) => return Err(Rejection::NotFound("user").into()),
        };
        match self.account(user).await? {
            Some(_) => Ok((TimelineId::User(user), reader)),
            None => Err(Rejection::NotFound("user").into()),
        }
    }

    /// Returns the number of events in a timeline.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn timeline_length(&self, timeline: TimelineId) -> Result<u64, Error> {
        Ok(self.store().head(timeline).await?.length)
    }

    /// Returns the number of events in a timeline before a time.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn count_before(&self, timeline: TimelineId, time: Time) -> Result<u64, Error> {
        Ok(self.store().count_before(timeline, time).await?)
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

    /// Returns the events at the given positions, newest first: about as many as `bytes_max` holds, and at least one.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn events(
        &self,
        reader: Reader,
        timeline: TimelineId,
        positions: RangeInclusive<u64>,
        bytes_max: usize,
    ) -> Result<Vec<Bytes>, Error> {
        let events = self.store().read(timeline, positions, bytes_max).await?;
        self.as_seen(reader, events).await
    }

    /// Returns the events at the given positions, newest first and joined by commas. `None` if the page is so long that it has
    /// to be read in parts, with [`Service::events`].
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
        let visible = self.visibility_by_app(reader, page.apps()).await?;
        Ok(Some(page.seen(|app| visible.of(app))))
    }
}
