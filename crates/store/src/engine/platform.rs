//! The encoding of a platform entry: one commit on the platform timeline.
//!
//! ```text
//! recorded_at │ earliest │ latest − earliest                                                     in ms
//! count of types       per type:      length │ name
//! count of events
//! count of timelines   per timeline:  position of its first event × 2 + 1 if a user's │ app id (12) or user id (16)
//! per range:           timeline number × 2 + 1 if these follow:  positions skipped │ count of events − 1
//! per run of a type:   type index × 2 + 1 if this follows:       count of events − 2
//! ```
//!
//! All numbers are LEB128. Types and timelines (the homes of the events) are listed in the order in which the events
//! first use them.
//!
//! A *range* is a sequence of events that are consecutive both in the commit and in their timeline. The timeline number
//! of a range is 0 for the first timeline of the list that no earlier range has used, and otherwise the timeline's
//! number in the list, counted from 1. A range skips positions of a user's timeline if these have events whose home is
//! an app's timeline. A *run of a type* is a sequence of events of the same type. The ranges cover all events, and so
//! do the runs of types.

use annals_model::{AppId, Time, UserId};
use foldhash::{HashMap, HashMapExt};

use crate::contract::{NewEvent, PlatformCommit, PlatformEvent};
use crate::error::Error;
use crate::timeline::TimelineId;

use super::leb128;

/// The most events of an entry. A greater count is damaged, and must not make a read allocate memory for it.
pub(crate) const EVENTS_MAX: usize = 1 << 20;

/// Adds to `commit` an event that was appended to its home at `position`.
pub(crate) fn push(commit: &mut PlatformCommit, event: &NewEvent, position: u64) {
    if commit.events.is_empty() {
        (commit.earliest, commit.latest) = (event.created_at, event.created_at);
    }
    commit.earliest = commit.earliest.min(event.created_at);
    commit.latest = commit.latest.max(event.created_at);
    let found = commit.types.iter().position(|name| name == event.event_type);
    let index = found.unwrap_or_else(|| {
        commit.types.push(event.event_type.to_owned());
        commit.types.len() - 1
    });
    let event_type = u16::try_from(index).expect("the catalogue has far fewer types");
    commit.events.push(PlatformEvent { timeline: event.home(), position, event_type });
}

/// Removes the events up to the platform position `after`.
pub(crate) fn trim(commit: &mut PlatformCommit, after: u64) {
    let removed = (after + 1).saturating_sub(commit.first);
    commit.events.drain(..usize::try_from(removed).unwrap_or(usize::MAX).min(commit.events.len()));
    commit.first += removed;
}

pub(crate) fn encode(commit: &PlatformCommit) -> Vec<u8> {
    let mut entry = Vec::with_capacity(64 + commit.events.len() * 12);
    let (earliest, latest) = (commit.earliest.as_millis(), commit.latest.as_millis());
    for number in [commit.recorded_at.as_millis(), earliest, latest - earliest, commit.types.len() as u64] {
        leb128::write(number, &mut entry);
    }
    for name in &commit.types {
        leb128::write(name.len() as u64, &mut entry);
        entry.extend_from_slice(name.as_bytes());
    }
    leb128::write(commit.events.len() as u64, &mut entry);

    // The number of each timeline, and its next position.
    let mut numbers: HashMap<TimelineId, (u64, u64)> = HashMap::new();
    let (mut timelines, mut ranges) = (Vec::new(), Vec::new());
    let follows = |a: &PlatformEvent, b: &PlatformEvent| {
        a.timeline == b.timeline && a.position.checked_add(1) == Some(b.position)
    };
    for range in commit.events.chunk_by(follows) {
        let PlatformEvent { timeline, position, .. } = range[0];
        let end = position + range.len() as u64;
        let (number, skipped) = match numbers.get_mut(&timeline) {
            Some((number, next)) => (*number, position - std::mem::replace(next, end)),
            None => {
                numbers.insert(timeline, (numbers.len() as u64 + 1, end));
                write_timeline(timeline, position, &mut timelines);
                (0, 0)
            }
        };
        let more = range.len() as u64 - 1;
        let has_more = skipped > 0 || more > 0;
        leb128::write(number << 1 | u64::from(has_more), &mut ranges);
        if has_more {
            leb128::write(skipped, &mut ranges);
            leb128::write(more, &mut ranges);
        }
    }
    leb128::write(numbers.len() as u64, &mut entry);
    entry.extend_from_slice(&timelines);
    entry.extend_from_slice(&ranges);
    for run in commit.events.chunk_by(|a, b| a.event_type == b.event_type) {
        let more = run.len() as u64 - 1;
        leb128::write(u64::from(run[0].event_type) << 1 | u64::from(more > 0), &mut entry);
        if more > 0 {
            leb128::write(more - 1, &mut entry);
        }
    }
    entry
}

/// Decodes an entry. `first` is the platform position of its first event, which the entry does not contain.
pub(crate) fn decode(first: u64, entry: &[u8]) -> Result<PlatformCommit, Error> {
    read(first, entry)
        .ok_or_else(|| Error::Damaged("an entry of the platform timeline cannot be read".to_owned()))
}

fn read(first: u64, mut rest: &[u8]) -> Option<PlatformCommit> {
    let bytes = &mut rest;
    let [recorded_at, earliest] = [leb128::read(bytes)?, leb128::read(bytes)?];
    let latest = earliest.checked_add(leb128::read(bytes)?)?;
    let [recorded_at, earliest, latest] = [recorded_at, earliest, latest].map(Time::from_millis);
    // Damaged counts of types and timelines cannot allocate much: each item takes a byte at least.
    let types = (0..leb128::read(bytes)?).map(|_| read_name(bytes)).collect::<Option<Vec<_>>>()?;
    let count =
        usize::try_from(leb128::read(bytes)?).ok().filter(|count| (1..=EVENTS_MAX).contains(count))?;
    first.checked_add(count as u64)?;
    let mut timelines =
        (0..leb128::read(bytes)?).map(|_| read_timeline(bytes)).collect::<Option<Vec<_>>>()?;

    let mut events = Vec::new();
    let mut used = 0;
    while events.len() < count {
        let tag = leb128::read(bytes)?;
        let index = match usize::try_from(tag >> 1).ok()? {
            0 => {
                used += 1;
                used - 1
            }
            number if number <= used => number - 1,
            _ => return None,
        };
        let (skipped, more) = match tag & 1 {
            0 => (0, 0),
            _ => (leb128::read(bytes)?, leb128::read(bytes)?),
        };
        let (timeline, next) = timelines.get_mut(index)?;
        let start = next.checked_add(skipped)?;
        *next = start.checked_add(more)?.checked_add(1)?;
        if *next - start > (count - events.len()) as u64 {
            return None;
        }
        events.extend((start..*next).map(|position| PlatformEvent {
            timeline: *timeline,
            position,
            event_type: 0,
        }));
    }
    let mut untyped = events.as_mut_slice();
    while !untyped.is_empty() {
        let tag = leb128::read(bytes)?;
        let event_type = u16::try_from(tag >> 1).ok().filter(|index| usize::from(*index) < types.len())?;
        let length = match tag & 1 {
            0 => 1,
            _ => usize::try_from(leb128::read(bytes)?.checked_add(2)?).ok()?,
        };
        let (run, others) = untyped.split_at_mut_checked(length)?;
        run.iter_mut().for_each(|event| event.event_type = event_type);
        untyped = others;
    }
    let is_complete = rest.is_empty() && used == timelines.len();
    is_complete.then_some(PlatformCommit { first, recorded_at, earliest, latest, types, events })
}

fn read_name(bytes: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(leb128::read(bytes)?).ok()?;
    let (name, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    String::from_utf8(name.to_vec()).ok()
}

fn write_timeline(timeline: TimelineId, first: u64, out: &mut Vec<u8>) {
    match timeline {
        TimelineId::App(app) => {
            leb128::write(first << 1, out);
            out.extend_from_slice(app.as_bytes());
        }
        TimelineId::User(user) => {
            leb128::write(first << 1 | 1, out);
            out.extend_from_slice(user.as_bytes());
        }
    }
}

fn read_timeline(bytes: &mut &[u8]) -> Option<(TimelineId, u64)> {
    let tag = leb128::read(bytes)?;
    let timeline = if tag & 1 == 0 {
        let (id, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        TimelineId::App(AppId::from_bytes(*id))
    } else {
        let (id, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        TimelineId::User(UserId::from_bytes(*id))
    };
    Some((timeline, tag >> 1))
}

#[cfg(test)]
mod tests {
    use annals_model::EventId;
    use proptest::prelude::*;

    use super::*;

    /// Returns a commit of events, given by home, positions skipped before, and type.
    fn commit(events: impl IntoIterator<Item = (TimelineId, u64, &'static str)>) -> PlatformCommit {
        let mut commit =
            PlatformCommit { first: 7, recorded_at: Time::from_millis(1300), ..Default::default() };
        let mut lengths = HashMap::new();
        for (index, (timeline, skipped, event_type)) in events.into_iter().enumerate() {
            let position = lengths.entry(timeline).or_insert(300);
            *position += 1 + skipped;
            let (app, user) = match timeline {
                TimelineId::App(app) => (Some(app), None),
                TimelineId::User(user) => (None, Some(user)),
            };
            let created_at = Time::from_millis(1000 + index as u64);
            let id = EventId::from_bytes([0; 12]);
            let json = Vec::new();
            let event = NewEvent { id, is_indexed: false, created_at, event_type, app, user, json };
            push(&mut commit, &event, *position);
        }
        commit
    }

    fn app(number: u8) -> TimelineId {
        TimelineId::App(AppId::from_bytes([number; 12]))
    }

    fn user(number: u8) -> TimelineId {
        TimelineId::User(UserId::from_bytes([number; 16]))
    }

    #[test]
    fn entries_have_their_golden_bytes() {
        let commit = commit([
            (app(1), 0, "scale"),
            (user(2), 0, "login"),
            (app(1), 0, "scale"),
            (app(1), 0, "scale"),
            (user(2), 3, "scale"),
        ]);
        let entry = encode(&commit);
        let expected = "940a e807 04 \
                        02 05 7363616c65 05 6c6f67696e \
                        05 \
                        02 da04 010101010101010101010101 db04 02020202020202020202020202020202 \
                        00 00 03 00 01 05 03 00 \
                        00 02 01 01";
        assert_eq!(hex::encode(&entry), expected.replace(' ', ""));
        assert_eq!(decode(7, &entry).unwrap(), commit);
        assert_eq!((commit.last(), commit.type_of(&commit.events[1])), (11, "login"));

        for length in 0..entry.len() {
            assert!(matches!(decode(7, &entry[..length]), Err(Error::Damaged(_))), "{length}");
        }
        assert!(matches!(decode(7, &[&entry[..], b"x"].concat()), Err(Error::Damaged(_))));
        assert!(matches!(decode(u64::MAX, &entry), Err(Error::Damaged(_))));
    }

    #[test]
    fn events_up_to_a_position_are_removed() {
        let whole = commit([(app(1), 0, "scale"), (user(2), 0, "login"), (app(1), 0, "scale")]);
        for (after, first, left) in [(0, 7, 3), (6, 7, 3), (7, 8, 2), (8, 9, 1), (9, 10, 0)] {
            let mut trimmed = whole.clone();
            trim(&mut trimmed, after);
            assert_eq!((trimmed.first, &trimmed.events[..]), (first, &whole.events[3 - left..]), "{after}");
        }
    }

    #[test]
    fn a_large_commit_takes_at_most_12_bytes_an_event() {
        let mut random = 1_u64;
        let events = (0..8000_u16).map(|index| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let timeline = if index < 4400 { u64::from(index) } else { (random >> 33) % 4400 };
            let mut id = [7; 12];
            id[..8].copy_from_slice(&timeline.to_be_bytes());
            let types = ["scale", "restart", "deployment", "run"];
            let event_type = types[usize::try_from(random >> 62).unwrap()];
            (TimelineId::App(AppId::from_bytes(id)), 0, event_type)
        });
        let commit = commit(events);
        let entry = encode(&commit);
        assert!(entry.len() <= 8000 * 12, "{}", entry.len() as f64 / 8000.0);
        assert_eq!(decode(7, &entry).unwrap(), commit);
    }

    proptest! {
        #[test]
        fn entries_read_as_they_were_written(
            events in prop::collection::vec((0..6_u8, 0..3_u64, 0..3_usize), 1..200),
        ) {
            let commit = commit(events.into_iter().map(|(number, skipped, event_type)| {
                let timeline = if number < 3 { app(number) } else { user(number) };
                (timeline, skipped, ["scale", "login", "database/add_feature"][event_type])
            }));
            prop_assert_eq!(decode(7, &encode(&commit)).unwrap(), commit);
        }

        #[test]
        fn any_bytes_decode_without_a_panic(entry in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(commit) = decode(1, &entry) {
                for event in &commit.events {
                    prop_assert!(commit.types.iter().any(|name| name == commit.type_of(event)));
                }
            }
        }
    }
}
