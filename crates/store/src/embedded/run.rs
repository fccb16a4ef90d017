//! A run: events at consecutive positions of one timeline, appended by one commit and stored under one key.
//!
//! The key sorts the runs of a timeline by position:
//!
//! ```text
//! timeline            │ position of the first event
//! a app id (12)       │ u64 big-endian
//! u user id (16)      │ u64 big-endian
//! ```
//!
//! The value is a header with the time and length of each event, followed by the events:
//!
//! ```text
//! count of events (u8, 1..=64) │ time of the first event in ms (u64 big-endian)
//! per event, as LEB128:  ms since the previous event (0 for the first) │ length × 2 + 1 if it is a reference
//! per event:             its JSON, or the reference
//! ```
//!
//! A reference, in a user's timeline, points to an event whose home is an app's timeline:
//!
//! ```text
//! app id (12) │ position of its run's first event (u64 big-endian) │ index in the run (u8)
//! ```

use annals_model::{AppId, Time, UserId};
use bytes::Bytes;

use crate::engine::leb128;
use crate::error::Error;
use crate::timeline::TimelineId;

/// The most events of a run. With longer runs, a page reads fewer runs, but also more events that are not on the page.
pub(super) const EVENTS_MAX: u8 = 64;

/// A run is full once it has this many bytes, so that a page of large events reads little that is not on the page.
pub(super) const BYTES_FULL: usize = 64 << 10;

/// Returns the prefix of the keys of a timeline's runs.
pub(super) fn timeline_key(timeline: TimelineId) -> Vec<u8> {
    let mut key = Vec::with_capacity(25);
    match timeline {
        TimelineId::App(app) => {
            key.push(b'a');
            key.extend_from_slice(app.as_bytes());
        }
        TimelineId::User(user) => {
            key.push(b'u');
            key.extend_from_slice(user.as_bytes());
        }
    }
    key
}

/// Reads the timeline at the front of `bytes`. Returns the timeline and the remaining bytes.
pub(super) fn read_timeline(bytes: &[u8]) -> Option<(TimelineId, &[u8])> {
    match bytes.split_first()? {
        (b'a', rest) => {
            let (app, rest) = rest.split_first_chunk()?;
            Some((TimelineId::App(AppId::from_bytes(*app)), rest))
        }
        (b'u', rest) => {
            let (user, rest) = rest.split_first_chunk()?;
            Some((TimelineId::User(UserId::from_bytes(*user)), rest))
        }
        _ => None,
    }
}

/// Returns the key of the run whose first event is at the position `first`.
pub(super) fn run_key(timeline: TimelineId, first: u64) -> Vec<u8> {
    let mut key = timeline_key(timeline);
    key.extend_from_slice(&first.to_be_bytes());
    key
}

/// Returns whether a run's key is that of an app's timeline.
pub(super) fn is_of_app(key: &[u8]) -> bool {
    key.starts_with(b"a")
}

/// Returns the position of a run's first event, the end of the run's key.
pub(super) fn first_position(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// A reference to an event in an app's timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) app: AppId,
    pub(super) first: u64,
    pub(super) index: u8,
}

impl Reference {
    const BYTES: usize = AppId::BYTES + 9;

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..12].copy_from_slice(self.app.as_bytes());
        bytes[12..20].copy_from_slice(&self.first.to_be_bytes());
        bytes[20] = self.index;
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (app, rest) = bytes.split_first_chunk()?;
        let (first, rest) = rest.split_first_chunk()?;
        let [index] = rest.try_into().ok()?;
        Some(Self { app: AppId::from_bytes(*app), first: u64::from_be_bytes(*first), index })
    }
}

/// A run under construction.
pub(super) struct RunBuilder {
    /// The position of its first event.
    pub(super) first: u64,
    count: u8,
    first_time: Time,
    last_time: Time,
    header: Vec<u8>,
    bytes: Vec<u8>,
}

impl RunBuilder {
    pub(super) fn new(first: u64) -> Self {
        Self {
            first,
            count: 0,
            first_time: Time::EPOCH,
            last_time: Time::EPOCH,
            header: Vec::new(),
            bytes: Vec::new(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.count >= EVENTS_MAX || self.bytes.len() >= BYTES_FULL
    }

    /// Adds an event and returns its index.
    pub(super) fn push_event(&mut self, time: Time, json: &[u8]) -> u8 {
        self.push(time, json, false)
    }

    /// Adds a reference.
    pub(super) fn push_reference(&mut self, time: Time, reference: Reference) {
        self.push(time, &reference.to_bytes(), true);
    }

    fn push(&mut self, time: Time, bytes: &[u8], is_reference: bool) -> u8 {
        if self.count == 0 {
            (self.first_time, self.last_time) = (time, time);
        }
        assert!(time >= self.last_time, "times never decrease along a timeline");
        leb128::write(time.as_millis() - self.last_time.as_millis(), &mut self.header);
        leb128::write(((bytes.len() as u64) << 1) | u64::from(is_reference), &mut self.header);
        self.bytes.extend_from_slice(bytes);
        self.last_time = time;
        self.count += 1;
        self.count - 1
    }

    /// Encodes the value.
    pub(super) fn finish(self) -> Vec<u8> {
        let mut value = Vec::with_capacity(9 + self.header.len() + self.bytes.len());
        value.push(self.count);
        value.extend_from_slice(&self.first_time.as_millis().to_be_bytes());
        value.extend_from_slice(&self.header);
        value.extend_from_slice(&self.bytes);
        value
    }
}

/// A stored run.
#[derive(Debug)]
pub(super) struct Run {
    /// The position of its first event.
    pub(super) first: u64,
    items: Vec<Item>,
    value: Bytes,
}

/// An event or reference of a run: its time, and where its bytes begin and end in the value.
#[derive(Debug, Clone, Copy)]
struct Item {
    time: Time,
    start: u32,
    end: u32,
    is_reference: bool,
}

/// What a run stores for a position.
pub(super) enum Content {
    Event(Bytes),
    Reference(Reference),
}

impl Run {
    /// Decodes a stored run.
    pub(super) fn read(key: &[u8], value: Bytes) -> Result<Self, Error> {
        let damaged = || Error::Damaged("a run of events cannot be read".to_owned());
        let first = first_position(key).ok_or_else(damaged)?;
        let items = Self::read_header(&value).ok_or_else(damaged)?;
        Ok(Self { first, items, value })
    }

    fn read_header(value: &[u8]) -> Option<Vec<Item>> {
        let (&count, rest) = value.split_first()?;
        let (time, mut rest) = rest.split_first_chunk()?;
        let mut time = u64::from_be_bytes(*time);
        let mut items = Vec::with_capacity(usize::from(count));
        let mut offset = 0_u64;
        for _ in 0..count {
            time = time.checked_add(leb128::read(&mut rest)?)?;
            let length = leb128::read(&mut rest)?;
            let end = offset.checked_add(length >> 1)?;
            items.push(Item {
                time: Time::from_millis(time),
                start: u32::try_from(offset).ok()?,
                end: u32::try_from(end).ok()?,
                is_reference: length & 1 == 1,
            });
            offset = end;
        }
        // If the lengths do not add up to the bytes that are left, the value is damaged.
        let header_bytes = u32::try_from(value.len() - rest.len()).ok()?;
        if items.is_empty() || offset != rest.len() as u64 {
            return None;
        }
        for item in &mut items {
            item.start += header_bytes;
            item.end += header_bytes;
        }
        Some(items)
    }

    /// Returns the position of the last event.
    pub(super) fn last(&self) -> u64 {
        self.first + self.items.len() as u64 - 1
    }

    /// Returns the time of the event at `index`; `None` beyond the last.
    pub(super) fn time(&self, index: usize) -> Option<Time> {
        self.items.get(index).map(|item| item.time)
    }

    /// Returns the time of the last event.
    pub(super) fn last_time(&self) -> Time {
        self.items.last().map_or(Time::EPOCH, |item| item.time)
    }

    /// Returns how many events of the run are earlier than `time`.
    pub(super) fn count_before(&self, time: Time) -> u64 {
        self.items.partition_point(|item| item.time < time) as u64
    }

    /// Returns the event or reference at `index`.
    pub(super) fn content(&self, index: usize) -> Result<Content, Error> {
        let damaged = || Error::Damaged("a reference points to no event".to_owned());
        let item = self.items.get(index).ok_or_else(damaged)?;
        let bytes = self.value.slice(item.start as usize..item.end as usize);
        if !item.is_reference {
            return Ok(Content::Event(bytes));
        }
        Reference::from_bytes(&bytes).map(Content::Reference).ok_or_else(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> AppId {
        "5343eccd646173000a140000".parse().unwrap()
    }

    #[test]
    fn keys_sort_by_position_and_have_their_golden_bytes() {
        let user: UserId = "us-0e6d8e46-5cd0-42a4-acba-372b2be605ac".parse().unwrap();
        assert_eq!(
            hex::encode(run_key(TimelineId::App(app()), 258)),
            "615343eccd646173000a1400000000000000000102"
        );
        assert_eq!(
            hex::encode(run_key(TimelineId::User(user), 1)),
            "750e6d8e465cd042a4acba372b2be605ac0000000000000001"
        );
        assert!(run_key(TimelineId::App(app()), 255) < run_key(TimelineId::App(app()), 256));
        for timeline in [TimelineId::App(app()), TimelineId::User(user)] {
            assert_eq!(
                read_timeline(&run_key(timeline, 1)),
                Some((timeline, [0, 0, 0, 0, 0, 0, 0, 1].as_slice()))
            );
        }
    }

    #[test]
    fn runs_have_their_golden_bytes() {
        let mut builder = RunBuilder::new(7);
        assert_eq!(builder.push_event(Time::from_millis(1000), b"{\"a\":1}"), 0);
        assert_eq!(builder.push_event(Time::from_millis(1300), b"{}"), 1);
        builder.push_reference(Time::from_millis(1300), Reference { app: app(), first: 3, index: 5 });
        let value = builder.finish();
        assert_eq!(
            hex::encode(&value),
            "0300000000000003e8\
             000eac0204002b\
             7b2261223a317d7b7d\
             5343eccd646173000a140000000000000000000305"
        );
        let run = Run::read(&run_key(TimelineId::App(app()), 7), value.into()).unwrap();
        assert_eq!((run.first, run.last()), (7, 9));
        assert_eq!((run.time(0), run.time(3)), (Some(Time::from_millis(1000)), None));
        assert_eq!(
            [999, 1000, 1001, 1300, 1301].map(|ms| run.count_before(Time::from_millis(ms))),
            [0, 0, 1, 1, 3]
        );
        assert!(matches!(run.content(0), Ok(Content::Event(json)) if json == b"{\"a\":1}".as_slice()));
        assert!(matches!(
            run.content(2),
            Ok(Content::Reference(reference)) if reference == Reference { app: app(), first: 3, index: 5 }
        ));
        assert!(matches!(run.content(3), Err(Error::Damaged(_))));
    }

    #[test]
    fn a_damaged_run_is_never_read_as_another() {
        let mut builder = RunBuilder::new(1);
        builder.push_event(Time::from_millis(1000), b"{\"a\":1}");
        let value = builder.finish();
        let key = run_key(TimelineId::App(app()), 1);
        for length in 0..value.len() {
            let cut = Bytes::copy_from_slice(&value[..length]);
            assert!(matches!(Run::read(&key, cut), Err(Error::Damaged(_))), "{length}");
        }
        let longer = Bytes::from([value.as_slice(), b"x"].concat());
        assert!(matches!(Run::read(&key, longer), Err(Error::Damaged(_))));
    }
}
