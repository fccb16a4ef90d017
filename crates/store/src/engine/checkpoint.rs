//! Checkpoints: the states of apps as they are stored.
//!
//! A state can be rebuilt by applying the events of the app's timeline, so it need not be written with every event. It
//! is written once enough events have followed the last written state. A read applies the events since that state. So
//! commits write mostly events.

use std::sync::Arc;

use annals_model::{App, Event};

use crate::error::Error;

/// A state is written again after this many events, which bounds the cost of rebuilding it.
const EVENTS_MAX: u64 = 16;
/// A state is written again after events of this total length.
const BYTES_MAX: usize = 256 << 10;

/// How far a stored state lags behind its timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Checkpoint {
    /// The position of the last event included in the stored state.
    pub(crate) position: u64,
    /// The total length of the events after that.
    pub(crate) bytes_since: usize,
}

impl Checkpoint {
    /// Returns the checkpoint of a state that includes all events up to `position`.
    pub(crate) fn at(position: u64) -> Self {
        Self { position, bytes_since: 0 }
    }

    /// Returns the same checkpoint after further events of this total length.
    pub(crate) fn plus(self, bytes: usize) -> Self {
        Self { bytes_since: self.bytes_since + bytes, ..self }
    }

    /// Returns whether this checkpoint is recent enough for a timeline that ends at `position`. If not, the state has to be
    /// written again.
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
