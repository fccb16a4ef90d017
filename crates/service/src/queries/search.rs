//! Searching a timeline: exact totals and pages of the events that match a filter.
//!
//! Where summaries decide, events are counted without being read (`summaries`). The others are read and asked.

use std::ops::{Range, RangeInclusive};

use annals_model::Filter;
use annals_model::filter::summary::LEAF_EVENTS;
use annals_store::{Head, TimelineId};
use bytes::Bytes;
use tokio::sync::SemaphorePermit;

use super::spans::Segment;
use super::summaries::Node;
use crate::visibility::Reader;
use crate::{Error, Service};

/// How many searches read many events at once. Further ones wait, so that they leave the processors to other requests.
pub(crate) const SEARCHES_MAX: usize = 2;
/// How many events a search reads before it is one of those.
const FEW_EVENTS: u64 = 16 * LEAF_EVENTS;
/// How far apart positions may be that are read at once. Reading so many events takes no longer than another read.
const GAP_MAX: u64 = 16;
/// About how many bytes of events are read at once.
const READ_BYTES: usize = 256 << 10;

/// The events that match a filter, counted part by part.
#[derive(Debug, Default)]
pub struct Found {
    /// The positions of each part that has some of them, and how many it has; newest first.
    parts: Vec<(RangeInclusive<u64>, u64)>,
    /// How many events match.
    pub total_count: u64,
}

impl Found {
    pub(super) fn add(&mut self, positions: RangeInclusive<u64>, count: u64) {
        if count > 0 {
            self.total_count += count;
            self.parts.push((positions, count));
        }
    }

    /// Returns the parts that have some of the events with these numbers: the positions of each, and the numbers of all events
    /// that it has.
    pub(super) fn parts_with(
        &self,
        numbers: &Range<u64>,
    ) -> impl DoubleEndedIterator<Item = (RangeInclusive<u64>, Range<u64>)> {
        let mut counted = 0;
        let numbered = self.parts.iter().map(move |(positions, count)| {
            let these = counted..counted + count;
            counted = these.end;
            (positions.clone(), these)
        });
        let wanted: Vec<_> =
            numbered.filter(|(_, these)| these.end > numbers.start && these.start < numbers.end).collect();
        wanted.into_iter()
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
        self.search_from(reader, timeline, head, filter, 1).await
    }

    /// Does the same for the events from a position on.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn search_from(
        &self,
        reader: Reader,
        timeline: TimelineId,
        head: Head,
        filter: &Filter,
        first: u64,
    ) -> Result<Found, Error> {
        let mut search = Search::new(self, reader, timeline, head.length, filter).await?;
        let mut found = Found::default();
        for Segment { positions, .. } in
            self.segments_within(timeline, head, filter.span()).await?.into_iter().rev()
        {
            let positions = first.max(*positions.start())..=*positions.end();
            search.count(positions, u32::MAX, &mut found).await?;
        }
        if search.has_index && head.length / LEAF_EVENTS > search.leaves {
            self.summarize_soon(timeline);
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
        head: Head,
        filter: &Filter,
        found: &Found,
        numbers: Range<u64>,
    ) -> Result<Vec<Bytes>, Error> {
        let mut search = Search::new(self, reader, timeline, head.length, filter).await?;
        let mut events = Vec::new();
        let mut left: Vec<_> = found.parts_with(&numbers).rev().collect();
        while let Some((positions, these)) = left.pop() {
            // A summary of many events only says how many match. Those it joins say more exactly where.
            if let Some(node) = Node::with(&positions).filter(|node| node.level > 0 && search.has_index) {
                let mut inner = Found::default();
                search.count(positions, node.level - 1, &mut inner).await?;
                let within = numbers.start.saturating_sub(these.start)..numbers.end - these.start;
                let parts = inner.parts_with(&within);
                left.extend(
                    parts.rev().map(|(positions, part)| {
                        (positions, part.start + these.start..part.end + these.start)
                    }),
                );
                continue;
            }
            let mut next = these.start;
            let mut end = *positions.end();
            while end >= *positions.start() && next < these.end.min(numbers.end) {
                let skipped = numbers.start.saturating_sub(next);
                let wanted = skipped..numbers.end - next;
                let read = search.matching(*positions.start()..=end, wanted).await?;
                next += read.skipped;
                for event in read.events {
                    if numbers.contains(&next) {
                        events.push(event);
                    }
                    next += 1;
                }
                end = read.first - 1;
            }
        }
        Ok(events)
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

/// What a search has found at some positions.
struct Matching {
    /// The first position that was looked at.
    first: u64,
    /// How many of the newest events that match were skipped.
    skipped: u64,
    /// Those that follow, newest first.
    events: Vec<Bytes>,
}

/// All events that match are wanted.
const ALL: Range<u64> = 0..u64::MAX;

/// A search of one timeline.
struct Search<'a> {
    service: &'a Service,
    reader: Reader,
    timeline: TimelineId,
    length: u64,
    filter: &'a Filter,
    /// Whether summaries can decide anything.
    has_index: bool,
    /// How many leaves are stored.
    leaves: u64,
    events_read: u64,
    permit: Option<SemaphorePermit<'a>>,
}

impl<'a> Search<'a> {
    async fn new(
        service: &'a Service,
        reader: Reader,
        timeline: TimelineId,
        length: u64,
        filter: &'a Filter,
    ) -> Result<Self, Error> {
        let has_index = filter.asks_for_kinds();
        let leaves = if has_index { service.stored_leaves(timeline).await? } else { 0 };
        Ok(Self {
            service,
            reader,
            timeline,
            length,
            filter,
            has_index,
            leaves,
            events_read: 0,
            permit: None,
        })
    }

    /// Counts the events at these positions that match, newest first, by summaries of this level at most.
    async fn count(
        &mut self,
        positions: RangeInclusive<u64>,
        level_max: u32,
        found: &mut Found,
    ) -> Result<(), Error> {
        let (first, mut end) = positions.into_inner();
        while end >= first {
            let node = Node::highest(first, end, self.leaves).filter(|_| self.has_index);
            let start = match node {
                Some(node) => {
                    self.count_below(node, level_max, found).await?;
                    *node.positions().start()
                }
                None => {
                    let (start, count) = self.count_newest(first..=end).await?;
                    found.add(start..=end, count);
                    start
                }
            };
            end = start - 1;
        }
        Ok(())
    }

    /// Counts the matching events of a node, by the highest summaries below it that decide.
    async fn count_below(&mut self, node: Node, level_max: u32, found: &mut Found) -> Result<(), Error> {
        let mut left = vec![node];
        while let Some(node) = left.pop() {
            let decided = match node.level <= level_max {
                true => self.service.stored_summary(self.timeline, node).await?.count(self.filter),
                false => None,
            };
            match decided {
                Some(count) => found.add(node.positions(), count),
                None if node.level > 0 => left.extend(node.children()),
                None => {
                    let mut end = *node.positions().end();
                    while end >= *node.positions().start() {
                        let (start, count) = self.count_newest(*node.positions().start()..=end).await?;
                        found.add(start..=end, count);
                        end = start - 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// Counts the events that match among the newest of these positions. Returns the first position that this is, too.
    async fn count_newest(&mut self, positions: RangeInclusive<u64>) -> Result<(u64, u64), Error> {
        if !self.has_index {
            let read = self.matching(positions, ALL).await?;
            return Ok((read.first, read.events.len() as u64));
        }
        let (first, asked) = self.asked(positions).await?;
        let (certain, uncertain): (Vec<_>, Vec<_>) =
            asked.into_iter().partition(|(_, is_certain)| *is_certain);
        let mut count = certain.len() as u64;
        // Those that certainly match lie between, and must not be counted again.
        for run in runs(&uncertain, 1) {
            count += self.matching_run(run, u64::MAX).await?.1.len() as u64;
        }
        Ok((first, count))
    }

    /// Returns the events that match among the newest of these positions. Of those, the ones with these numbers are wanted, newest
    /// first, from 0 on: the ones before may be skipped, and the ones after are not looked for.
    async fn matching(
        &mut self,
        positions: RangeInclusive<u64>,
        wanted: Range<u64>,
    ) -> Result<Matching, Error> {
        if !self.has_index {
            let (first, stored) = self.read(positions).await?;
            let events = self.service.matching(self.reader, stored, self.filter).await?;
            return Ok(Matching { first, skipped: 0, events });
        }
        let (first, asked) = self.asked(positions).await?;
        let certain = asked.iter().take_while(|(_, is_certain)| *is_certain).count();
        let skipped = wanted.start.min(certain as u64);
        let mut events = Vec::new();
        for run in runs(&asked[skipped as usize..], GAP_MAX) {
            let left = wanted.end - skipped - events.len() as u64;
            let (next, matching) = self.matching_run(run, left).await?;
            events.extend(matching);
            if let Some(next) = next {
                return Ok(Matching { first: next, skipped, events });
            }
        }
        Ok(Matching { first, skipped, events })
    }

    /// Returns those of the newest positions that are in one leaf: the first of them, and those whose events match or may match,
    /// newest first, with whether that is certain.
    async fn asked(&mut self, positions: RangeInclusive<u64>) -> Result<(u64, Vec<(u64, bool)>), Error> {
        let (first, last) = positions.into_inner();
        let leaf = Node::leaf_of(last);
        let first = first.max(*leaf.positions().start());
        if leaf.number >= self.leaves {
            self.note_read(last + 1 - first).await;
        }
        let summary = self.service.leaf(self.timeline, leaf, self.leaves, self.length).await?;
        let verdicts = leaf.positions().zip(summary.verdicts(self.filter));
        let asked = verdicts
            .filter(|(position, verdict)| (first..=last).contains(position) && *verdict != Some(false));
        let mut asked: Vec<_> = asked.map(|(position, verdict)| (position, verdict == Some(true))).collect();
        asked.reverse();
        Ok((first, asked))
    }

    /// Reads events at these positions, newest first, until so many match. What lies between is read too, and does not match.
    /// Returns the first position that was read, if older ones are left.
    async fn matching_run(
        &mut self,
        mut asked: &[(u64, bool)],
        wanted: u64,
    ) -> Result<(Option<u64>, Vec<Bytes>), Error> {
        let mut events = Vec::new();
        while let Some(((newest, _), (oldest, _))) = asked.first().zip(asked.last()) {
            let left = wanted - events.len() as u64;
            if left == 0 {
                return Ok((Some(newest + 1), events));
            }
            // The last of as many as are wanted, if all match.
            let oldest = asked
                .get(usize::try_from(left).unwrap_or(usize::MAX) - 1)
                .map_or(*oldest, |(position, _)| *position);
            let (first, stored) = self.read(oldest..=*newest).await?;
            events.extend(self.service.matching(self.reader, stored, self.filter).await?);
            asked = &asked[asked.partition_point(|(position, _)| *position >= first)..];
        }
        Ok((None, events))
    }

    /// Reads the newest of these positions. Returns the first position that was read, and the events, newest first.
    async fn read(&mut self, positions: RangeInclusive<u64>) -> Result<(u64, Vec<Bytes>), Error> {
        let stored = self.service.store().read(self.timeline, positions.clone(), READ_BYTES).await?;
        self.note_read(stored.len() as u64).await;
        // Positions that are not there would be read for ever.
        let first =
            if stored.is_empty() { *positions.start() } else { positions.end() + 1 - stored.len() as u64 };
        Ok((first, stored))
    }

    /// Waits for its turn if it has read more than a few events.
    async fn note_read(&mut self, events: u64) {
        self.events_read += events;
        if self.events_read > FEW_EVENTS && self.permit.is_none() {
            let permit = self.service.inner().searches.acquire().await;
            self.permit = Some(permit.expect("the semaphore is never closed"));
        }
        // A search may take many reads. Other requests of this thread get their turn between them.
        tokio::task::yield_now().await;
    }
}

/// Divides positions, newest first, where one is further from the next than this.
fn runs(positions: &[(u64, bool)], gap_max: u64) -> impl Iterator<Item = &[(u64, bool)]> {
    positions.chunk_by(move |(later, _), (earlier, _)| later - earlier <= gap_max)
}
