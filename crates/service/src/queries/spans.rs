//! Spans of time: which positions of a timeline hold the events since a time, or those up to one.
//!
//! Where no event is late, a span of time is a range of positions. Late events lie elsewhere: the search by time finds
//! their blocks by the rows that the store keeps about them ([`LateBlock`]), and skips the others.

use std::ops::RangeInclusive;

use annals_model::Time;
use annals_model::filter::Created;
use annals_store::{Head, LateBlock, TimelineId, TypedRows as _, key};

use crate::{Error, Service};

/// The number of blocks that are read at once.
const BLOCKS_AT_ONCE: usize = 1_000;

/// Positions that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) positions: RangeInclusive<u64>,
    /// Whether all its events are in the span of time. Otherwise each event has to be asked.
    pub(crate) is_whole: bool,
}

impl Service {
    /// Returns where the events at or after `since` are, oldest first.
    pub(crate) async fn segments_since(
        &self,
        timeline: TimelineId,
        head: Head,
        since: Time,
    ) -> Result<Vec<Segment>, Error> {
        let first = self.store().length_before(timeline, since).await? + 1;
        let mut segments = Vec::new();
        let mut next = first;
        for (block, times) in self.late_blocks(timeline, head, first).await? {
            let positions = clip(LateBlock::positions(block), first..=head.length);
            push(&mut segments, next..=positions.start() - 1, true);
            if times.latest >= since {
                push(&mut segments, positions.clone(), times.earliest_late >= since);
            }
            next = positions.end() + 1;
        }
        push(&mut segments, next..=head.length, true);
        Ok(segments)
    }

    /// Returns where the events up to and including `until` are, oldest first.
    pub(crate) async fn segments_until(
        &self,
        timeline: TimelineId,
        head: Head,
        until: Time,
    ) -> Result<Vec<Segment>, Error> {
        let last = self.store().length_before(timeline, until.plus_millis(1)).await?.min(head.length);
        let mut segments = Vec::new();
        push(&mut segments, 1..=last, true);
        for (block, times) in self.late_blocks(timeline, head, last + 1).await? {
            // After `last`, only late events are as early as that.
            if times.earliest_late <= until {
                let positions = clip(LateBlock::positions(block), last + 1..=head.length);
                push(&mut segments, positions, times.latest <= until);
            }
        }
        Ok(segments)
    }

    /// Returns where the events of a span of time are, oldest first.
    pub(crate) async fn segments_within(
        &self,
        timeline: TimelineId,
        head: Head,
        span: Created,
    ) -> Result<Vec<Segment>, Error> {
        let mut all = Vec::new();
        push(&mut all, 1..=head.length, true);
        // Without a bound, the blocks with late events need not be read.
        let since = match span.first() {
            Time::EPOCH => all,
            first => self.segments_since(timeline, head, first).await?,
        };
        match span.last() {
            None => Ok(since),
            Some(last) => Ok(intersection(&since, &self.segments_until(timeline, head, last).await?)),
        }
    }

    /// Returns the blocks with late events that have positions from `first` up to the head.
    async fn late_blocks(
        &self,
        timeline: TimelineId,
        head: Head,
        first: u64,
    ) -> Result<Vec<(u64, LateBlock)>, Error> {
        let mut blocks = Vec::new();
        if head.last_late < first {
            return Ok(blocks);
        }
        let last = LateBlock::of_position(head.last_late);
        let mut next = LateBlock::of_position(first);
        while next <= last {
            let listed = self.store().list(key::LateBlock::from(timeline, next), BLOCKS_AT_ONCE).await?;
            let is_end = listed.len() < BLOCKS_AT_ONCE;
            let in_range = listed.into_iter().map(|(key, times)| (key.1, times));
            blocks.extend(in_range.take_while(|(block, _)| *block <= last));
            match blocks.last() {
                Some((block, _)) if !is_end => next = block + 1,
                _ => break,
            }
        }
        Ok(blocks)
    }
}

/// Returns the positions that are in both, each of which is in order.
fn intersection(since: &[Segment], until: &[Segment]) -> Vec<Segment> {
    let (mut since, mut until) = (since.iter().peekable(), until.iter().peekable());
    let mut both = Vec::new();
    while let (Some(a), Some(b)) = (since.peek(), until.peek()) {
        push(&mut both, clip(a.positions.clone(), b.positions.clone()), a.is_whole && b.is_whole);
        if a.positions.end() < b.positions.end() {
            since.next()
        } else {
            until.next()
        };
    }
    both
}

fn clip(positions: RangeInclusive<u64>, within: RangeInclusive<u64>) -> RangeInclusive<u64> {
    *positions.start().max(within.start())..=*positions.end().min(within.end())
}

/// Adds positions, to the last segment if they follow it and are like it.
fn push(segments: &mut Vec<Segment>, positions: RangeInclusive<u64>, is_whole: bool) {
    if positions.is_empty() {
        return;
    }
    match segments.last_mut() {
        Some(last) if last.is_whole == is_whole && last.positions.end() + 1 == *positions.start() => {
            last.positions = *last.positions.start()..=*positions.end();
        }
        _ => segments.push(Segment { positions, is_whole }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intersection_has_the_positions_that_both_have() {
        // Each bit says whether a segment has this position.
        let segments = |bits: u32, is_whole: bool| {
            let mut segments = Vec::new();
            for position in (1..=12).filter(|position| bits & (1 << position) != 0) {
                push(&mut segments, position..=position, is_whole && position % 3 > 0);
            }
            segments
        };
        let positions = |segments: &[Segment]| {
            let each = segments.iter();
            each.flat_map(|of| of.positions.clone().map(|position| (position, of.is_whole)))
                .collect::<Vec<_>>()
        };
        for (a, b) in
            [(0x1ffe, 0x1ffe), (0x0f0, 0x1ffe), (0xaaa, 0x666), (0x01e, 0xf00), (0, 0x1ffe), (0x1b6, 0xdb6)]
        {
            let (since, until) = (segments(a, true), segments(b, a % 4 > 0));
            let expected: Vec<_> = positions(&since)
                .into_iter()
                .filter_map(|(position, is_whole)| {
                    let other = positions(&until).into_iter().find(|(other, _)| *other == position)?;
                    Some((position, is_whole && other.1))
                })
                .collect();
            assert_eq!(positions(&intersection(&since, &until)), expected, "{a:x} {b:x}");
        }
    }
}
