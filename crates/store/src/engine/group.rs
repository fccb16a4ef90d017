//! Groups of commands that are committed together.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::contract::{Command, CommandError, CommitError, Snapshot, WriteSet};
use crate::error::Error;

use super::platform;

/// A group is full once it has this many events, which bounds its time and memory.
const EVENTS_FULL: usize = 8 * 1024;
/// A group is full once its events have this many bytes.
const BYTES_FULL: usize = 8 << 20;
/// A group is full once it has this many commands.
const COMMANDS_FULL: usize = 1024;

/// The most events of one command. This keeps a group below the most events of a platform entry. The body of a request
/// has room for far fewer.
const COMMAND_EVENTS_MAX: usize = platform::EVENTS_MAX - EVENTS_FULL;

/// The size of a group.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct GroupSize {
    pub(crate) commands: usize,
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

impl GroupSize {
    pub(crate) fn is_full(self) -> bool {
        self.events >= EVENTS_FULL || self.bytes >= BYTES_FULL || self.commands >= COMMANDS_FULL
    }

    /// Counts an event of `bytes` bytes.
    pub(crate) fn add_event(&mut self, bytes: usize) {
        self.events += 1;
        self.bytes += bytes;
    }
}

/// Decides a command. A panic in the command becomes an error, so that only the request that caused it fails.
pub(crate) fn decide(command: &mut dyn Command, snapshot: &dyn Snapshot) -> Result<WriteSet, CommitError> {
    match catch_unwind(AssertUnwindSafe(|| command.decide(snapshot))) {
        Ok(Ok(writes)) if writes.events.len() > COMMAND_EVENTS_MAX => {
            Err(CommitError::Failed(Error::Engine("a command has too many events".into())))
        }
        Ok(Ok(writes)) => Ok(writes),
        Ok(Err(CommandError::Rejected(rejection))) => Err(CommitError::Rejected(rejection)),
        Ok(Err(CommandError::Failed(error))) => Err(CommitError::Failed(error)),
        Err(_) => Err(CommitError::Failed(Error::Engine("a decision panicked".into()))),
    }
}
