//! Searching a timeline: exact totals and pages of the events that match a filter.

use std::ops::{Range, RangeInclusive};

use annals_model::Filter;
use annals_store::{Head, TimelineId};
use bytes::Bytes;

use super::spans::Segment;
use crate::visibility::Reader;
use crate::{Error, Service};

/// How many timelines are searched at once. Further searches wait, so that they leave the processors to other requests.
pub(crate) const SEARCHES_MAX: usize = 2;
/// About how many bytes of events are read at once.
const READ_BYTES: usize = 256 << 10;

/// The events that match a filter, counted by the reads that found them.
#[derive(Debug, Default)]
pub struct Found {
    /// The positions of each read that found something, and how many it found; newest first.
    reads: Vec<(RangeInclusive<u64>, u64)>,
    /// How many events match.
    pub total_count: u64,
}

impl Found {
    pub(super) fn add(&mut self, positions: RangeInclusive<u64>, count: u64) {
        if count > 0 {
            self.total_count += count;
            self.reads.push((positions, count));
        }
    }

    /// Returns the reads that found some of the events with these numbers: the positions of each, and the numbers of all events
    /// that it found.
    pub(super) fn reads_with(
        &self,
        numbers: &Range<u64>,
    ) -> impl Iterator<Item = (RangeInclusive<u64>, Range<u64>)> {
        let mut counted = 0;
        let numbered = self.reads.iter().map(move |(positions, count)| {
            let these = counted..counted + count;
            counted = these.end;
            (positions.clone(), these)
        });
        numbered.filter(move |(_, these)| these.end > numbers.start && these.start < numbers.end)
    }
}

impl Service {
    /// Finds the events of a timeline with this head that match a filter, as their reader may see them.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn search(
        &self,
        reader: Reader,
        timeline: TimelineId,
        head: Head,
        filter: &Filter,
    ) -> Result<Found, Error> {
        let _permit = self.inner().searches.acquire().await.expect("the semaphore is never closed");
        let mut found = Found::default();
        let mut left = self.segments_within(timeline, head, filter.span()).await?;
        while let Some(Segment { positions, is_whole }) = left.pop() {
            let (read, matching) = self.read_matching(reader, timeline, positions.clone(), filter).await?;
            let Some(first) = read else { continue };
            found.add(first..=*positions.end(), matching.len() as u64);
            if first > *positions.start() {
                left.push(Segment { positions: *positions.start()..=first - 1, is_whole });
            }
            // A search takes many reads. Other requests of this thread get their turn between them.
            tokio::task::yield_now().await;
        }
        Ok(found)
    }

    /// Returns some of the events that were found: those with these numbers in the list of all of them, newest first, from 0 on.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn found_events(
        &self,
        reader: Reader,
        timeline: TimelineId,
        filter: &Filter,
        found: &Found,
        numbers: Range<u64>,
    ) -> Result<Vec<Bytes>, Error> {
        let mut events = Vec::new();
        for (mut positions, these) in found.reads_with(&numbers) {
            let mut next = these.start;
            while !positions.is_empty() && next < these.end {
                let (read, matching) =
                    self.read_matching(reader, timeline, positions.clone(), filter).await?;
                let Some(first) = read else { break };
                for event in matching {
                    if numbers.contains(&next) {
                        events.push(event);
                    }
                    next += 1;
                }
                positions = *positions.start()..=first - 1;
            }
        }
        Ok(events)
    }

    /// Reads the newest of these positions. Returns the first position that was read, and the events that match, newest first.
    async fn read_matching(
        &self,
        reader: Reader,
        timeline: TimelineId,
        positions: RangeInclusive<u64>,
        filter: &Filter,
    ) -> Result<(Option<u64>, Vec<Bytes>), Error> {
        let stored = self.store().read(timeline, positions.clone(), READ_BYTES).await?;
        if stored.is_empty() {
            return Ok((None, Vec::new()));
        }
        let first = positions.end() + 1 - stored.len() as u64;
        Ok((Some(first), self.matching(reader, stored, filter).await?))
    }

    /// Returns the events that match a filter, without the fields that are hidden from their reader.
    pub(crate) async fn matching(
        &self,
        reader: Reader,
        stored: Vec<Bytes>,
        filter: &Filter,
    ) -> Result<Vec<Bytes>, Error> {
        if filter.is_everything() {
            return self.as_seen(reader, stored).await;
        }
        let seen = self.as_seen(reader, stored.clone()).await?;
        let pairs = stored.into_iter().zip(seen);
        Ok(pairs.filter(|(stored, seen)| filter.matches(stored, seen)).map(|(_, seen)| seen).collect())
    }
}
