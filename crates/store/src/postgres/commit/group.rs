//! A group: commands that are committed together, decided one after another, each from a snapshot that contains those
//! before it.
//!
//! Deciding does not wait for the database. If a command reads data that is neither cached nor looked up, the key of the
//! data is noted and the command is set aside. All missing keys are looked up at once. Then the commands that were set
//! aside are decided again.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use annals_model::EventId;
use foldhash::HashMap;

use crate::contract::{Command, CommitError, Head, NewEvent, Snapshot, WriteSet};
use crate::engine::{GroupSize, Pending, decide, platform};
use crate::error::Error;
use crate::postgres::cache::{Cache, CachedHead, CachedRow, Found, Keys};
use crate::postgres::schema::distribution_key;
use crate::postgres::schema::values::to_i64;
use crate::rows::{Row, RowKey, key};
use crate::timeline::TimelineId;

use super::effects::{Effects, NewHead, NewState};
use super::read_set::ReadSet;

/// A group of up to this many events writes all states, so that SQL queries see current states except under load.
const SMALL_EVENTS_MAX: usize = 256;

/// Where a group's data may come from, besides lookups.
pub(crate) struct Sources {
    /// The cache, unless cached data may not be used.
    pub(crate) cache: Option<Arc<Cache>>,
    /// The effects of the group before this one, if that is still being written.
    pub(crate) before: Option<Arc<Effects>>,
}

/// A decided command, and the result for its caller once the group is committed.
pub(crate) type Decided = (Pending, Result<(), CommitError>);

pub(crate) struct Group {
    sources: Sources,
    /// What was looked up since the last command was added.
    found: Found,
    /// What was read from the cache, and what was looked up earlier. It stays the same for the whole group, even if
    /// the cache changes.
    cached: RefCell<Found>,
    effects: Effects,
    decided: Vec<Decided>,
    undecided: Vec<Pending>,
}

/// The result of trying to decide a command.
enum Attempt {
    Decided(Result<(), CommitError>),
    /// These keys have to be looked up first.
    Missing(Keys),
}

/// A snapshot for one command, which records what the command reads.
struct TrackingSnapshot<'a> {
    group: &'a Group,
    read_set: RefCell<ReadSet>,
}

impl Snapshot for TrackingSnapshot<'_> {
    fn head(&self, timeline: TimelineId) -> Result<Head, Error> {
        Ok(self.group.head(timeline, &mut self.read_set.borrow_mut()).unwrap_or_default())
    }

    fn row(&self, key: &RowKey) -> Result<Option<Row>, Error> {
        let group = self.group;
        let mut read_set = self.read_set.borrow_mut();
        if let Some(row) = group.effects.rows.get(key) {
            return Ok(row.clone());
        }
        let owner = distribution_key::owning_timeline(key);
        let found = match owner {
            Some(timeline) => group.owned_row(key, timeline, &mut read_set),
            None => group.row_before(key, &mut read_set),
        };
        let Some(found) = found else {
            read_set.missing.rows.insert(key.clone());
            return Ok(None);
        };
        let row = found.row.clone();
        match owner {
            Some(_) => read_set.owned.push((key.clone(), found)),
            None => read_set.rows.push((key.clone(), found.version)),
        }
        Ok(row)
    }

    fn contains_event(&self, event: EventId, home: TimelineId) -> Result<bool, Error> {
        let group = self.group;
        let contains = |effects: &Effects| effects.external_ids.contains_key(&event);
        if contains(&group.effects) || group.sources.before.as_deref().is_some_and(contains) {
            return Ok(true);
        }
        match group.found.events.get(&(event, home)) {
            Some(is_recorded) => Ok(*is_recorded),
            None => {
                self.read_set.borrow_mut().missing.events.insert((event, home));
                Ok(false)
            }
        }
    }
}

impl Group {
    pub(crate) fn new(sources: Sources, found: Found) -> Self {
        Self {
            sources,
            found,
            cached: RefCell::default(),
            effects: Effects::default(),
            decided: Vec::new(),
            undecided: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.decided.is_empty() && self.undecided.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        let commands = self.decided.len() + self.undecided.len();
        GroupSize { commands, ..self.effects.size }.is_full()
    }

    /// Treats what was looked up so far as cached data, since it may be older than the command that is added next.
    pub(crate) fn demote_found(&mut self) {
        let found = std::mem::take(&mut self.found);
        self.cached.get_mut().extend(Found { events: HashMap::default(), ..found });
    }

    /// Adds a command, for [`Group::decide`] to decide.
    pub(crate) fn push(&mut self, pending: Pending) {
        self.undecided.push(pending);
    }

    /// Decides the commands that can be decided, and returns the keys to look up for the rest.
    pub(crate) fn decide(&mut self) -> Keys {
        let mut missing = Keys::default();
        for mut pending in std::mem::take(&mut self.undecided) {
            match self.take(&mut *pending.command) {
                Attempt::Decided(outcome) => self.decided.push((pending, outcome)),
                Attempt::Missing(wanted) => {
                    missing.extend(wanted);
                    self.undecided.push(pending);
                }
            }
        }
        missing
    }

    /// Adds the result of a lookup.
    pub(crate) fn add_found(&mut self, found: Found) {
        self.found.extend(found);
    }

    /// Removes and returns the commands that could not be decided.
    pub(crate) fn take_undecided(&mut self) -> Vec<Pending> {
        std::mem::take(&mut self.undecided)
    }

    /// Returns all commands, to be decided again.
    pub(crate) fn into_commands(self) -> impl Iterator<Item = Pending> {
        self.decided.into_iter().map(|(pending, _)| pending).chain(self.undecided)
    }

    /// Returns the group's effects, with this version for rows and a clock greater than `clock`, and the decided
    /// commands.
    pub(crate) fn finish(mut self, version: i64, clock: i64) -> (Effects, Vec<Decided>) {
        let effects = &mut self.effects;
        // A hybrid logical clock: the time, or one more than the greatest clock seen if that is later.
        let before = effects.heads.values().map(|new| new.clock_before).fold(clock, i64::max);
        effects.clock = to_i64(effects.platform.recorded_at.as_millis()).max(before + 1);
        effects.heads.values_mut().for_each(|new| new.clock = effects.clock);
        effects.version = version;
        effects.clocks_read.retain(|timeline, _| !effects.heads.contains_key(timeline));
        let is_small = effects.size.events <= SMALL_EVENTS_MAX;
        for (key, row) in &effects.rows {
            let (RowKey::App(key::App(app)), Some(row)) = (key, row) else { continue };
            let new = &effects.heads[&TimelineId::App(*app)];
            let before = effects.owned.get(key).filter(|found| found.row.is_some());
            let before = before.map(|found| (found.checkpoint.plus(new.entries.bytes()), found.bytes));
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

    /// Decides a command and adds its writes to the group, or returns what is missing. A rejected command leaves no
    /// trace.
    fn take(&mut self, command: &mut dyn Command) -> Attempt {
        let snapshot = TrackingSnapshot { group: self, read_set: RefCell::default() };
        let decided = decide(command, &snapshot);
        let mut read_set = snapshot.read_set.into_inner();
        if !read_set.missing.is_empty() {
            return Attempt::Missing(read_set.missing);
        }
        let refused = match decided {
            Ok(writes) => {
                let of_events =
                    writes.events.iter().flat_map(|event| [Some(event.home()), event.reference()]);
                let of_rows = writes.rows.iter().map(|(key, _)| distribution_key::owning_timeline(key));
                let written: HashSet<_> = of_events.chain(of_rows).flatten().collect();
                for timeline in &written {
                    self.head(*timeline, &mut read_set);
                }
                if !read_set.missing.is_empty() {
                    return Attempt::Missing(read_set.missing);
                }
                let unproven = read_set.unproven(&writes, &written);
                if !unproven.is_empty() {
                    return Attempt::Missing(unproven);
                }
                // If commands of the group read different versions of a row, the commit compares the one that was read
                // first. The comparison then fails, because the row has changed since.
                for (key, version) in read_set.rows {
                    self.effects.read.entry(key).or_insert(version);
                }
                for (timeline, clock) in read_set.clocks {
                    self.effects.clocks_read.entry(timeline).or_insert(clock);
                }
                for (key, found) in read_set.owned {
                    self.effects.owned.entry(key).or_insert(found);
                }
                self.absorb(writes);
                return Attempt::Decided(Ok(()));
            }
            Err(refused) => refused,
        };
        // A rejection writes nothing, so no commit compares what it read. It must not depend on cached data.
        if read_set.from_cache.is_empty() {
            Attempt::Decided(Err(refused))
        } else {
            Attempt::Missing(read_set.from_cache)
        }
    }

    fn head(&self, timeline: TimelineId, read_set: &mut ReadSet) -> Option<Head> {
        match self.effects.heads.get(&timeline) {
            Some(new) => Some(new.head),
            None => self.head_before(timeline, read_set).map(|found| found.head),
        }
    }

    /// Returns a row that no timeline owns, as it was before this group.
    fn row_before(&self, key: &RowKey, read_set: &mut ReadSet) -> Option<CachedRow> {
        if let Some(found) = self.sources.before.as_ref().and_then(|before| before.row(key)) {
            return Some(found);
        }
        if let Some(found) = self.found.rows.get(key) {
            return Some(found.clone());
        }
        let found = self.cached_row(key)?;
        read_set.from_cache.rows.insert(key.clone());
        Some(found)
    }

    /// Returns a row that a timeline owns, as it was before this group. A found or cached row is current if its version is
    /// the timeline's clock.
    fn owned_row(&self, key: &RowKey, owner: TimelineId, read_set: &mut ReadSet) -> Option<CachedRow> {
        let clock = self.head_before(owner, read_set)?.clock;
        let before = self.sources.before.as_ref();
        if let Some(found) = before.and_then(|before| before.row(key)) {
            return Some(found);
        }
        // The group before may write the timeline but not the row. The row then still has the clock before that group.
        let clock_before = before.and_then(|before| before.heads.get(&owner)).map(|new| new.clock_before);
        if let Some(found) = self.found.rows.get(key)
            // With a group before, the row may be of another clock. If another process has written the row since, one of
            // the two groups fails.
            && (found.version == clock || clock_before.is_some())
        {
            return Some(found.clone());
        }
        let found = self.cached_row(key)?;
        if found.version != clock && Some(found.version) != clock_before {
            return None;
        }
        read_set.from_cache.rows.insert(key.clone());
        Some(found)
    }

    fn cached_row(&self, key: &RowKey) -> Option<CachedRow> {
        let mut cached = self.cached.borrow_mut();
        if let Some(found) = cached.rows.get(key) {
            return Some(found.clone());
        }
        let found = self.sources.cache.as_ref()?.rows.get(key)?;
        cached.rows.insert(key.clone(), found.clone());
        Some(found)
    }

    fn cached_head(&self, timeline: TimelineId) -> Option<CachedHead> {
        let mut cached = self.cached.borrow_mut();
        if let Some(found) = cached.heads.get(&timeline) {
            return Some(*found);
        }
        let found = self.sources.cache.as_ref()?.heads.get(&timeline)?;
        cached.heads.insert(timeline, found);
        Some(found)
    }

    /// Returns the head of a timeline before this group.
    fn head_before(&self, timeline: TimelineId, read_set: &mut ReadSet) -> Option<CachedHead> {
        let found = if let Some(before) = &self.sources.before
            && let Some(new) = before.heads.get(&timeline)
        {
            CachedHead { head: new.head, clock: before.clock }
        } else if let Some(found) = self.found.heads.get(&timeline) {
            *found
        } else if let Some(found) = self.cached_head(timeline) {
            read_set.from_cache.heads.insert(timeline);
            found
        } else {
            read_set.missing.heads.insert(timeline);
            return None;
        };
        read_set.clocks.push((timeline, found.clock));
        Some(found)
    }

    fn absorb(&mut self, writes: WriteSet) {
        let recorded_at = &mut self.effects.platform.recorded_at;
        *recorded_at = writes.recorded_at.max(*recorded_at);
        for event in writes.events {
            self.append(event);
        }
        for (key, row) in writes.rows {
            if let Some(timeline) = distribution_key::owning_timeline(&key) {
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
        if event.is_indexed {
            self.effects.external_ids.insert(event.id, (home, position));
        }
        platform::push(&mut self.effects.platform, &event, position);
        self.effects.size.add_event(event.json.len());
    }

    /// Returns the new head of a timeline that the group writes.
    fn new_head(&mut self, timeline: TimelineId) -> &mut NewHead {
        if !self.effects.heads.contains_key(&timeline) {
            let found = self.head_before(timeline, &mut ReadSet::default());
            let CachedHead { head, clock } = found.expect("what is written was looked up");
            let clock_before = self.effects.clocks_read.get(&timeline).copied().unwrap_or(clock);
            self.effects.heads.insert(timeline, NewHead::after(head, clock_before, timeline));
        }
        self.effects.heads.get_mut(&timeline).expect("it was just inserted")
    }
}
