//! The platform timeline: the events of all timelines, in the order of their recording.
//!
//! It names events by the positions in their homes, and has their types and about their times. So a filter by type, category or
//! time is counted without reading most events; see [`Filter::verdict`].

use std::ops::{Range, RangeInclusive};

use annals_model::filter::Kind;
use annals_model::{Filter, Time, catalogue};
use annals_store::TimelineId;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::search::Found;
use crate::credentials::Credential;
use crate::visibility::{Reader, Visibility};
use crate::{Error, Service};

/// How many positions are listed at once.
const LISTED_AT_ONCE: u64 = 4096;
/// How many events are read at once, and with how many reads at the same time.
const EVENTS_AT_ONCE: usize = 128;
const READS_AT_ONCE: usize = 8;
/// About how many bytes of one home are read at once.
const READ_BYTES: usize = 256 << 10;

/// An event of a timeline, as its reader may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positioned {
    /// Its position in the timeline that is read.
    pub position: u64,
    /// When it was recorded; `None` unless the platform timeline is read.
    pub recorded_at: Option<Time>,
    /// The event as JSON.
    pub event: Bytes,
}

/// An event on the platform timeline that matches a filter, or may match.
struct Listed {
    position: u64,
    recorded_at: Time,
    home: TimelineId,
    position_at_home: u64,
    /// Whether it certainly matches.
    is_certain: bool,
}

impl Service {
    /// Returns the caller as a reader of the platform timeline: the operator, or an auditor.
    ///
    /// # Errors
    ///
    /// Fails for a user.
    pub fn platform_reader(&self, credential: &Credential) -> Result<Reader, Error> {
        match credential {
            Credential::Operator => Ok(Reader::Seeing(Visibility::ALL)),
            Credential::Auditor => Ok(Reader::Seeing(Visibility::AUDITOR)),
            Credential::User(_) => Err(Error::NeedsAuditor),
        }
    }

    /// Returns the number of events on the platform timeline.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn platform_length(&self) -> Result<u64, Error> {
        Ok(self.store().platform_length().await?)
    }

    /// Finds the events of the platform timeline up to a position that match a filter, as their reader may see them.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn search_platform(&self, reader: Reader, last: u64, filter: &Filter) -> Result<Found, Error> {
        let _permit = self.inner().searches.acquire().await.expect("the semaphore is never closed");
        let mut found = Found::default();
        let mut end = last;
        while end > 0 {
            let positions = end.saturating_sub(LISTED_AT_ONCE) + 1..=end;
            end = positions.start() - 1;
            let listed = self.listed(positions.clone(), filter).await?;
            let (certain, uncertain): (Vec<_>, Vec<_>) =
                listed.into_iter().partition(|listed| listed.is_certain);
            let mut count = certain.len();
            for some in uncertain.chunks(EVENTS_AT_ONCE) {
                count += self.read_listed(reader, some, filter).await?.len();
            }
            found.add(positions, count as u64);
            tokio::task::yield_now().await;
        }
        Ok(found)
    }

    /// Returns some of the events that were found: those with these numbers in the list of all of them, newest first, from 0 on.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn found_on_platform(
        &self,
        reader: Reader,
        filter: &Filter,
        found: &Found,
        numbers: Range<u64>,
    ) -> Result<Vec<Positioned>, Error> {
        let mut events = Vec::new();
        for (positions, these) in found.parts_with(&numbers) {
            let mut next = these.start;
            let listed = self.listed(positions, filter).await?;
            for some in listed.rchunks(EVENTS_AT_ONCE) {
                if next >= numbers.end {
                    break;
                }
                for event in self.read_listed(reader, some, filter).await?.into_iter().rev() {
                    if numbers.contains(&next) {
                        events.push(event);
                    }
                    next += 1;
                }
            }
        }
        Ok(events)
    }

    /// Returns the events at these positions of the platform timeline, newest first.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn platform_page(
        &self,
        reader: Reader,
        positions: RangeInclusive<u64>,
    ) -> Result<Vec<Positioned>, Error> {
        let listed = self.listed(positions, &Filter::EVERYTHING).await?;
        let mut events = self.read_listed(reader, &listed, &Filter::EVERYTHING).await?;
        events.reverse();
        Ok(events)
    }

    /// Returns the next events of the platform timeline after a position that match a filter, oldest first, and how far it got.
    pub(super) async fn platform_step(
        &self,
        reader: Reader,
        after: u64,
        last: u64,
        filter: &Filter,
    ) -> Result<(Vec<Positioned>, u64), Error> {
        let positions = after + 1..=last.min(after + LISTED_AT_ONCE);
        let mut reached = *positions.end();
        let mut listed = self.listed(positions, filter).await?;
        if let Some(beyond) = listed.get(EVENTS_AT_ONCE) {
            reached = beyond.position - 1;
            listed.truncate(EVENTS_AT_ONCE);
        }
        Ok((self.read_listed(reader, &listed, filter).await?, reached))
    }

    /// Lists the events at these positions that may match a filter, oldest first.
    async fn listed(&self, positions: RangeInclusive<u64>, filter: &Filter) -> Result<Vec<Listed>, Error> {
        if positions.is_empty() {
            return Ok(Vec::new());
        }
        let count = positions.end() - positions.start() + 1;
        let commits = self.store().platform(positions.start() - 1, count as usize).await?;
        let mut listed = Vec::new();
        for commit in &commits {
            let times = commit.earliest..=commit.latest;
            let verdicts: Vec<_> = commit
                .types
                .iter()
                .map(|name| {
                    let kind = Kind { event_type: catalogue::find(name), ..Kind::default() };
                    filter.verdict(kind, &times)
                })
                .collect();
            let events = (commit.first..=*positions.end()).zip(&commit.events);
            listed.extend(events.filter_map(|(position, event)| {
                let verdict = verdicts[usize::from(event.event_type)];
                (verdict != Some(false)).then_some(Listed {
                    position,
                    recorded_at: commit.recorded_at,
                    home: event.timeline,
                    position_at_home: event.position,
                    is_certain: verdict == Some(true),
                })
            }));
        }
        Ok(listed)
    }

    /// Reads listed events, and returns those that match, in the order of the list.
    async fn read_listed(
        &self,
        reader: Reader,
        listed: &[Listed],
        filter: &Filter,
    ) -> Result<Vec<Positioned>, Error> {
        let mut order: Vec<_> = (0..listed.len()).collect();
        order.sort_by_key(|&index| (listed[index].home, listed[index].position_at_home));
        // Events that are together in their home are read together.
        let runs = order.chunk_by(|&one, &next| {
            let (one, next) = (&listed[one], &listed[next]);
            one.home == next.home && one.position_at_home + 1 == next.position_at_home
        });
        let runs: Vec<_> = runs.map(<[usize]>::to_vec).collect();
        let reads = stream::iter(runs).map(async |run: Vec<usize>| {
            let (first, last) = (&listed[run[0]], &listed[run[run.len() - 1]]);
            let positions = first.position_at_home..=last.position_at_home;
            let stored = self.read_all(first.home, positions).await?;
            Ok::<_, Error>(run.into_iter().zip(stored).collect::<Vec<_>>())
        });
        let read: Vec<Vec<(usize, Bytes)>> = reads.buffer_unordered(READS_AT_ONCE).try_collect().await?;
        let mut read: Vec<_> = read.into_iter().flatten().collect();
        read.sort_by_key(|(index, _)| *index);
        let stored: Vec<_> = read.iter().map(|(_, stored)| stored.clone()).collect();
        let seen = self.as_seen(reader, stored).await?;
        let matching = read.into_iter().zip(seen).filter(|((_, stored), seen)| filter.matches(stored, seen));
        Ok(matching
            .map(|((index, _), event)| {
                let Listed { position, recorded_at, .. } = listed[index];
                Positioned { position, recorded_at: Some(recorded_at), event }
            })
            .collect())
    }

    /// Reads all events of a home at these positions, oldest first.
    async fn read_all(&self, home: TimelineId, positions: RangeInclusive<u64>) -> Result<Vec<Bytes>, Error> {
        let (start, mut end) = positions.into_inner();
        let mut events = Vec::new();
        while end >= start {
            let read = self.store().read(home, start..=end, READ_BYTES).await?;
            if read.is_empty() {
                break;
            }
            end -= read.len() as u64;
            events.extend(read);
        }
        events.reverse();
        Ok(events)
    }
}
