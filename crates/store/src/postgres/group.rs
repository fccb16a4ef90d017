//! Changes that are committed together: decided one after another, each with those before it in view.
//!
//! Deciding does not wait for the database. What a change asks for and is not known is noted, the change is set aside, and
//! all that is missing is looked up at once before it is decided again.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use annals_model::{EventId, Time};
use bytes::Bytes;
use foldhash::{HashMap, HashMapExt};
use tokio::sync::oneshot;

use crate::contract::{
    Change, CommitError, Error, Head, NewEvent, Refusal, TimelineId, View, Writes, extend,
};
use crate::rows::{Row, RowKey};

use super::known::{ABSENT, Keys, Known, KnownHead, KnownRow, Memory};

/// A group takes no further change once it has this many events, which bounds its time and memory.
const EVENTS_FULL: usize = 8 * 1024;
/// Or this many bytes of events.
const BYTES_FULL: usize = 8 << 20;
/// Or this many changes.
const CHANGES_FULL: usize = 1024;

/// A change, and who waits for it.
pub(super) struct Entry {
    pub(super) change: Box<dyn Change>,
    pub(super) done: oneshot::Sender<Result<(), CommitError>>,
}

/// What a group writes, and what that was decided from.
#[derive(Default)]
pub(super) struct Effects {
    /// The versions of rows that decisions were made from.
    pub(super) read: HashMap<RowKey, i64>,
    /// How many events it records.
    pub(super) events: usize,
    pub(super) heads: BTreeMap<TimelineId, NewHead>,
    pub(super) rows: HashMap<RowKey, Option<Row>>,
    pub(super) given: HashMap<EventId, (TimelineId, u64)>,
    pub(super) appended: Vec<Appended>,
    /// The positions that were appended to each home.
    pub(super) stretches: BTreeMap<TimelineId, Vec<RangeInclusive<u64>>>,
    /// The clock of every timeline it appends to, and the version of every row it writes.
    pub(super) clock: i64,
    pub(super) version: i64,
    pub(super) bytes: usize,
}

impl Effects {
    pub(super) fn is_empty(&self) -> bool {
        self.heads.is_empty() && self.rows.is_empty()
    }

    /// Everything it was decided from or writes, for whoever wants to hold it still.
    pub(super) fn keys(&self) -> Keys {
        Keys {
            heads: self.heads.keys().copied().collect(),
            rows: self.read.keys().chain(self.rows.keys()).cloned().collect(),
            events: HashSet::new(),
        }
    }

    /// What is known once it is recorded.
    pub(super) fn recorded(&self) -> Known {
        let heads = self.heads.iter();
        let rows = self.rows.iter().map(|(key, row)| {
            let version = if row.is_some() { self.version } else { ABSENT };
            (key.clone(), KnownRow { row: row.clone(), version, bytes: row.as_ref().map_or(0, weight) })
        });
        Known {
            heads: heads
                .map(|(timeline, new)| (*timeline, KnownHead { head: new.head, clock: self.clock }))
                .collect(),
            rows: rows.collect(),
            events: HashMap::new(),
        }
    }
}

/// Where a timeline will stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewHead {
    pub(super) length_before: u64,
    pub(super) head: Head,
}

/// An event at its place in a timeline.
pub(super) struct Appended {
    pub(super) timeline: TimelineId,
    pub(super) position: u64,
    pub(super) created_at: Time,
    pub(super) is_home: bool,
    pub(super) json: Bytes,
}

/// What a group may be decided from besides what is looked up for it.
pub(super) struct Sources {
    /// What is remembered, where it may be trusted until it is compared.
    pub(super) memory: Option<Arc<Memory>>,
    /// What the group before writes, which may still be under way.
    pub(super) before: Option<Arc<Effects>>,
}

/// What became of a change, for who waits for it.
pub(super) type Decided = (Entry, Result<(), CommitError>);

pub(super) struct Group {
    sources: Sources,
    /// What was looked up since the last change came.
    found: Known,
    /// What was taken from memory, and what was looked up before: the group keeps to it, whatever others remember meanwhile.
    remembered: RefCell<Known>,
    effects: Effects,
    decided: Vec<Decided>,
    undecided: Vec<Entry>,
}

/// What became of a change that was to be taken in.
enum Taken {
    Decided(Result<(), CommitError>),
    /// This has to be looked up first.
    Wants(Keys),
}

/// What one decision looked at.
#[derive(Default)]
struct Seen {
    missing: Keys,
    remembered: Keys,
    rows: Vec<(RowKey, i64)>,
}

impl Seen {
    /// What was remembered and nothing compares with the database when these writes are recorded: that a row is not there,
    /// unless it is written; where a timeline stands, unless it is appended to; and anything at all, if nothing is written.
    fn unproven(&self, writes: &Writes) -> Keys {
        if writes.events.is_empty() && writes.rows.is_empty() {
            return self.remembered.clone();
        }
        let mut unproven = Keys { heads: self.remembered.heads.clone(), ..Keys::default() };
        for event in &writes.events {
            unproven.heads.remove(&event.home());
            event.reference().inspect(|timeline| _ = unproven.heads.remove(timeline));
        }
        for (key, version) in &self.rows {
            if *version == ABSENT
                && self.remembered.rows.contains(key)
                && !writes.rows.iter().any(|(written, row)| written == key && row.is_some())
            {
                unproven.rows.insert(key.clone());
            }
        }
        unproven
    }
}

struct Sight<'a> {
    group: &'a Group,
    seen: RefCell<Seen>,
}

impl View for Sight<'_> {
    fn head(&self, timeline: TimelineId) -> Result<Head, Error> {
        let known = self.group.head(timeline, &mut self.seen.borrow_mut());
        Ok(known.unwrap_or_default().head)
    }

    fn row(&self, key: &RowKey) -> Result<Option<Row>, Error> {
        let group = self.group;
        let mut seen = self.seen.borrow_mut();
        if let Some(row) = group.effects.rows.get(key) {
            return Ok(row.clone());
        }
        if let Some(before) = &group.sources.before
            && let Some(row) = before.rows.get(key)
        {
            let version = if row.is_some() { before.version } else { ABSENT };
            seen.rows.push((key.clone(), version));
            return Ok(row.clone());
        }
        if let Some(known) = group.found.rows.get(key) {
            seen.rows.push((key.clone(), known.version));
            return Ok(known.row.clone());
        }
        if let Some(known) = group.remembered_row(key) {
            seen.remembered.rows.insert(key.clone());
            seen.rows.push((key.clone(), known.version));
            return Ok(known.row);
        }
        seen.missing.rows.insert(key.clone());
        Ok(None)
    }

    fn holds(&self, event: EventId, home: TimelineId) -> Result<bool, Error> {
        let group = self.group;
        let given = |effects: &Effects| effects.given.contains_key(&event);
        if given(&group.effects) || group.sources.before.as_deref().is_some_and(given) {
            return Ok(true);
        }
        match group.found.events.get(&(event, home)) {
            Some(is_recorded) => Ok(*is_recorded),
            None => {
                self.seen.borrow_mut().missing.events.insert((event, home));
                Ok(false)
            }
        }
    }
}

impl Group {
    pub(super) fn new(sources: Sources, found: Known) -> Self {
        Self {
            sources,
            found,
            remembered: RefCell::default(),
            effects: Effects::default(),
            decided: Vec::new(),
            undecided: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.decided.is_empty() && self.undecided.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.effects.events >= EVENTS_FULL
            || self.effects.bytes >= BYTES_FULL
            || self.decided.len() + self.undecided.len() >= CHANGES_FULL
    }

    /// Makes what was looked up so far something remembered: it may be older than the change that comes next.
    pub(super) fn age(&mut self) {
        let found = std::mem::take(&mut self.found);
        self.remembered.get_mut().extend(Known { events: HashMap::new(), ..found });
    }

    /// Takes changes in, which [`Group::decide`] decides.
    pub(super) fn push(&mut self, entry: Entry) {
        self.undecided.push(entry);
    }

    /// Decides what can be decided, and says what has to be looked up for the rest.
    pub(super) fn decide(&mut self) -> Keys {
        let mut missing = Keys::default();
        for mut entry in std::mem::take(&mut self.undecided) {
            match self.take(&mut *entry.change) {
                Taken::Decided(outcome) => self.decided.push((entry, outcome)),
                Taken::Wants(wanted) => {
                    missing.extend(wanted);
                    self.undecided.push(entry);
                }
            }
        }
        missing
    }

    /// What was looked up.
    pub(super) fn learn(&mut self, found: Known) {
        self.found.extend(found);
    }

    /// The changes that could not be decided.
    pub(super) fn give_up(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.undecided)
    }

    /// Its changes, to be decided once more.
    pub(super) fn into_changes(self) -> impl Iterator<Item = Entry> {
        self.decided.into_iter().map(|(entry, _)| entry).chain(self.undecided)
    }

    /// What it writes, under that version, and what became of its changes once that is written.
    pub(super) fn finish(mut self, version: i64) -> (Effects, Vec<Decided>) {
        let mut seen = Seen::default();
        let clocks = self.effects.heads.keys().filter_map(|timeline| self.known_head(*timeline, &mut seen));
        self.effects.clock = clocks.map(|known| known.clock).max().unwrap_or_default() + 1;
        self.effects.version = version;
        (self.effects, self.decided)
    }

    /// Decides a change and takes its writes in, or says what is missing; a refused one leaves no trace.
    fn take(&mut self, change: &mut dyn Change) -> Taken {
        let sight = Sight { group: self, seen: RefCell::default() };
        // A bug in a decision costs the request that met it, not all others.
        let decided = catch_unwind(AssertUnwindSafe(|| change.decide(&sight)));
        let mut seen = sight.seen.into_inner();
        if !seen.missing.is_empty() {
            return Taken::Wants(seen.missing);
        }
        let refused = match decided {
            Ok(Ok(writes)) => {
                let timelines =
                    writes.events.iter().flat_map(|event| [Some(event.home()), event.reference()]);
                for timeline in timelines.flatten() {
                    self.head(timeline, &mut seen);
                }
                if !seen.missing.is_empty() {
                    return Taken::Wants(seen.missing);
                }
                let unproven = seen.unproven(&writes);
                if !unproven.is_empty() {
                    return Taken::Wants(unproven);
                }
                for (key, version) in seen.rows {
                    self.effects.read.entry(key).or_insert(version);
                }
                self.absorb(writes);
                return Taken::Decided(Ok(()));
            }
            Ok(Err(Refusal::Rejected(rejection))) => CommitError::Rejected(rejection),
            Ok(Err(Refusal::Failed(error))) => CommitError::Failed(error),
            Err(_) => CommitError::Failed(Error::Engine("a decision panicked".into())),
        };
        // Nothing compares what a refusal was decided from with the database, so it is looked up.
        if seen.remembered.is_empty() { Taken::Decided(Err(refused)) } else { Taken::Wants(seen.remembered) }
    }

    fn head(&self, timeline: TimelineId, seen: &mut Seen) -> Option<KnownHead> {
        match self.effects.heads.get(&timeline) {
            Some(new) => Some(KnownHead { head: new.head, clock: 0 }),
            None => self.known_head(timeline, seen),
        }
    }

    fn remembered_row(&self, key: &RowKey) -> Option<KnownRow> {
        let mut remembered = self.remembered.borrow_mut();
        if let Some(known) = remembered.rows.get(key) {
            return Some(known.clone());
        }
        let known = self.sources.memory.as_ref()?.rows.get(key)?;
        remembered.rows.insert(key.clone(), known.clone());
        Some(known)
    }

    fn remembered_head(&self, timeline: TimelineId) -> Option<KnownHead> {
        let mut remembered = self.remembered.borrow_mut();
        if let Some(known) = remembered.heads.get(&timeline) {
            return Some(*known);
        }
        let known = self.sources.memory.as_ref()?.heads.get(&timeline)?;
        remembered.heads.insert(timeline, known);
        Some(known)
    }

    /// Where a timeline stood before this group.
    fn known_head(&self, timeline: TimelineId, seen: &mut Seen) -> Option<KnownHead> {
        if let Some(before) = &self.sources.before
            && let Some(new) = before.heads.get(&timeline)
        {
            return Some(KnownHead { head: new.head, clock: before.clock });
        }
        if let Some(known) = self.found.heads.get(&timeline) {
            return Some(*known);
        }
        if let Some(known) = self.remembered_head(timeline) {
            seen.remembered.heads.insert(timeline);
            return Some(known);
        }
        seen.missing.heads.insert(timeline);
        None
    }

    fn absorb(&mut self, writes: Writes) {
        for event in writes.events {
            self.append(event);
        }
        self.effects.rows.extend(writes.rows);
    }

    fn append(&mut self, event: NewEvent) {
        let (home, reference) = (event.home(), event.reference());
        let json = Bytes::from(event.json);
        let position = self.append_to(home, event.created_at, true, json.clone());
        if event.id_given {
            self.effects.given.insert(event.id, (home, position));
        }
        extend(self.effects.stretches.entry(home).or_default(), position);
        self.effects.bytes += json.len();
        self.effects.events += 1;
        if let Some(timeline) = reference {
            self.append_to(timeline, event.created_at, false, json);
        }
    }

    fn append_to(&mut self, timeline: TimelineId, created_at: Time, is_home: bool, json: Bytes) -> u64 {
        let found = self.head(timeline, &mut Seen::default()).unwrap_or_default().head;
        assert!(created_at >= found.last_time, "a change never goes back in time");
        let new = self
            .effects
            .heads
            .entry(timeline)
            .or_insert(NewHead { length_before: found.length, head: found });
        new.head = Head { length: found.length + 1, last_time: created_at };
        let position = new.head.length;
        self.effects.appended.push(Appended { timeline, position, created_at, is_home, json });
        position
    }
}

/// About how long a row is when written; writing it only to know would cost more than it is worth.
fn weight(row: &Row) -> usize {
    match row {
        Row::App(_) => 1024,
        _ => 256,
    }
}
