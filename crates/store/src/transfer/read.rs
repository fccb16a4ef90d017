//! Reading a store in batches.

use bytes::Bytes;

use crate::contract::Head;
use crate::error::Error;
use crate::timeline::TimelineId;

use super::outcome::CopyError;
use super::portable::Portable;

// The limits of a batch. A copy writes each batch durably before it reads the next, so an interruption loses one batch at
// most.
pub(crate) const EVENTS_AT_ONCE: usize = 5_000;
pub(crate) const BYTES_AT_ONCE: usize = 8 << 20;
pub(crate) const ROWS_AT_ONCE: usize = 1_000;
pub(crate) const TIMELINES_AT_ONCE: usize = 1_000;

pub(crate) type Heads = Vec<(TimelineId, Head)>;

/// Returns the next timelines after `after`, and the last of them; `None` at the end.
pub(crate) async fn next_timelines(
    store: &dyn Portable,
    after: Option<TimelineId>,
) -> Result<Option<(TimelineId, Heads)>, Error> {
    let heads = store.timelines(after, TIMELINES_AT_ONCE).await?;
    Ok(heads.last().map(|(last, _)| *last).map(|last| (last, heads)))
}

/// Reads events from the position `first` on, oldest first, as many as fit in a batch.
pub(crate) async fn read_oldest(
    store: &dyn Portable,
    timeline: TimelineId,
    first: u64,
    length: u64,
) -> Result<Vec<Bytes>, CopyError> {
    let mut count = (length - first + 1).min(EVENTS_AT_ONCE as u64);
    loop {
        let mut events = store.read(timeline, first..=first + count - 1, BYTES_AT_ONCE).await?;
        let read = events.len() as u64;
        if read == count {
            events.reverse();
            return Ok(events);
        }
        if read == 0 {
            return Err(CopyError::Differs(format!("{timeline:?} has no event at {first}")));
        }
        // The read stopped at its limit of bytes, and left out the oldest events. These are needed first.
        count = (count / 2).max(1).min(count - 1);
    }
}
