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
//! The value is a header, followed by the events. The header has the length of each event, and the latest time of any event
//! up to it. That time never decreases along a timeline, so a binary search finds where a timeline reaches a time.
//!
//! ```text
//! count of events (u8, 1..=64), plus 128 if a late event is recorded before the run
//! ms of the latest time at the first event (u64 big-endian)
//! position of the last late event before the run (LEB128), if there is one
//! per event, as LEB128:  ms by which it raises the latest time (0 for the first) │
//!                        length × 4 + 2 if it is late + 1 if it is a reference
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

use crate::contract::Head;
use crate::engine::leb128;
use crate::error::Error;
use crate::timeline::TimelineId;

/// The most events of a run. With longer runs, a page reads fewer runs, but also more events that are not on the page.
pub(super) const EVENTS_MAX: u8 = 64;

/// A run is full once it has this many bytes, so that a page of large events reads little that is not on the page.
pub(super) const BYTES_FULL: usize = 64 << 10;

/// Set in a run's count if a late event is recorded before the run.
const LATE_BEFORE: u8 = 1 << 7;

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
    last_late_before: u64,
    /// The latest time at its first event.
    first_latest: Time,
    /// The head of the timeline after its last event so far.
    head: Head,
    header: Vec<u8>,
    bytes: Vec<u8>,
}

impl RunBuilder {
    /// Begins a run after the head of a timeline.
    pub(super) fn new(before: Head) -> Self {
        let first = before.length + 1;
        Self {
            first,
            count: 0,
            last_late_before: before.last_late,
            first_latest: Time::EPOCH,
            head: before,
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
        let is_late = self.head.is_late(time);
        let head = self.head.append(time);
        if self.count == 0 {
            self.first_latest = head.latest;
        }
        let latest_before = if self.count == 0 { head.latest } else { self.head.latest };
        leb128::write(head.latest.as_millis() - latest_before.as_millis(), &mut self.header);
        let length = (bytes.len() as u64) << 2;
        leb128::write(length | u64::from(is_late) << 1 | u64::from(is_reference), &mut self.header);
        self.bytes.extend_from_slice(bytes);
        self.head = head;
        self.count += 1;
        self.count - 1
    }

    /// Encodes the value.
    pub(super) fn finish(self) -> Vec<u8> {
        let mut value = Vec::with_capacity(14 + self.header.len() + self.bytes.len());
        let has_late_before = self.last_late_before > 0;
        value.push(self.count | if has_late_before { LATE_BEFORE } else { 0 });
        value.extend_from_slice(&self.first_latest.as_millis().to_be_bytes());
        if has_late_before {
            leb128::write(self.last_late_before, &mut value);
        }
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
    last_late_before: u64,
    items: Vec<Item>,
    value: Bytes,
}

/// An event or reference of a run, and the range of the value's bytes that it takes.
#[derive(Debug, Clone, Copy)]
struct Item {
    /// The latest time of any event of the timeline, up to this one.
    latest: Time,
    is_late: bool,
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
        let (last_late_before, items) = Self::read_header(&value).ok_or_else(damaged)?;
        let is_possible =
            |first: &u64| last_late_before < *first && first.checked_add(items.len() as u64).is_some();
        let first = first_position(key).filter(is_possible).ok_or_else(damaged)?;
        Ok(Self { first, last_late_before, items, value })
    }

    fn read_header(value: &[u8]) -> Option<(u64, Vec<Item>)> {
        let (&flagged_count, rest) = value.split_first()?;
        let (latest, mut rest) = rest.split_first_chunk()?;
        let mut latest = u64::from_be_bytes(*latest);
        let count = flagged_count & !LATE_BEFORE;
        let last_late_before = if count < flagged_count { leb128::read(&mut rest)? } else { 0 };
        let mut items = Vec::with_capacity(usize::from(count));
        let mut offset = 0_u64;
        for _ in 0..count {
            latest = latest.checked_add(leb128::read(&mut rest)?)?;
            let length = leb128::read(&mut rest)?;
            let end = offset.checked_add(length >> 2)?;
            items.push(Item {
                latest: Time::from_millis(latest),
                is_late: length & 2 == 2,
                start: u32::try_from(offset).ok()?,
                end: u32::try_from(end).ok()?,
                is_reference: length & 1 == 1,
            });
            offset = end;
        }
        // If the lengths do not add up to the bytes that are left, the value is damaged.
        let header_bytes = u32::try_from(value.len() - rest.len()).ok()?;
        if items.is_empty() || count > EVENTS_MAX || offset != rest.len() as u64 {
            return None;
        }
        for item in &mut items {
            item.start += header_bytes;
            item.end += header_bytes;
        }
        Some((last_late_before, items))
    }

    /// Returns the position of the last event.
    pub(super) fn last(&self) -> u64 {
        self.first + self.items.len() as u64 - 1
    }

    /// Returns the latest time of any event of the timeline up to the one at `index`; `None` beyond the last.
    pub(super) fn latest_at(&self, index: usize) -> Option<Time> {
        self.items.get(index).map(|item| item.latest)
    }

    /// Returns the head of the timeline after this run.
    pub(super) fn head(&self) -> Head {
        let last_late = self.items.iter().rposition(|item| item.is_late);
        Head {
            length: self.last(),
            latest: self.items.last().map_or(Time::EPOCH, |item| item.latest),
            last_late: last_late.map_or(self.last_late_before, |index| self.first + index as u64),
        }
    }

    /// Returns how many of its events come before the timeline reaches `time`.
    pub(super) fn length_before(&self, time: Time) -> u64 {
        self.items.partition_point(|item| item.latest < time) as u64
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

/// Reads a run of any bytes, and everything in it.
#[cfg(fuzzing)]
pub(crate) fn read_all(first: u64, value: Bytes) {
    let Ok(run) = Run::read(&first.to_be_bytes(), value) else { return };
    let (head, count) = (run.head(), usize::try_from(run.last() - run.first + 1).expect("a run is short"));
    assert!(head.length >= run.first && head.last_late <= head.length);
    assert!(count <= usize::from(EVENTS_MAX) && run.length_before(head.latest) <= count as u64);
    for index in 0..count {
        assert!(run.latest_at(index) <= Some(head.latest));
        _ = run.content(index);
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

    fn millis(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn runs_have_their_golden_bytes() {
        let mut builder = RunBuilder::new(Head { length: 6, latest: millis(900), last_late: 0 });
        assert_eq!(builder.push_event(millis(1000), b"{\"a\":1}"), 0);
        assert_eq!(builder.push_event(millis(1300), b"{}"), 1);
        builder.push_reference(millis(1300), Reference { app: app(), first: 3, index: 5 });
        let value = builder.finish();
        assert_eq!(
            hex::encode(&value),
            "0300000000000003e8\
             001cac0208005\
             57b2261223a317d7b7d\
             5343eccd646173000a140000000000000000000305"
        );
        let run = Run::read(&run_key(TimelineId::App(app()), 7), value.into()).unwrap();
        assert_eq!((run.first, run.last()), (7, 9));
        assert_eq!((run.latest_at(0), run.latest_at(3)), (Some(millis(1000)), None));
        assert_eq!(run.head(), Head { length: 9, latest: millis(1300), last_late: 0 });
        assert_eq!([999, 1000, 1001, 1300, 1301].map(|ms| run.length_before(millis(ms))), [0, 0, 1, 1, 3]);
        assert!(matches!(run.content(0), Ok(Content::Event(json)) if json == b"{\"a\":1}".as_slice()));
        assert!(matches!(
            run.content(2),
            Ok(Content::Reference(reference)) if reference == Reference { app: app(), first: 3, index: 5 }
        ));
        assert!(matches!(run.content(3), Err(Error::Damaged(_))));
    }

    #[test]
    fn runs_with_late_events_have_their_golden_bytes() {
        let mut builder = RunBuilder::new(Head { length: 300, latest: millis(1000), last_late: 299 });
        builder.push_event(millis(400), b"{}");
        builder.push_event(millis(1000), b"{}");
        builder.push_event(millis(1001), b"{}");
        let value = builder.finish();
        assert_eq!(hex::encode(&value), "8300000000000003e8ab02000a000801087b7d7b7d7b7d");
        let run = Run::read(&run_key(TimelineId::App(app()), 301), value.into()).unwrap();
        assert_eq!(run.head(), Head { length: 303, latest: millis(1001), last_late: 301 });
        assert_eq!([400, 1000, 1001, 1002].map(|ms| run.length_before(millis(ms))), [0, 0, 2, 3]);

        let mut builder = RunBuilder::new(run.head());
        builder.push_event(millis(2000), b"{}");
        let value = builder.finish();
        let run = Run::read(&run_key(TimelineId::App(app()), 304), value.into()).unwrap();
        assert_eq!(run.head(), Head { length: 304, latest: millis(2000), last_late: 301 });
    }

    #[test]
    fn a_damaged_run_is_never_read_as_another() {
        let mut builder = RunBuilder::new(Head::default());
        builder.push_event(Time::from_millis(1000), b"{\"a\":1}");
        let value = builder.finish();
        let key = run_key(TimelineId::App(app()), 1);
        for length in 0..value.len() {
            let cut = Bytes::copy_from_slice(&value[..length]);
            assert!(matches!(Run::read(&key, cut), Err(Error::Damaged(_))), "{length}");
        }
        let longer = Bytes::from([value.as_slice(), b"x"].concat());
        assert!(matches!(Run::read(&key, longer), Err(Error::Damaged(_))));

        // Positions that no run has, more events than a run has, and a late event before the run that is not before it.
        let too_many = [&[EVENTS_MAX + 1], [0; 8].as_slice(), &[0; 2 * (EVENTS_MAX as usize + 1)]].concat();
        let late_later = [&[LATE_BEFORE + 1], [0; 8].as_slice(), &[1, 0, 0]].concat();
        for (first, value) in [(0, &value), (u64::MAX, &value), (1, &too_many), (1, &late_later)] {
            let read = Run::read(&run_key(TimelineId::App(app()), first), Bytes::copy_from_slice(value));
            assert!(matches!(read, Err(Error::Damaged(_))), "{first}");
        }
        assert!(Run::read(&run_key(TimelineId::App(app()), 2), late_later.into()).is_ok());
    }
}
