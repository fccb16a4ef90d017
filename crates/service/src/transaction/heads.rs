//! The ends of timelines, as a transaction moves them.

use annals_model::Time;
use annals_store::{Error, Head, LateBlock, TimelineId, key};

use super::Transaction;

impl Transaction<'_> {
    /// Returns the end of a timeline, with the events recorded in this transaction.
    pub(crate) fn head(&self, timeline: TimelineId) -> Result<Head, Error> {
        match self.heads.get(&timeline) {
            Some(head) => Ok(*head),
            None => self.snapshot.head(timeline),
        }
    }

    /// Moves the end of a timeline behind an event of that time. Returns whether the event is late.
    ///
    /// Late events are rare, so a block of positions gets a row about its times only once it has one.
    pub(super) fn extend(&mut self, timeline: TimelineId, created_at: Time) -> Result<bool, Error> {
        let before = self.head(timeline)?;
        let after = before.append(created_at);
        self.heads.insert(timeline, after);
        let is_late = before.is_late(created_at);
        let block = LateBlock::of_position(after.length);
        let has_row = before.last_late > 0 && LateBlock::of_position(before.last_late) == block;
        if is_late || has_row {
            let key = key::LateBlock(timeline, block);
            let mut times = match has_row {
                true => self.get(key.clone())?,
                false => None,
            }
            .unwrap_or_else(|| first_times(before, block, created_at));
            times.latest = times.latest.max(created_at);
            if is_late {
                times.earliest_late = times.earliest_late.min(created_at);
            }
            self.put(key, times);
        }
        Ok(is_late)
    }
}

/// Returns the times of a block until its first late event: times have not decreased in it so far.
fn first_times(before: Head, block: u64, created_at: Time) -> LateBlock {
    let is_first_in_block = before.length < *LateBlock::positions(block).start();
    let latest = if is_first_in_block { created_at } else { before.latest };
    LateBlock { earliest_late: created_at, latest }
}
