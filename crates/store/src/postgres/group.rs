//! Commands that are committed together: decided one after another, each with those before it in view.
//!
//! Deciding does not wait for the database. What a command asks for and is not known is noted, the command is set aside, and
//! all that is missing is looked up at once before it is decided again.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use annals_model::{AppId, EventId, Time};
use foldhash::{HashMap, HashMapExt};
use tokio::sync::oneshot;

use crate::checkpoint::Checkpoint;
use crate::contract::{
    Command, CommandError, CommitError, Error, Head, NewEvent, Snapshot, TimelineId, WriteSet, extend,
};
use crate::rows::{Row, RowKey};

use super::entries::Entries;
use super::known::{ABSENT, Keys, Known, KnownHead, KnownRow, Memory};
use super::place;
use super::values::{Json, timeline_text};

/// A group takes no further command once it has this many events, which bounds its time and memory.
const EVENTS_FULL: usize = 8 * 1024;
/// Or this many bytes of events.
const BYTES_FULL: usize = 8 << 20;
/// Or this many commands.
const COMMANDS_FULL: usize = 1024;
/// About how long a row is when written; writing it only to know would cost more than it is worth.
const ROW_BYTES: usize = 256;
/// In a group of up to this many events all states are written, so that they can be read in SQL as they are.
const EXACT_EVENTS_MAX: usize = 256;

/// A command, and who waits for it.
pub(super) struct Entry {
    pub(super) command: Box<dyn Command>,
    pub(super) done: oneshot::Sender<Result<(), CommitError>>,
}

/// What a group writes, and what that was decided from.
#[derive(Default)]
pub(super) struct Effects {
    /// The versions of rows that decisions were made from.
    pub(super) read: HashMap<RowKey, i64>,
    /// The clocks of timelines that they were made from.
    pub(super) clocks_read: HashMap<TimelineId, i64>,
    /// The guarded rows that they were made from.
    pub(super) guarded: HashMap<RowKey, KnownRow>,
    /// How many events it records.
    pub(super) events: usize,
    /// The timelines that are appended to, or guard a row that is written.
    pub(super) heads: HashMap<TimelineId, NewHead>,
    pub(super) rows: HashMap<RowKey, Option<Row>>,
    /// Of the states of apps among the rows, how each is stored.
    pub(super) states: HashMap<AppId, NewState>,
    /// Apps whose state cannot be rebuilt from their events.
    pub(super) force_checkpoint: HashSet<AppId>,
    pub(super) given: HashMap<EventId, (TimelineId, u64)>,
    /// The positions that were appended to each home.
    pub(super) ranges: HashMap<TimelineId, Vec<RangeInclusive<u64>>>,
    /// The clock of every timeline in `heads`, and the version of every row it writes.
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
            heads: self.heads.keys().chain(self.clocks_read.keys()).copied().collect(),
            rows: self.read.keys().chain(self.rows.keys()).chain(self.guarded.keys()).cloned().collect(),
            events: HashSet::new(),
        }
    }

    /// The timelines in the order in which everybody locks them.
    pub(super) fn sorted_heads(&self) -> Vec<&NewHead> {
        let mut heads: Vec<_> = self.heads.iter().collect();
        heads.sort_unstable_by_key(|(timeline, _)| **timeline);
        heads.into_iter().map(|(_, new)| new).collect()
    }

    /// What is known once it is recorded.
    pub(super) fn recorded(&self) -> Known {
        let heads = self.heads.iter();
        let rows = self.rows.keys().chain(self.guarded.keys());
        Known {
            heads: heads
                .map(|(timeline, new)| (*timeline, KnownHead { head: new.head, clock: self.clock }))
                .collect(),
            rows: rows.filter_map(|key| Some((key.clone(), self.row(key)?))).collect(),
            events: HashMap::new(),
        }
    }

    /// A row as it is once this is recorded, if this says anything of it: it writes the row, or the timeline that guards it.
    pub(super) fn row(&self, key: &RowKey) -> Option<KnownRow> {
        let guard = place::guard(key);
        if let Some(row) = self.rows.get(key) {
            let version = match guard {
                Some(_) => self.clock,
                None if row.is_some() => self.version,
                None => ABSENT,
            };
            let (bytes, checkpoint) = match key {
                RowKey::App(app) => self.states.get(app).map(|state| (state.bytes, state.checkpoint)),
                _ => Some((ROW_BYTES, Checkpoint::default())),
            }
            .unwrap_or_default();
            return Some(KnownRow { row: row.clone(), version, bytes, checkpoint });
        }
        let known = self.guarded.get(key)?;
        self.heads.contains_key(&guard?).then(|| KnownRow { version: self.clock, ..known.clone() })
    }
}

/// Where a timeline will stand, and what is appended to it for that.
#[derive(Debug, Clone)]
pub(super) struct NewHead {
    pub(super) clock_before: i64,
    /// Greater than that of each timeline that the group writes was before.
    pub(super) clock: i64,
    pub(super) head: Head,
    pub(super) entries: Entries,
}

impl NewHead {
    /// Where it stands before anything is appended.
    pub(super) fn after(head: Head, clock_before: i64, timeline: TimelineId) -> Self {
        let entries = Entries::of(timeline_text(timeline));
        Self { clock_before, clock: clock_before, head, entries }
    }

    /// Appends an event; gives its position.
    pub(super) fn append(&mut self, created_at: Time, is_home: bool, json: &[u8]) -> u64 {
        assert!(created_at >= self.head.last_time, "a command never goes back in time");
        self.head = Head { length: self.head.length + 1, last_time: created_at };
        self.entries.push(self.head.length, created_at, is_home, json);
        self.head.length
    }
}

/// How a state of an app will be stored.
#[derive(Debug, Clone)]
pub(super) struct NewState {
    /// What is written, if the state is not rebuilt from its timeline when it is read.
    pub(super) value: Option<Json>,
    pub(super) checkpoint: Checkpoint,
    /// How long what is stored is.
    bytes: usize,
}

impl NewState {
    /// One that is written, with all events up to that position in it.
    pub(super) fn written(state: &Row, position: u64) -> Self {
        let value = state.to_bytes();
        Self { bytes: value.len(), value: Some(Json(value.into())), checkpoint: Checkpoint::at(position) }
    }
}

/// What a group may be decided from besides what is looked up for it.
pub(super) struct Sources {
    /// What is remembered, where it may be trusted until it is compared.
    pub(super) memory: Option<Arc<Memory>>,
    /// What the group before writes, which may still be under way.
    pub(super) before: Option<Arc<Effects>>,
}

/// What became of a command, for who waits for it.
pub(super) type Decided = (Entry, Result<(), CommitError>);

pub(super) struct Group {
    sources: Sources,
    /// What was looked up since the last command came.
    found: Known,
    /// What was taken from memory, and what was looked up before: the group keeps to it, whatever others remember meanwhile.
    remembered: RefCell<Known>,
    effects: Effects,
    decided: Vec<Decided>,
    undecided: Vec<Entry>,
}

/// What became of a command that was to be taken in.
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
    clocks: Vec<(TimelineId, i64)>,
    guarded: Vec<(RowKey, KnownRow)>,
}

impl Seen {
    /// What was remembered and nothing compares with the database when these writes are recorded: that a row or a timeline
    /// is not there, unless it is written; and anything at all, if nothing is written.
    fn unproven(&self, writes: &WriteSet, written: &HashSet<TimelineId>) -> Keys {
        if writes.events.is_empty() && writes.rows.is_empty() {
            return self.remembered.clone();
        }
        let mut unproven = Keys::default();
        for (timeline, clock) in &self.clocks {
            if *clock == ABSENT && self.remembered.heads.contains(timeline) && !written.contains(timeline) {
                unproven.heads.insert(*timeline);
            }
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

impl Snapshot for Sight<'_> {
    fn head(&self, timeline: TimelineId) -> Result<Head, Error> {
        Ok(self.group.head(timeline, &mut self.seen.borrow_mut()).unwrap_or_default())
    }

    fn row(&self, key: &RowKey) -> Result<Option<Row>, Error> {
        let group = self.group;
        let mut seen = self.seen.borrow_mut();
        if let Some(row) = group.effects.rows.get(key) {
            return Ok(row.clone());
        }
        let guard = place::guard(key);
        let known = match guard {
            Some(timeline) => group.guarded_row(key, timeline, &mut seen),
            None => group.known_row(key, &mut seen),
        };
        let Some(known) = known else {
            seen.missing.rows.insert(key.clone());
            return Ok(None);
        };
        let row = known.row.clone();
        match guard {
            Some(_) => seen.guarded.push((key.clone(), known)),
            None => seen.rows.push((key.clone(), known.version)),
        }
        Ok(row)
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
            || self.decided.len() + self.undecided.len() >= COMMANDS_FULL
    }

    /// Makes what was looked up so far something remembered: it may be older than the command that comes next.
    pub(super) fn age(&mut self) {
        let found = std::mem::take(&mut self.found);
        self.remembered.get_mut().extend(Known { events: HashMap::new(), ..found });
    }

    /// Takes commands in, which [`Group::decide`] decides.
    pub(super) fn push(&mut self, entry: Entry) {
        self.undecided.push(entry);
    }

    /// Decides what can be decided, and says what has to be looked up for the rest.
    pub(super) fn decide(&mut self) -> Keys {
        let mut missing = Keys::default();
        for mut entry in std::mem::take(&mut self.undecided) {
            match self.take(&mut *entry.command) {
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

    /// The commands that could not be decided.
    pub(super) fn give_up(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.undecided)
    }

    /// Its commands, to be decided once more.
    pub(super) fn into_commands(self) -> impl Iterator<Item = Entry> {
        self.decided.into_iter().map(|(entry, _)| entry).chain(self.undecided)
    }

    /// What it writes, under that version, and what became of its commands once that is written.
    pub(super) fn finish(mut self, version: i64) -> (Effects, Vec<Decided>) {
        let effects = &mut self.effects;
        let clocks = effects.heads.values().map(|new| new.clock_before);
        effects.clock = clocks.max().unwrap_or_default() + 1;
        effects.heads.values_mut().for_each(|new| new.clock = effects.clock);
        effects.version = version;
        effects.clocks_read.retain(|timeline, _| !effects.heads.contains_key(timeline));
        let is_small = effects.events <= EXACT_EVENTS_MAX;
        for (key, row) in &effects.rows {
            let (RowKey::App(app), Some(row)) = (key, row) else { continue };
            let new = &effects.heads[&TimelineId::App(*app)];
            let before = effects.guarded.get(key).filter(|known| known.row.is_some());
            let before = before.map(|known| (known.checkpoint.plus(new.entries.bytes()), known.bytes));
            let state = match before {
                Some((checkpoint, bytes))
                    if !is_small
                        && checkpoint.is_good_for(new.head.length)
                        && !effects.force_checkpoint.contains(app) =>
                {
                    NewState { value: None, checkpoint, bytes }
                }
                _ => NewState::written(row, new.head.length),
            };
            effects.states.insert(*app, state);
        }
        (self.effects, self.decided)
    }

    /// Decides a command and takes its writes in, or says what is missing; a refused one leaves no trace.
    fn take(&mut self, command: &mut dyn Command) -> Taken {
        let sight = Sight { group: self, seen: RefCell::default() };
        // A bug in a decision costs the request that met it, not all others.
        let decided = catch_unwind(AssertUnwindSafe(|| command.decide(&sight)));
        let mut seen = sight.seen.into_inner();
        if !seen.missing.is_empty() {
            return Taken::Wants(seen.missing);
        }
        let refused = match decided {
            Ok(Ok(writes)) => {
                let of_events =
                    writes.events.iter().flat_map(|event| [Some(event.home()), event.reference()]);
                let of_rows = writes.rows.iter().map(|(key, _)| place::guard(key));
                let written: HashSet<_> = of_events.chain(of_rows).flatten().collect();
                for timeline in &written {
                    self.head(*timeline, &mut seen);
                }
                if !seen.missing.is_empty() {
                    return Taken::Wants(seen.missing);
                }
                let unproven = seen.unproven(&writes, &written);
                if !unproven.is_empty() {
                    return Taken::Wants(unproven);
                }
                // What was seen first stays what is compared; where the same was seen differently, that shows it.
                for (key, version) in seen.rows {
                    self.effects.read.entry(key).or_insert(version);
                }
                for (timeline, clock) in seen.clocks {
                    self.effects.clocks_read.entry(timeline).or_insert(clock);
                }
                for (key, known) in seen.guarded {
                    self.effects.guarded.entry(key).or_insert(known);
                }
                self.absorb(writes);
                return Taken::Decided(Ok(()));
            }
            Ok(Err(CommandError::Rejected(rejection))) => CommitError::Rejected(rejection),
            Ok(Err(CommandError::Failed(error))) => CommitError::Failed(error),
            Err(_) => CommitError::Failed(Error::Engine("a decision panicked".into())),
        };
        // Nothing compares what a refusal was decided from with the database, so it is looked up.
        if seen.remembered.is_empty() { Taken::Decided(Err(refused)) } else { Taken::Wants(seen.remembered) }
    }

    fn head(&self, timeline: TimelineId, seen: &mut Seen) -> Option<Head> {
        match self.effects.heads.get(&timeline) {
            Some(new) => Some(new.head),
            None => self.known_head(timeline, seen).map(|known| known.head),
        }
    }

    /// A row that no timeline guards, as it was before this group.
    fn known_row(&self, key: &RowKey, seen: &mut Seen) -> Option<KnownRow> {
        if let Some(known) = self.sources.before.as_ref().and_then(|before| before.row(key)) {
            return Some(known);
        }
        if let Some(known) = self.found.rows.get(key) {
            return Some(known.clone());
        }
        let known = self.remembered_row(key)?;
        seen.remembered.rows.insert(key.clone());
        Some(known)
    }

    /// A row as it was before this group, which is right as long as the timeline that guards it has not moved.
    fn guarded_row(&self, key: &RowKey, guard: TimelineId, seen: &mut Seen) -> Option<KnownRow> {
        let clock = self.known_head(guard, seen)?.clock;
        let before = self.sources.before.as_ref();
        if let Some(known) = before.and_then(|before| before.row(key)) {
            return Some(known);
        }
        // What the group before writes to the timeline leaves the row as it is.
        let clock_before = before.and_then(|before| before.heads.get(&guard)).map(|new| new.clock_before);
        if let Some(known) = self.found.rows.get(key)
            // If somebody else has written it since, the group before does not come off, or this one does not.
            && (known.version == clock || clock_before.is_some())
        {
            return Some(known.clone());
        }
        let known = self.remembered_row(key)?;
        if known.version != clock && Some(known.version) != clock_before {
            return None;
        }
        seen.remembered.rows.insert(key.clone());
        Some(known)
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
        let known = if let Some(before) = &self.sources.before
            && let Some(new) = before.heads.get(&timeline)
        {
            KnownHead { head: new.head, clock: before.clock }
        } else if let Some(known) = self.found.heads.get(&timeline) {
            *known
        } else if let Some(known) = self.remembered_head(timeline) {
            seen.remembered.heads.insert(timeline);
            known
        } else {
            seen.missing.heads.insert(timeline);
            return None;
        };
        seen.clocks.push((timeline, known.clock));
        Some(known)
    }

    fn absorb(&mut self, writes: WriteSet) {
        for event in writes.events {
            self.append(event);
        }
        for (key, row) in writes.rows {
            if let Some(timeline) = place::guard(&key) {
                self.new_head(timeline);
            }
            self.effects.rows.insert(key, row);
        }
        self.effects.force_checkpoint.extend(writes.force_checkpoint);
    }

    fn append(&mut self, event: NewEvent) {
        let home = event.home();
        let position = self.new_head(home).append(event.created_at, true, &event.json);
        if let Some(timeline) = event.reference() {
            self.new_head(timeline).append(event.created_at, false, &event.json);
        }
        if event.has_external_id {
            self.effects.given.insert(event.id, (home, position));
        }
        extend(self.effects.ranges.entry(home).or_default(), position);
        self.effects.bytes += event.json.len();
        self.effects.events += 1;
    }

    /// Where a timeline will stand, which the group writes.
    fn new_head(&mut self, timeline: TimelineId) -> &mut NewHead {
        if !self.effects.heads.contains_key(&timeline) {
            let known = self.known_head(timeline, &mut Seen::default());
            let KnownHead { head, clock } = known.expect("what is written was looked up");
            let clock_before = self.effects.clocks_read.get(&timeline).copied().unwrap_or(clock);
            self.effects.heads.insert(timeline, NewHead::after(head, clock_before, timeline));
        }
        self.effects.heads.get_mut(&timeline).expect("it was just put there")
    }
}
