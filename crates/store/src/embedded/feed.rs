//! The feed: one entry per commit that has events.
//!
//! ```text
//! key     number of the commit (u64 big-endian)
//! value   per range: timeline │ its first position (u64 big-endian) │ how many events (u32 big-endian)
//! ```
//!
//! A timeline is written as in a run's key. Only home timelines have ranges, so each event is in one.

use std::ops::RangeInclusive;

use crate::contract::{Error, FeedEntry, TimelineId};

use super::run::{read_timeline, run_key};

pub(super) fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The number in a key.
pub(super) fn number(key: &[u8]) -> Result<u64, Error> {
    key.try_into().map(u64::from_be_bytes).map_err(|_| damaged())
}

/// Adds a range to an entry's value.
pub(super) fn push(timeline: TimelineId, range: &RangeInclusive<u64>, value: &mut Vec<u8>) {
    let count = u32::try_from(range.end() - range.start() + 1).expect("a group has far fewer events");
    value.extend_from_slice(&run_key(timeline, *range.start()));
    value.extend_from_slice(&count.to_be_bytes());
}

pub(super) fn read(key: &[u8], mut value: &[u8]) -> Result<FeedEntry, Error> {
    let mut ranges = Vec::new();
    while !value.is_empty() {
        let (range, rest) = read_stretch(value).ok_or_else(damaged)?;
        ranges.push(range);
        value = rest;
    }
    Ok(FeedEntry { number: number(key)?, ranges })
}

type PlatformRange = (TimelineId, RangeInclusive<u64>);

fn read_stretch(value: &[u8]) -> Option<(PlatformRange, &[u8])> {
    let (timeline, rest) = read_timeline(value)?;
    let (first, rest) = rest.split_first_chunk()?;
    let (count, rest) = rest.split_first_chunk()?;
    let first = u64::from_be_bytes(*first);
    let last = first.checked_add(u64::from(u32::from_be_bytes(*count)))?.checked_sub(1)?;
    Some(((timeline, first..=last), rest))
}

fn damaged() -> Error {
    Error::Damaged("an entry of the feed cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stay_as_they_are() {
        let app = TimelineId::App("5343eccd646173000a140000".parse().unwrap());
        let user = TimelineId::User("us-0e6d8e46-5cd0-42a4-acba-372b2be605ac".parse().unwrap());
        let mut value = Vec::new();
        push(app, &(3..=260), &mut value);
        push(user, &(1..=1), &mut value);
        assert_eq!(
            hex::encode(&value),
            "615343eccd646173000a140000000000000000000300000102\
             750e6d8e465cd042a4acba372b2be605ac000000000000000100000001"
        );
        let entry = read(&key(9), &value).unwrap();
        assert_eq!(entry, FeedEntry { number: 9, ranges: vec![(app, 3..=260), (user, 1..=1)] });
        assert!(matches!(read(&key(9), &value[1..]), Err(Error::Damaged(_))));
        assert!(matches!(read(b"short", &value), Err(Error::Damaged(_))));
    }
}
