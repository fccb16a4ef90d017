//! The one thread that decides and writes.
//!
//! It takes all commands that wait, decides each with those before it in view, and writes them as one batch that is
//! synced once: the more there is to do, the more shares a sync. Nothing is answered before the sync, and nothing is
//! seen by readers before it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use annals_model::{AppId, EventId};
use fjall::PersistMode;
use foldhash::{HashMap, HashMapExt};
use tokio::sync::{mpsc, oneshot};

use crate::checkpoint::Checkpoint;
use crate::contract::{
    Command, CommandError, CommitError, CommitSummary, Error, Head, NewEvent, Snapshot, TimelineId, WriteSet,
    extend,
};
use crate::rows::{Row, RowKey};

use super::checkpoint;
use super::run::{self, Reference, RunBuilder, run_key};
use super::{CachedRow, Kept, feed, ids};

/// How many commands may wait; a further one waits to be put in the queue.
pub(super) const QUEUE_MAX: usize = 1024;
/// A group takes no further command once it has this many events, which bounds its time and memory.
const GROUP_EVENTS_FULL: usize = 8 * 1024;
/// Or this many bytes of events.
const GROUP_BYTES_FULL: usize = 8 << 20;
/// Or this many commands.
const GROUP_COMMANDS_FULL: usize = 1024;

/// The key, in the keyspace of counts, of how many timelines there are.
pub(super) const TIMELINES_KEY: &[u8] = b"timelines";

/// What the committer is asked to do.
pub(super) enum Job {
    Commit { command: Box<dyn Command>, done: oneshot::Sender<Result<(), CommitError>> },
    Close { done: oneshot::Sender<()> },
}

/// Works until it is told to close or nobody can ask it any more. `last_commit` is the number of the feed's last entry.
pub(super) fn run(kept: Arc<Kept>, mut jobs: mpsc::Receiver<Job>, mut last_commit: u64) {
    let _ending = Ending(Arc::clone(&kept));
    while let Some(job) = jobs.blocking_recv() {
        let started = Instant::now();
        let mut group = Group::new(&kept);
        let mut waiting = Vec::new();
        let mut close = None;
        let mut next = Some(job);
        while let Some(job) = next {
            match job {
                Job::Commit { mut command, done } => match group.take(&mut *command) {
                    Ok(()) => waiting.push(done),
                    Err(error) => _ = done.send(Err(error)),
                },
                Job::Close { done } => {
                    close = Some(done);
                    break;
                }
            }
            next = if group.is_full() || waiting.len() >= GROUP_COMMANDS_FULL {
                None
            } else {
                jobs.try_recv().ok()
            };
        }
        let events = group.events;
        let committed = group.commit(last_commit + 1);
        match &committed {
            Ok(has_entry) => last_commit += u64::from(*has_entry),
            Err(error) => {
                kept.writable.store(false, Ordering::Relaxed);
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    "a commit failed; no further write is accepted"
                );
            }
        }
        if events > 0 && committed.is_ok() {
            (kept.observer)(CommitSummary { commands: waiting.len(), events, elapsed: started.elapsed() });
        }
        for done in waiting {
            let answer = if committed.is_ok() { Ok(()) } else { Err(CommitError::Failed(Error::ReadOnly)) };
            // Whoever asked may have gone; what they asked for is recorded all the same.
            _ = done.send(answer);
        }
        if let Some(done) = close {
            jobs.close();
            _ = done.send(());
            return;
        }
    }
}

/// Events appended to one timeline that is their home.
#[derive(Default)]
struct Appended {
    /// Their positions: in a user's timeline there may be references in between.
    ranges: Vec<RangeInclusive<u64>>,
    bytes: usize,
}

/// Whatever ends the committer, nothing is written from then on, and the store says so.
struct Ending(Arc<Kept>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.writable.store(false, Ordering::Relaxed);
    }
}

/// Commands that are committed together.
struct Group<'a> {
    kept: &'a Kept,
    heads: HashMap<TimelineId, Head>,
    rows: HashMap<RowKey, Option<Row>>,
    force_checkpoint: HashSet<AppId>,
    open_runs: HashMap<TimelineId, RunBuilder>,
    full_runs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the events with given identifiers are.
    given: HashMap<EventId, (TimelineId, u64)>,
    /// What was appended to each home.
    appended: BTreeMap<TimelineId, Appended>,
    /// Heads as they were found, so that deciding again and again does not read them again and again.
    found_heads: RefCell<HashMap<TimelineId, Head>>,
    events: usize,
    bytes: usize,
    new_timelines: u64,
}

impl Snapshot for Group<'_> {
    fn head(&self, timeline: TimelineId) -> Result<Head, Error> {
        if let Some(head) = self.heads.get(&timeline).or(self.found_heads.borrow().get(&timeline)) {
            return Ok(*head);
        }
        let head = self.kept.head(timeline)?;
        self.found_heads.borrow_mut().insert(timeline, head);
        Ok(head)
    }

    fn row(&self, key: &RowKey) -> Result<Option<Row>, Error> {
        match self.rows.get(key) {
            Some(row) => Ok(row.clone()),
            None => self.kept.row(key),
        }
    }

    fn holds(&self, event: EventId, home: TimelineId) -> Result<bool, Error> {
        Ok(self.given.contains_key(&event)
            || self.kept.ids.contains_key(event.as_bytes())?
            || self.kept.find_by_time(home, event)?.is_some())
    }
}

impl<'a> Group<'a> {
    fn new(kept: &'a Kept) -> Self {
        Self {
            kept,
            heads: HashMap::new(),
            rows: HashMap::new(),
            force_checkpoint: HashSet::new(),
            open_runs: HashMap::new(),
            full_runs: Vec::new(),
            given: HashMap::new(),
            appended: BTreeMap::new(),
            found_heads: RefCell::default(),
            events: 0,
            bytes: 0,
            new_timelines: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.events >= GROUP_EVENTS_FULL || self.bytes >= GROUP_BYTES_FULL
    }

    /// Decides a command and takes its writes in; a refused one leaves no trace.
    fn take(&mut self, command: &mut dyn Command) -> Result<(), CommitError> {
        if !self.kept.writable.load(Ordering::Relaxed) {
            return Err(CommitError::Failed(Error::ReadOnly));
        }
        // A bug in a decision costs the request that met it, not all others.
        let decided = catch_unwind(AssertUnwindSafe(|| command.decide(self)));
        let writes = match decided {
            Ok(Ok(writes)) => writes,
            Ok(Err(CommandError::Rejected(rejection))) => return Err(CommitError::Rejected(rejection)),
            Ok(Err(CommandError::Failed(error))) => return Err(CommitError::Failed(error)),
            Err(_) => return Err(CommitError::Failed(Error::Engine("a decision panicked".into()))),
        };
        self.absorb(writes).map_err(CommitError::Failed)
    }

    fn absorb(&mut self, writes: WriteSet) -> Result<(), Error> {
        // Whatever has to be read is read before anything is appended, so that a command is taken whole or not at all.
        for timeline in
            writes.events.iter().flat_map(|event| [Some(event.home()), event.reference()]).flatten()
        {
            self.head(timeline)?;
        }
        for event in writes.events {
            self.append(&event)?;
        }
        self.rows.extend(writes.rows);
        self.force_checkpoint.extend(writes.force_checkpoint);
        Ok(())
    }

    fn append(&mut self, event: &NewEvent) -> Result<(), Error> {
        let home = event.home();
        let (position, first, index) =
            self.append_to(home, |run| run.push_event(event.created_at, &event.json), event)?;
        if event.has_external_id {
            self.given.insert(event.id, (home, position));
        }
        let appended = self.appended.entry(home).or_default();
        extend(&mut appended.ranges, position);
        appended.bytes += event.json.len();
        if let (Some(timeline), TimelineId::App(app)) = (event.reference(), home) {
            let push = |run: &mut RunBuilder| {
                run.push_reference(event.created_at, Reference { app, first, index });
                0
            };
            self.append_to(timeline, push, event)?;
        }
        self.events += 1;
        self.bytes += event.json.len();
        Ok(())
    }

    /// Appends to one timeline; gives the position, and the first position and index in the run.
    fn append_to(
        &mut self,
        timeline: TimelineId,
        push: impl FnOnce(&mut RunBuilder) -> u8,
        event: &NewEvent,
    ) -> Result<(u64, u64, u8), Error> {
        let head = self.head(timeline)?;
        assert!(event.created_at >= head.last_time, "a command never goes back in time");
        let position = head.length + 1;
        if head.length == 0 {
            self.new_timelines += 1;
        }
        if self.open_runs.get(&timeline).is_some_and(RunBuilder::is_full) {
            let full = self.open_runs.remove(&timeline).expect("it was just there");
            self.full_runs.push((run_key(timeline, full.first), full.finish()));
        }
        let run = self.open_runs.entry(timeline).or_insert_with(|| RunBuilder::new(position));
        let index = push(run);
        let first = run.first;
        self.heads.insert(timeline, Head { length: position, last_time: event.created_at });
        Ok((position, first, index))
    }

    /// WriteSet and syncs everything, then lets readers see it. Says whether the feed got an entry.
    fn commit(self, number: u64) -> Result<bool, Error> {
        if self.events == 0 && self.rows.is_empty() {
            return Ok(false);
        }
        let kept = self.kept;
        let mut batch = kept.database.batch().durability(Some(PersistMode::SyncData));
        // In this order: the engine shows a batch to readers key by key, so what is referred to comes before what refers
        // to it, and earlier positions before later ones.
        let open_runs =
            self.open_runs.into_iter().map(|(timeline, run)| (run_key(timeline, run.first), run.finish()));
        let (app_runs, user_runs): (Vec<_>, Vec<_>) =
            self.full_runs.into_iter().chain(open_runs).partition(|(key, _)| run::is_of_app(key));
        for (key, value) in app_runs.into_iter().chain(user_runs) {
            batch.insert(&kept.runs, key, value);
        }
        for (id, (home, position)) in self.given {
            batch.insert(&kept.ids, *id.as_bytes(), ids::value(home, position));
        }
        let mut cached = Vec::with_capacity(self.rows.len());
        for (key, row) in self.rows {
            let stored = match (&key, &row) {
                (RowKey::App(id), Some(Row::App(app))) => {
                    let timeline = TimelineId::App(*id);
                    let position = self.heads.get(&timeline).map_or(0, |head| head.length);
                    let added = self.appended.get(&timeline).map_or(0, |appended| appended.bytes);
                    let before = kept.row_cache.peek(&key).filter(|before| before.row.is_some());
                    match before.map(|before| (before.bytes, before.checkpoint.plus(added))) {
                        // Rebuilt from its timeline, if it has to be read before it is written again.
                        Some((bytes, checkpoint))
                            if checkpoint.is_good_for(position) && !self.force_checkpoint.contains(id) =>
                        {
                            cached.push((key, CachedRow { row, bytes, checkpoint }));
                            continue;
                        }
                        _ => Some((checkpoint::write(app, position), Checkpoint::at(position))),
                    }
                }
                (_, row) => row.as_ref().map(|row| (row.to_bytes(), Checkpoint::default())),
            };
            let (bytes, checkpoint) = stored
                .as_ref()
                .map_or((0, Checkpoint::default()), |(value, checkpoint)| (value.len(), *checkpoint));
            match stored {
                Some((value, _)) => batch.insert(&kept.rows, key.to_bytes(), value),
                None => batch.remove(&kept.rows, key.to_bytes()),
            }
            cached.push((key, CachedRow { row, bytes, checkpoint }));
        }
        let has_entry = !self.appended.is_empty();
        if has_entry {
            let mut entry = Vec::with_capacity(self.appended.len() * 30);
            for (timeline, appended) in self.appended {
                for range in appended.ranges {
                    feed::push(timeline, &range, &mut entry);
                }
            }
            batch.insert(&kept.feed, feed::key(number), entry);
        }
        let timelines = kept.timelines.load(Ordering::Relaxed) + self.new_timelines;
        if self.new_timelines > 0 {
            batch.insert(&kept.counts, TIMELINES_KEY, timelines.to_be_bytes());
        }
        batch.commit()?;

        kept.timelines.store(timelines, Ordering::Relaxed);
        // Heads first: a state is rebuilt up to the head, and one rebuilt in between must not miss what was just written.
        for (timeline, head) in &self.heads {
            kept.heads.insert(*timeline, *head);
        }
        for (key, row) in cached {
            // Removing also tells a reader who began before this commit not to keep what it finds.
            kept.row_cache.remove(&key);
            if row.row.is_none() {
                kept.claims.lock().expect("nothing panics while it holds this lock").remove(&key);
            }
            kept.row_cache.insert(key, row);
        }
        if kept.news.receiver_count() > 0 {
            for timeline in self.heads.into_keys() {
                _ = kept.news.send(timeline);
            }
        }
        Ok(has_entry)
    }
}
