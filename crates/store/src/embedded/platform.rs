//! The platform timeline: one entry per commit that has events.
//!
//! ```text
//! key     platform position of its first event (u64 big-endian)
//! value   the entry (`engine/platform.rs`)
//! ```

use std::sync::atomic::Ordering;

use fjall::{Keyspace, OwnedWriteBatch};

use crate::contract::PlatformCommit;
use crate::engine::platform::{decode, encode, trim};
use crate::error::Error;

use super::Inner;

/// Returns the number of events in the store.
pub(super) fn length(platform: &Keyspace) -> Result<u64, Error> {
    let Some(guard) = platform.last_key_value() else { return Ok(0) };
    let (key, value) = guard.into_inner()?;
    Ok(decode(position(&key)?, &value)?.last())
}

pub(super) fn put(batch: &mut OwnedWriteBatch, platform: &Keyspace, commit: &PlatformCommit) {
    batch.insert(platform, commit.first.to_be_bytes(), encode(commit));
}

impl Inner {
    pub(super) fn platform(&self, after: u64, limit_events: usize) -> Result<Vec<PlatformCommit>, Error> {
        let next = after.saturating_add(1);
        if next > self.platform_length.load(Ordering::Acquire) {
            return Ok(Vec::new());
        }
        // The entry that contains the next position may begin before it.
        let first = match self.platform.range(..=next.to_be_bytes()).next_back() {
            Some(guard) => position(&guard.key()?)?,
            None => next,
        };
        let end = next.saturating_add(limit_events.max(1) as u64);
        let mut commits = Vec::new();
        for guard in self.platform.range(first.to_be_bytes()..end.to_be_bytes()) {
            let (key, value) = guard.into_inner()?;
            let mut commit = decode(position(&key)?, &value)?;
            trim(&mut commit, after);
            commits.push(commit);
        }
        Ok(commits)
    }
}

fn position(key: &[u8]) -> Result<u64, Error> {
    let damaged =
        |_| Error::Damaged("the key of an entry of the platform timeline cannot be read".to_owned());
    key.try_into().map(u64::from_be_bytes).map_err(damaged)
}
