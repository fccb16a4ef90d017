//! The tree of summaries over a timeline, see [`annals_model::filter::summary`]: where it is, and how it grows.
//!
//! The tree follows from the events alone. It is stored up to some leaf; what lies beyond is read. It grows behind the events: a
//! follower extends it when a leaf of an app's or an account's timeline is full, and a search when it has read a full leaf that
//! is not stored. So a timeline that lists the events of others, as a user's does, is summarized when it is searched first.

use std::ops::RangeInclusive;
use std::sync::Arc;

use annals_model::filter::summary::{CHILDREN, LEAF_EVENTS};
use annals_model::filter::{OwnKind, Summary};
use annals_store::{TimelineId, TypedRows as _, key};

use crate::{Error, Service};

/// How many summaries of leaves that are not stored are kept in memory.
pub(crate) const LEAVES_CACHED: usize = 1_000;
/// How many leaves are stored with one commit.
const LEAVES_AT_ONCE: u64 = 64;
/// About how many bytes of events are read at once.
const READ_BYTES: usize = 256 << 10;

/// A summary of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) level: u32,
    pub(super) number: u64,
}

impl Node {
    /// Returns the leaf that has this position.
    pub(super) const fn leaf_of(position: u64) -> Self {
        Self { level: 0, number: (position - 1) / LEAF_EVENTS }
    }

    /// Returns the node with these positions, if they are those of one.
    pub(super) fn with(positions: &RangeInclusive<u64>) -> Option<Self> {
        let mut node = Self::leaf_of(*positions.start());
        while node.positions().end() < positions.end() {
            node = node.parent();
        }
        (node.positions() == *positions).then_some(node)
    }

    /// Returns the highest node that ends at this position, begins at `first` or later, and is complete with so many leaves.
    pub(super) fn highest(first: u64, end: u64, leaves: u64) -> Option<Self> {
        let fits = |node: &Self| {
            let positions = node.positions();
            *positions.end() == end && *positions.start() >= first && end <= leaves * LEAF_EVENTS
        };
        let mut node = Some(Self::leaf_of(end)).filter(fits)?;
        while fits(&node.parent()) {
            node = node.parent();
        }
        Some(node)
    }

    const fn parent(self) -> Self {
        Self { level: self.level + 1, number: self.number / CHILDREN }
    }

    /// Returns the nodes that it joins, oldest first.
    pub(super) fn children(self) -> impl DoubleEndedIterator<Item = Self> {
        let first = self.number * CHILDREN;
        (first..first + CHILDREN).map(move |number| Self { level: self.level - 1, number })
    }

    const fn leaves(level: u32) -> u64 {
        CHILDREN.saturating_pow(level)
    }

    pub(super) const fn positions(self) -> RangeInclusive<u64> {
        let events = Self::leaves(self.level).saturating_mul(LEAF_EVENTS);
        self.number.saturating_mul(events) + 1..=(self.number + 1).saturating_mul(events)
    }

    const fn key(self, timeline: TimelineId) -> key::Summary {
        key::Summary(timeline, self.level as u64, self.number)
    }
}

impl Service {
    /// Returns how many leaves of a timeline are stored.
    pub(super) async fn stored_leaves(&self, timeline: TimelineId) -> Result<u64, Error> {
        Ok(self.store().get(key::SummaryLeaves(timeline)).await?.unwrap_or_default())
    }

    /// Returns a stored summary.
    pub(super) async fn stored_summary(
        &self,
        timeline: TimelineId,
        node: Node,
    ) -> Result<Arc<Summary>, Error> {
        let missing = || annals_store::Error::Damaged(format!("{timeline:?} lacks the summary {node:?}"));
        Ok(self.store().get(node.key(timeline)).await?.ok_or_else(missing)?)
    }

    /// Returns the summary of a leaf of a timeline with this length, of which so many leaves are stored.
    pub(super) async fn leaf(
        &self,
        timeline: TimelineId,
        leaf: Node,
        leaves: u64,
        length: u64,
    ) -> Result<Arc<Summary>, Error> {
        if leaf.number < leaves {
            return self.stored_summary(timeline, leaf).await;
        }
        let (first, last) = leaf.positions().into_inner();
        let last = last.min(length);
        let key = (timeline, leaf.number, last);
        if let Some(summary) = self.inner().leaves.get(&key) {
            return Ok(summary);
        }
        let summary = Arc::new(self.summarize_events(timeline, first..=last).await?);
        self.inner().leaves.insert(key, Arc::clone(&summary));
        Ok(summary)
    }

    async fn summarize_events(
        &self,
        timeline: TimelineId,
        positions: RangeInclusive<u64>,
    ) -> Result<Summary, Error> {
        let (first, mut last) = positions.into_inner();
        let mut events = Vec::new();
        while first <= last {
            let read = self.store().read(timeline, first..=last, READ_BYTES).await?;
            if read.is_empty() {
                break;
            }
            last -= read.len() as u64;
            events.extend(read.iter().map(|stored| OwnKind::of(stored)));
        }
        events.reverse();
        Ok(Summary::of(&events))
    }

    /// Stores the summaries of all full leaves, and of what they complete.
    pub(crate) async fn summarize(&self, timeline: TimelineId) -> Result<(), Error> {
        loop {
            let before = self.stored_leaves(timeline).await?;
            let full = self.head(timeline).await?.length / LEAF_EVENTS;
            let after = full.min(before + LEAVES_AT_ONCE);
            if after <= before {
                return Ok(());
            }
            let summaries = self.new_summaries(timeline, before, after).await?;
            self.commit(move |transaction| {
                // Another process may have stored them meanwhile.
                let leaves = key::SummaryLeaves(timeline);
                if transaction.get(leaves.clone())?.unwrap_or_default() != before {
                    return Ok(());
                }
                for (node, summary) in &summaries {
                    transaction.put(node.key(timeline), Arc::clone(summary));
                }
                transaction.put(leaves, after);
                Ok(())
            })
            .await?;
        }
    }

    /// Returns the summaries that a tree of `after` leaves has, and one of `before` leaves does not.
    async fn new_summaries(
        &self,
        timeline: TimelineId,
        before: u64,
        after: u64,
    ) -> Result<Vec<(Node, Arc<Summary>)>, Error> {
        let mut all = Vec::new();
        for number in before..after {
            let leaf = Node { level: 0, number };
            all.push((leaf, self.leaf(timeline, leaf, before, leaf.positions().into_inner().1).await?));
        }
        for level in 1.. {
            let (first, end) = (before / Node::leaves(level), after / Node::leaves(level));
            if end == 0 {
                break;
            }
            for number in first..end {
                let node = Node { level, number };
                let mut children = Vec::new();
                for child in node.children() {
                    let new = all.iter().find(|(node, _)| *node == child).map(|(_, summary)| summary);
                    children.push(match new {
                        Some(summary) => Arc::clone(summary),
                        None => self.stored_summary(timeline, child).await?,
                    });
                }
                let children: Vec<_> = children.iter().map(|child| &**child).collect();
                all.push((node, Arc::new(Summary::joining(&children, LEAF_EVENTS))));
            }
        }
        Ok(all)
    }

    /// Stores summaries in the background, unless others are being stored. A search that finds them missing tries again.
    pub(super) fn summarize_soon(&self, timeline: TimelineId) {
        let Ok(permit) = Arc::clone(&self.inner().summarizing).try_acquire_owned() else { return };
        let service = self.clone();
        tokio::spawn(async move {
            _ = service.summarize(timeline).await;
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_cover_positions_once_and_as_high_as_they_can() {
        let leaf = LEAF_EVENTS;
        for (first, end, leaves, expected) in [
            (1, leaf, 1, Some((0, 0))),
            (1, leaf, 0, None),
            (2, leaf, 1, None),
            (1, leaf - 1, 1, None),
            (1, 16 * leaf, 16, Some((1, 0))),
            (2, 16 * leaf, 16, Some((0, 15))),
            (1, 17 * leaf, 17, Some((0, 16))),
            (1, 32 * leaf, 32, Some((1, 1))),
            (1, 256 * leaf, 300, Some((2, 0))),
        ] {
            let node = Node::highest(first, end, leaves);
            assert_eq!(node.map(|node| (node.level, node.number)), expected, "{first} {end} {leaves}");
            if let Some(node) = node {
                assert_eq!(Node::with(&node.positions()), Some(node));
            }
        }
        assert_eq!(Node::with(&(1..=leaf + 1)), None);
        assert_eq!(Node::leaf_of(leaf + 1).positions(), leaf + 1..=2 * leaf);
        let node = Node { level: 2, number: 1 };
        let children: Vec<_> = node.children().map(Node::positions).collect();
        assert_eq!(children[0].start(), node.positions().start());
        assert_eq!(children[15].end(), node.positions().end());
    }
}
