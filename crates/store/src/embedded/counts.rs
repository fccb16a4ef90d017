//! The number of timelines, in the keyspace `counts`:
//!
//! ```text
//! key     "timelines"
//! value   number of timelines that have events (u64 big-endian)
//! ```

use fjall::{Keyspace, OwnedWriteBatch};

use crate::error::Error;

const TIMELINES_KEY: &[u8] = b"timelines";

pub(super) fn timelines(counts: &Keyspace) -> Result<u64, Error> {
    let Some(value) = counts.get(TIMELINES_KEY)? else { return Ok(0) };
    let damaged = |_| Error::Damaged("the number of timelines cannot be read".to_owned());
    value.as_ref().try_into().map(u64::from_be_bytes).map_err(damaged)
}

pub(super) fn put_timelines(batch: &mut OwnedWriteBatch, counts: &Keyspace, timelines: u64) {
    batch.insert(counts, TIMELINES_KEY, timelines.to_be_bytes());
}
