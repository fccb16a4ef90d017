//! How far a stored state of an app goes.
//!
//! Folding an app's timeline gives its state, so the state need not be written with every event: it is written when
//! enough has happened since, and read by applying what came after to it. Most of what a commit writes are then events.

use std::sync::Arc;

use annals_model::{App, Event};

use crate::error::Error;

/// A state is written again after this many events, and after this many bytes of them, which bounds what is read and
/// applied when it is read.
const EVENTS_MAX: u64 = 16;
const BYTES_MAX: usize = 256 << 10;

/// Up to where a stored state goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Checkpoint {
    /// The position of the last event in it.
    pub(crate) position: u64,
    /// How many bytes of events came since.
    pub(crate) bytes_since: usize,
}

impl Checkpoint {
    /// That of a state in which all events up to that position are.
    pub(crate) fn at(position: u64) -> Self {
        Self { position, bytes_since: 0 }
    }

    /// The same checkpoint when more events have come.
    pub(crate) fn plus(self, bytes: usize) -> Self {
        Self { bytes_since: self.bytes_since + bytes, ..self }
    }

    /// Whether the state at that position may still be rebuilt from it.
    pub(crate) fn is_good_for(self, position: u64) -> bool {
        position.saturating_sub(self.position) < EVENTS_MAX && self.bytes_since < BYTES_MAX
    }

    /// Applies the event that follows to the state that is rebuilt from here.
    pub(crate) fn apply(&mut self, app: &mut Arc<App>, json: &[u8]) -> Result<(), Error> {
        App::apply(app, &event_from(json)?);
        *self = self.plus(json.len());
        Ok(())
    }
}

/// A stored event, to be applied.
pub(crate) fn event_from(json: &[u8]) -> Result<Event, Error> {
    Event::from_json(json).ok_or_else(|| Error::Damaged("a stored event cannot be read".to_owned()))
}
