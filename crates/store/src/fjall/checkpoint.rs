//! The state of an app as it is stored: a checkpoint, now and then.
//!
//! Folding an app's timeline gives its state, so the state need not be written with every event: it is written when
//! enough has happened since, and read by applying what came after to it. Most of what a commit writes are then events.
//!
//! ```text
//! position of the last event in it (u64 big-endian) │ the state as JSON
//! ```

use std::sync::Arc;

use annals_model::{App, Event};

use crate::contract::Error;

/// A state is written again after this many events, and after this many bytes of them, which bounds what is read and
/// applied when it is read.
const EVENTS_MAX: u64 = 16;
const BYTES_MAX: usize = 256 << 10;

/// Up to where a stored state goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Checkpoint {
    /// The position of the last event in it.
    pub(super) position: u64,
    /// How many bytes of events came since.
    pub(super) bytes_since: usize,
}

impl Checkpoint {
    /// The same checkpoint when more events have come.
    pub(super) fn plus(self, bytes: usize) -> Self {
        Self { bytes_since: self.bytes_since + bytes, ..self }
    }

    /// Whether the state at that position may still be rebuilt from it.
    pub(super) fn is_good_for(self, position: u64) -> bool {
        position.saturating_sub(self.position) < EVENTS_MAX && self.bytes_since < BYTES_MAX
    }
}

pub(super) fn write(app: &App, position: u64) -> Vec<u8> {
    let mut value = Vec::with_capacity(1024);
    value.extend_from_slice(&position.to_be_bytes());
    serde_json::to_writer(&mut value, app).expect("a state can always be written to memory");
    value
}

/// A stored state, and the position of the last event in it.
pub(super) fn read(value: &[u8]) -> Result<(Arc<App>, u64), Error> {
    let damaged = || Error::Damaged("the state of an app cannot be read".to_owned());
    let (position, json) = value.split_first_chunk().ok_or_else(damaged)?;
    let app = serde_json::from_slice(json).map_err(|_| damaged())?;
    Ok((Arc::new(app), u64::from_be_bytes(*position)))
}

/// A stored event, to be applied.
pub(super) fn event_from(json: &[u8]) -> Result<Event, Error> {
    Event::from_json(json).ok_or_else(|| Error::Damaged("a stored event cannot be read".to_owned()))
}

#[cfg(test)]
mod tests {
    use annals_model::{AppRef, Time};

    use super::*;

    #[test]
    fn checkpoints_stay_as_they_are() {
        let app = AppRef { id: "5343eccd646173000a140000".parse().unwrap(), name: "my-app".to_owned() };
        let app = App::first_seen(&app, Time::from_millis(1000));
        let value = write(&app, 258);
        assert_eq!(value[..8], [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(
            std::str::from_utf8(&value[8..]).unwrap(),
            r#"{"id":"5343eccd646173000a140000","name":"my-app","owner":null,"created_at":"1970-01-01T00:00:01.000Z","updated_at":"1970-01-01T00:00:01.000Z"}"#
        );
        assert_eq!(read(&value).unwrap(), (Arc::new(app), 258));
        for damaged in [&value[..4], &value[..20]] {
            assert!(matches!(read(damaged), Err(Error::Damaged(_))));
        }
        assert!(matches!(event_from(b"{}"), Err(Error::Damaged(_))));
    }
}
