//! Timelines, as their readers see them.

use std::ops::RangeInclusive;

use annals_model::{AppId, Event, EventId, Rejection, Time, UserId};
use annals_store::TimelineId;
use bytes::Bytes;

use super::page::Page;
use crate::credentials::Credential;
use crate::visibility::{Reader, Visibility};
use crate::{Error, Service};

/// The size of all cached pages.
pub(crate) const PAGES_BYTES_MAX: u64 = 64 << 20;
/// About how many pages these are.
pub(crate) const PAGES_ESTIMATE: usize = 8_000;
/// The longest page that is read at once. A longer one is read in parts, so that memory is bounded.
const PAGE_BYTES_MAX: usize = 256 << 10;

impl Service {
    /// A user's timeline and how the caller reads it: as the user or as the operator. Nobody else finds the user.
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

    /// How many events a timeline has.
    pub async fn timeline_length(&self, timeline: TimelineId) -> Result<u64, Error> {
        Ok(self.store().head(timeline).await?.length)
    }

    /// How many events of a timeline were before that time.
    pub async fn count_before(&self, timeline: TimelineId, time: Time) -> Result<u64, Error> {
        Ok(self.store().count_before(timeline, time).await?)
    }

    /// An event of an app as it was recorded, for the platform's own purposes: it must not be shown as it is.
    pub async fn recorded_event(&self, app: AppId, event: EventId) -> Result<Option<Event>, Error> {
        let stored = self.store().find(TimelineId::App(app), event).await?;
        Ok(stored.and_then(|json| Event::from_json(&json)))
    }

    /// The event of that identifier, if that timeline is its home.
    pub async fn event(&self, reader: Reader, home: TimelineId, event: EventId) -> Result<Bytes, Error> {
        let stored = self.store().find(home, event).await?.ok_or(Rejection::NotFound("event"))?;
        let seen = self.as_seen(reader, vec![stored]).await?;
        Ok(seen.into_iter().next().unwrap_or_default())
    }

    /// The events at these positions, newest first, from the newest on as many as have about `bytes_max` together and at
    /// least one.
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

    /// The events at these positions, newest first and joined by commas; `None` where they are so long that they are to be
    /// read in parts.
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
        let visible = self.what_is_visible(reader, page.apps()).await?;
        Ok(Some(page.seen(|app| visible.of(app))))
    }
}
