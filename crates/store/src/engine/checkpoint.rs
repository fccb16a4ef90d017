//! Checkpoints: the states of apps as they are stored.
//!
//! Applying the events of an app's timeline in order yields its state, so the state need not be written with every
//! event. It is written when enough events have followed the last stored one, and rebuilt on reading by applying those.
//! Commits then write mostly events.

use std::sync::Arc;

use annals_model::{App, Event};

use crate::error::Error;

/// A state is written again after this many events or bytes of events, which bounds the cost of rebuilding it.
const EVENTS_MAX: u64 = 16;
const BYTES_MAX: usize = 256 << 10;

/// How far a stored state lags behind its timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Checkpoint {
    /// The position of the last event included in the stored state.
    pub(crate) position: u64,
    /// The bytes of the events after that.
    pub(crate) bytes_since: usize,
}

impl Checkpoint {
    /// Returns the checkpoint of a state that includes all events up to `position`.
    pub(crate) fn at(position: u64) -> Self {
        Self { position, bytes_since: 0 }
    }

    /// Returns the same checkpoint after `bytes` more bytes of events.
    pub(crate) fn plus(self, bytes: usize) -> Self {
        Self { bytes_since: self.bytes_since + bytes, ..self }
    }

    /// Returns whether the state at `position` may be rebuilt from this checkpoint instead of being written.
    pub(crate) fn is_good_for(self, position: u64) -> bool {
        position.saturating_sub(self.position) < EVENTS_MAX && self.bytes_since < BYTES_MAX
    }

    /// Applies the next event to a state that is being rebuilt.
    pub(crate) fn apply(&mut self, app: &mut Arc<App>, json: &[u8]) -> Result<(), Error> {
        App::apply(app, &event_from(json)?);
        *self = self.plus(json.len());
        Ok(())
    }
}

/// Parses a stored event.
pub(crate) fn event_from(json: &[u8]) -> Result<Event, Error> {
    Event::from_json(json).ok_or_else(|| Error::Damaged("a stored event cannot be read".to_owned()))
}
