//! The committer: the one thread that decides and writes.
//!
//! It takes all queued commands, decides each from a snapshot that contains those before it, and writes them as one
//! batch with one sync (group commit). The higher the load, the more commands share a sync. No command is acknowledged,
//! and no reader sees what it wrote, before the sync. A rejected command gets its result at once.
//!
//! After a failed write, the committer opens the directory again as soon as it can be written, and refuses commands until
//! then.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use annals_model::{AppId, EventId};
use fjall::PersistMode;
use foldhash::{HashMap, HashMapExt};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::contract::{
    Command, CommitError, CommitSummary, Head, NewEvent, PlatformCommit, Snapshot, WriteSet,
};
use crate::engine::checkpoint::Checkpoint;
use crate::engine::{GroupSize, Job, Pending, decide, platform as platform_entry};
use crate::error::Error;
use crate::rows::{Row, RowKey, key};
use crate::timeline::TimelineId;

use super::checkpoint;
use super::directory::Directory;
use super::run::{self, Reference, RunBuilder, run_key};
use super::{CachedRow, Inner, counts, ids, platform};

/// The pause before the directory is opened again after a failed write. It doubles with each failure, up to the maximum.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// How long the queue may be empty before the committer looks whether the engine could write its tables.
const CHECK_AFTER: Duration = Duration::from_secs(1);

/// Runs until the queue is closed or dropped. `timer` is for waiting.
pub(super) fn run(directory: &Directory, timer: &Runtime, mut jobs: mpsc::Receiver<Job>) {
    let _ending = Ending(directory);
    let mut is_open = true;
    while is_open {
        let next = timer.block_on(async { tokio::time::timeout(CHECK_AFTER, jobs.recv()).await });
        let committed = match next {
            Ok(Some(job)) => commit_group(directory, job, &mut jobs, &mut is_open),
            Ok(None) => return,
            Err(_elapsed) => directory.check(),
        };
        if let Err(error) = committed {
            directory.set_writable(false);
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a write failed; none is accepted until the directory can be written again"
            );
            is_open = is_open && timer.block_on(recover(directory, &mut jobs));
        }
    }
}

/// Commits a job together with those that wait. Sets `is_open` to false if the queue was closed.
fn commit_group(
    directory: &Directory,
    job: Job,
    jobs: &mut mpsc::Receiver<Job>,
    is_open: &mut bool,
) -> Result<(), Error> {
    let started = Instant::now();
    let inner = directory.current().ok_or(Error::ReadOnly)?;
    let mut group = Group::new(directory, &inner);
    let mut waiting = Vec::new();
    let mut close = None;
    let mut next = Some(job);
    while let Some(job) = next {
        match job {
            Job::Commit(Pending { mut command, done }) => match group.take(&mut *command) {
                Ok(()) => waiting.push(done),
                Err(error) => _ = done.send(Err(error)),
            },
            Job::Close { done } => {
                close = Some(done);
                break;
            }
        }
        next = if group.size.is_full() { None } else { jobs.try_recv().ok() };
    }
    let GroupSize { commands, events, .. } = group.size;
    let committed = group.commit();
    // Nobody who is told of the failure may find the store ready afterwards.
    directory.set_writable(committed.is_ok());
    if events > 0 && committed.is_ok() {
        (directory.observer)(CommitSummary { commands, events, elapsed: started.elapsed() });
    }
    for done in waiting {
        let result = if committed.is_ok() { Ok(()) } else { Err(CommitError::Failed(Error::ReadOnly)) };
        // The caller may have gone; its command is recorded all the same.
        _ = done.send(result);
    }
    if let Some(done) = close {
        *is_open = false;
        jobs.close();
        _ = done.send(());
    }
    committed
}

/// Tries to open the directory again until it accepts writes, and refuses commands meanwhile. Returns whether the queue is
/// still open.
async fn recover(directory: &Directory, jobs: &mut mpsc::Receiver<Job>) -> bool {
    let mut pause = PAUSE_MIN;
    loop {
        let refusing = async {
            while let Some(job) = jobs.recv().await {
                match job {
                    Job::Commit(Pending { done, .. }) => {
                        _ = done.send(Err(CommitError::Failed(Error::ReadOnly)));
                    }
                    Job::Close { done } => {
                        _ = done.send(());
                        break;
                    }
                }
            }
        };
        if tokio::time::timeout(pause, refusing).await.is_ok() {
            jobs.close();
            return false;
        }
        match directory.reopen().await {
            Ok(()) => {
                tracing::info!("the directory was opened again and accepts writes");
                directory.set_writable(true);
                return true;
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the directory still accepts no writes"
            ),
        }
        pause = PAUSE_MAX.min(pause * 2);
    }
}

/// Marks the store as not writable when the committer ends, for whatever reason.
struct Ending<'a>(&'a Directory);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.set_writable(false);
    }
}

/// Commands that are committed together.
struct Group<'a> {
    directory: &'a Directory,
    inner: &'a Inner,
    heads: HashMap<TimelineId, Head>,
    rows: HashMap<RowKey, Option<Row>>,
    force_checkpoint: HashSet<AppId>,
    open_runs: HashMap<TimelineId, RunBuilder>,
    full_runs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The homes and positions of events with external identifiers.
    external_ids: HashMap<EventId, (TimelineId, u64)>,
    /// The bytes of events appended to each home.
    appended: HashMap<TimelineId, usize>,
    platform: PlatformCommit,
    /// The heads read so far, so that each is read once for the whole group.
    found_heads: RefCell<HashMap<TimelineId, Head>>,
    size: GroupSize,
    new_timelines: u64,
}

impl Snapshot for Group<'_> {
    fn head(&self, timeline: TimelineId) -> Result<Head, Error> {
        if let Some(head) = self.heads.get(&timeline).or(self.found_heads.borrow().get(&timeline)) {
            return Ok(*head);
        }
        let head = self.inner.head(timeline)?;
        self.found_heads.borrow_mut().insert(timeline, head);
        Ok(head)
    }

    fn row(&self, key: &RowKey) -> Result<Option<Row>, Error> {
        match self.rows.get(key) {
            Some(row) => Ok(row.clone()),
            None => self.inner.row(key),
        }
    }

    fn contains_event(&self, event: EventId, home: TimelineId) -> Result<bool, Error> {
        Ok(self.external_ids.contains_key(&event)
            || self.inner.ids.contains_key(event.as_bytes())?
            || self.inner.find_by_time(home, event, event.time())?.is_some())
    }
}

impl<'a> Group<'a> {
    fn new(directory: &'a Directory, inner: &'a Inner) -> Self {
        Self {
            directory,
            inner,
            heads: HashMap::new(),
            rows: HashMap::new(),
            force_checkpoint: HashSet::new(),
            open_runs: HashMap::new(),
            full_runs: Vec::new(),
            external_ids: HashMap::new(),
            appended: HashMap::new(),
            platform: PlatformCommit::default(),
            found_heads: RefCell::default(),
            size: GroupSize::default(),
            new_timelines: 0,
        }
    }

    /// Decides a command and adds its writes to the group. A rejected command leaves no trace.
    fn take(&mut self, command: &mut dyn Command) -> Result<(), CommitError> {
        let writes = decide(command, self)?;
        self.absorb(writes)?;
        self.size.commands += 1;
        Ok(())
    }

    fn absorb(&mut self, writes: WriteSet) -> Result<(), Error> {
        // Reads may fail. All of them come before the first append, so that a command is added as a whole or not at all.
        let of_events = writes.events.iter().flat_map(|event| [Some(event.home()), event.reference()]);
        // A state is stored with the position that it includes, also if no event comes with it.
        let of_states = writes.rows.iter().map(|(key, _)| match key {
            RowKey::App(key::App(app)) => Some(TimelineId::App(*app)),
            _ => None,
        });
        for timeline in of_events.chain(of_states).flatten() {
            self.head(timeline)?;
        }
        self.platform.recorded_at = self.platform.recorded_at.max(writes.recorded_at);
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
        if event.is_indexed {
            self.external_ids.insert(event.id, (home, position));
        }
        *self.appended.entry(home).or_default() += event.json.len();
        platform_entry::push(&mut self.platform, event, position);
        if let (Some(timeline), TimelineId::App(app)) = (event.reference(), home) {
            let push = |run: &mut RunBuilder| {
                run.push_reference(event.created_at, Reference { app, first, index });
                0
            };
            self.append_to(timeline, push, event)?;
        }
        self.size.add_event(event.json.len());
        Ok(())
    }

    /// Appends to one timeline. Returns the position, the first position of the run that has it, and the index in this
    /// run.
    fn append_to(
        &mut self,
        timeline: TimelineId,
        push: impl FnOnce(&mut RunBuilder) -> u8,
        event: &NewEvent,
    ) -> Result<(u64, u64, u8), Error> {
        let head = self.head(timeline)?;
        if head.length == 0 {
            self.new_timelines += 1;
        }
        if self.open_runs.get(&timeline).is_some_and(RunBuilder::is_full) {
            let full = self.open_runs.remove(&timeline).expect("the line above found it");
            self.full_runs.push((run_key(timeline, full.first), full.finish()));
        }
        let run = self.open_runs.entry(timeline).or_insert_with(|| RunBuilder::new(head));
        let index = push(run);
        let first = run.first;
        let head = head.append(event.created_at);
        self.heads.insert(timeline, head);
        Ok((head.length, first, index))
    }

    /// Writes and syncs the group, then makes it visible to readers.
    fn commit(mut self) -> Result<(), Error> {
        if self.size.events == 0 && self.rows.is_empty() {
            return Ok(());
        }
        let inner = self.inner;
        let found_heads = self.found_heads.take();
        let mut batch = inner.database.batch().durability(Some(PersistMode::SyncData));
        // The order matters, because fjall makes a batch visible key by key. Events come before the references to them,
        // and earlier positions come before later ones.
        let open_runs =
            self.open_runs.into_iter().map(|(timeline, run)| (run_key(timeline, run.first), run.finish()));
        let (app_runs, user_runs): (Vec<_>, Vec<_>) =
            self.full_runs.into_iter().chain(open_runs).partition(|(key, _)| run::is_of_app(key));
        for (key, value) in app_runs.into_iter().chain(user_runs) {
            batch.insert(&inner.runs, key, value);
        }
        for (id, (home, position)) in self.external_ids {
            batch.insert(&inner.ids, *id.as_bytes(), ids::value(home, position));
        }
        let mut cached = Vec::with_capacity(self.rows.len());
        for (key, row) in self.rows {
            let stored = match (&key, &row) {
                (RowKey::App(key::App(id)), Some(Row::App(app))) => {
                    let timeline = TimelineId::App(*id);
                    let head = self.heads.get(&timeline).or_else(|| found_heads.get(&timeline));
                    let position = head.expect("the heads of all states were read before").length;
                    let added = self.appended.get(&timeline).copied().unwrap_or_default();
                    let before = inner.row_cache.peek(&key).filter(|before| before.row.is_some());
                    match before.map(|before| (before.bytes, before.checkpoint.plus(added))) {
                        // The state is only cached. If it is read from disk before the next checkpoint, it is rebuilt
                        // from its timeline.
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
                Some((value, _)) => batch.insert(&inner.rows, key.to_bytes(), value),
                None => batch.remove(&inner.rows, key.to_bytes()),
            }
            cached.push((key, CachedRow { row, bytes, checkpoint }));
        }
        let platform_length = inner.platform_length.load(Ordering::Relaxed);
        if self.size.events > 0 {
            self.platform.first = platform_length + 1;
            platform::put(&mut batch, &inner.platform, &self.platform);
        }
        let timelines = inner.timelines.load(Ordering::Relaxed) + self.new_timelines;
        if self.new_timelines > 0 {
            counts::put_timelines(&mut batch, &inner.counts, timelines);
        }
        batch.commit()?;

        inner.timelines.store(timelines, Ordering::Relaxed);
        inner.platform_length.store(platform_length + self.size.events as u64, Ordering::Release);
        // Heads are cached before states: a concurrent read rebuilds a state up to the cached head, and must include the
        // events just written.
        for (timeline, head) in &self.heads {
            inner.heads.insert(*timeline, *head);
        }
        let mut claims = self.directory.claims.lock().expect("nothing panics while it holds this lock");
        for (key, row) in cached {
            // Removing also stops a read that began before this commit from caching what it finds.
            inner.row_cache.remove(&key);
            claims.remove(&key);
            inner.row_cache.insert(key, row);
        }
        drop(claims);
        let notifications = &self.directory.notifications;
        if notifications.receiver_count() > 0 {
            for timeline in self.heads.into_keys() {
                _ = notifications.send(timeline);
            }
        }
        Ok(())
    }
}
