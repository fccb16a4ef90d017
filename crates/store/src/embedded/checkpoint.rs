//! The encoding of an app's stored state. `engine/checkpoint.rs` says when a state is stored.
//!
//! ```text
//! value   position of the last event included (u64 big-endian) │ the state as JSON
//! ```

use std::sync::Arc;

use annals_model::App;

use crate::error::Error;

pub(super) fn write(app: &App, position: u64) -> Vec<u8> {
    let mut value = Vec::with_capacity(1024);
    value.extend_from_slice(&position.to_be_bytes());
    serde_json::to_writer(&mut value, app).expect("a state can always be written to memory");
    value
}

/// Reads a stored state, and the position of the last event included in it.
pub(super) fn read(value: &[u8]) -> Result<(Arc<App>, u64), Error> {
    let damaged = || Error::Damaged("the state of an app cannot be read".to_owned());
    let (position, json) = value.split_first_chunk().ok_or_else(damaged)?;
    let app = serde_json::from_slice(json).map_err(|_| damaged())?;
    Ok((Arc::new(app), u64::from_be_bytes(*position)))
}

#[cfg(test)]
mod tests {
    use annals_model::{AppRef, Time};

    use super::*;
    use crate::engine::checkpoint::event_from;

    #[test]
    fn checkpoints_have_their_golden_bytes() {
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
