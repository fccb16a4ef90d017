//! The index of external identifiers: those that came with a report. Other events are found by the time in their
//! identifiers.
//!
//! ```text
//! key     event id (12)
//! value   home timeline, as in a run's key (`run`) │ position (u64 big-endian)
//! ```

use crate::error::Error;
use crate::timeline::TimelineId;

use super::run::{read_timeline, run_key};

pub(super) fn value(home: TimelineId, position: u64) -> Vec<u8> {
    run_key(home, position)
}

pub(super) fn read(value: &[u8]) -> Result<(TimelineId, u64), Error> {
    read_timeline(value)
        .and_then(|(home, position)| Some((home, u64::from_be_bytes(position.try_into().ok()?))))
        .ok_or_else(|| Error::Damaged("the position of an event cannot be read".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_have_their_golden_bytes() {
        let home = TimelineId::App("5343eccd646173000a140000".parse().unwrap());
        assert_eq!(hex::encode(value(home, 258)), "615343eccd646173000a1400000000000000000102");
        assert_eq!(read(&value(home, 258)).unwrap(), (home, 258));
        assert!(matches!(read(b"a"), Err(Error::Damaged(_))));
    }
}
