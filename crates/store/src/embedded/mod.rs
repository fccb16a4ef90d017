//! The embedded engine: a store in a directory, kept by one process, in an LSM tree.
//!
//! ```text
//! <directory>/format      the format's number, as text
//! <directory>/lock        held while a process has the store open
//! <directory>/fjall/      keyspaces:
//!     runs                events and references to them, by timeline and position (`run`)
//!     rows                states, names, tokens, answers (`RowKey`)
//!     feed                one entry per commit that has events (`feed`)
//!     ids                 where an event is whose identifier was given (`ids`)
//!     counts              how many timelines there are
//! ```
//!
//! One thread decides and writes (`committer`); readers never wait for it. What was committed is in memory tables and
//! in a journal that was synced before the commit returned.

mod backup;
mod checkpoint;
mod committer;
mod damage;
mod feed;
mod ids;
mod open;
mod portable;
mod run;

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use annals_model::{App, AppId, EventId, Time};
use async_trait::async_trait;
use bytes::Bytes;
use fjall::{Database, Keyspace};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::checkpoint::Checkpoint;
use crate::contract::{
    Command, CommitError, CommitSummary, Error, FeedEntry, Head, Statistics, Store, TimelineId,
};
use crate::rows::{Listing, Row, RowKey};
use committer::Job;
use run::{Content, Run, run_key, timeline_key};

use backup::Backup;

pub use backup::{check_backup, restore};
pub use open::Options;

/// The store in a directory.
pub struct EmbeddedStore {
    kept: Arc<Kept>,
    jobs: mpsc::Sender<Job>,
    committer: Option<JoinHandle<()>>,
}

/// What the committer and the readers share.
struct Kept {
    database: Database,
    runs: Keyspace,
    rows: Keyspace,
    feed: Keyspace,
    ids: Keyspace,
    counts: Keyspace,
    heads: Cache<TimelineId, Head>,
    row_cache: Cache<RowKey, CachedRow, RowBytes>,
    timelines: AtomicU64,
    writable: AtomicBool,
    news: broadcast::Sender<TimelineId>,
    /// What is being worked on, and until when nobody else is given it. One process has the store, so memory is enough.
    claims: Mutex<HashMap<RowKey, Instant>>,
    observer: Box<dyn Fn(CommitSummary) + Send + Sync>,
    // Dropped last, so that the directory is free only when nothing uses it any more.
    _lock: std::fs::File,
}

/// A row, or that there is none, with the length of its stored value and, of an app's state, up to where that goes.
#[derive(Clone)]
struct CachedRow {
    row: Option<Row>,
    bytes: usize,
    checkpoint: Checkpoint,
}

#[derive(Clone)]
struct RowBytes;

impl Weighter<RowKey, CachedRow> for RowBytes {
    fn weight(&self, key: &RowKey, cached: &CachedRow) -> u64 {
        // A row takes about three times its written length in memory, and some for the cache itself. Of a state, what
        // came since it was written may all be part of it.
        (200 + key.text_bytes() + 3 * cached.bytes + cached.checkpoint.bytes_since) as u64
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        // Without a sender the committer ends once it has done what it was given.
        self.jobs = mpsc::channel(1).0;
        if let Some(committer) = self.committer.take() {
            _ = committer.join();
        }
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn commit(&self, command: Box<dyn Command>) -> Result<(), CommitError> {
        let (done, answer) = oneshot::channel();
        self.jobs.send(Job::Commit { command, done }).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    async fn head(&self, timeline: TimelineId) -> Result<Head, Error> {
        self.kept.head(timeline)
    }

    // Reads run where they are called: a page is a few blocks, nearly always in memory, and handing it to another
    // thread would cost more than reading it. Long reads come in chunks of `bytes_max`.
    async fn read(
        &self,
        timeline: TimelineId,
        positions: RangeInclusive<u64>,
        bytes_max: usize,
    ) -> Result<Vec<Bytes>, Error> {
        self.kept.read(timeline, &positions, bytes_max)
    }

    async fn count_before(&self, timeline: TimelineId, time: Time) -> Result<u64, Error> {
        self.kept.count_before(timeline, time)
    }

    async fn find(&self, home: TimelineId, event: EventId) -> Result<Option<Bytes>, Error> {
        self.kept.find(home, event)
    }

    async fn row(&self, key: &RowKey) -> Result<Option<Row>, Error> {
        self.kept.row(key)
    }

    async fn list(&self, listing: Listing, limit: usize) -> Result<Vec<(RowKey, Row)>, Error> {
        self.kept.list(&listing).take(limit).collect()
    }

    async fn claim(
        &self,
        listing: Listing,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<(RowKey, Row)>, Error> {
        let mut claims = self.kept.claims.lock().expect("nothing panics while it holds this lock");
        let now = Instant::now();
        claims.retain(|_, until| *until > now);
        let mut claimed = Vec::new();
        for listed in self.kept.list(&listing) {
            let (key, row) = listed?;
            if claimed.len() == limit {
                break;
            }
            if !claims.contains_key(&key) {
                claims.insert(key.clone(), now + lease);
                claimed.push((key, row));
            }
        }
        Ok(claimed)
    }

    async fn feed(&self, after: u64, limit: usize) -> Result<Vec<FeedEntry>, Error> {
        let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
        self.kept
            .feed
            .range(feed::key(first)..)
            .take(limit)
            .map(|guard| {
                let (key, value) = guard.into_inner()?;
                feed::read(&key, &value)
            })
            .collect()
    }

    fn backup(&self) -> Option<Box<dyn Iterator<Item = Result<Bytes, Error>> + Send>> {
        Some(Box::new(Backup::of(&self.kept)))
    }

    fn subscribe(&self) -> broadcast::Receiver<TimelineId> {
        self.kept.news.subscribe()
    }

    async fn ready(&self) -> Result<(), Error> {
        match self.kept.writable.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(Error::ReadOnly),
        }
    }

    async fn statistics(&self) -> Result<Statistics, Error> {
        Ok(Statistics {
            timelines: self.kept.timelines.load(Ordering::Relaxed),
            bytes: self.kept.database.disk_space()?,
        })
    }

    async fn close(&self) -> Result<(), Error> {
        let (done, closed) = oneshot::channel();
        self.jobs.send(Job::Close { done }).await.map_err(|_| Error::Closed)?;
        closed.await.map_err(|_| Error::Closed)
    }
}

impl Kept {
    fn list(&self, listing: &Listing) -> impl Iterator<Item = Result<(RowKey, Row), Error>> {
        self.rows.range(listing.keys()).map(|guard| {
            let (key, value) = guard.into_inner()?;
            let damaged = || Error::Damaged("a row's key cannot be read".to_owned());
            let key = RowKey::from_bytes(&key).ok_or_else(damaged)?;
            let row = Row::from_bytes(&key, &value).map_err(unreadable_row)?;
            Ok((key, row))
        })
    }

    fn head(&self, timeline: TimelineId) -> Result<Head, Error> {
        // A head that the committer puts here while this one is being read wins: the cache then drops the one read.
        self.heads.get_or_insert_with(&timeline, || {
            let Some(guard) = self.runs.prefix(timeline_key(timeline)).next_back() else {
                return Ok(Head::default());
            };
            let (key, value) = guard.into_inner()?;
            let run = Run::read(&key, value.into())?;
            Ok(Head { length: run.last(), last_time: run.last_time() })
        })
    }

    fn row(&self, key: &RowKey) -> Result<Option<Row>, Error> {
        let cached = self.row_cache.get_or_insert_with(key, || -> Result<_, Error> {
            let Some(value) = self.rows.get(key.to_bytes())? else {
                return Ok(CachedRow { row: None, bytes: 0, checkpoint: Checkpoint::default() });
            };
            if let RowKey::App(app) = key {
                let (app, checkpoint) = self.app_from(*app, &value)?;
                return Ok(CachedRow { row: Some(Row::App(app)), bytes: value.len(), checkpoint });
            }
            let row = Row::from_bytes(key, &value).map_err(unreadable_row)?;
            Ok(CachedRow { row: Some(row), bytes: value.len(), checkpoint: Checkpoint::default() })
        })?;
        Ok(cached.row)
    }

    /// The state of an app: its checkpoint, and what happened since.
    fn app_from(&self, id: AppId, value: &[u8]) -> Result<(Arc<App>, Checkpoint), Error> {
        let (mut app, position) = checkpoint::read(value)?;
        let mut checkpoint = Checkpoint::at(position);
        let timeline = TimelineId::App(id);
        let since = position + 1..=self.head(timeline)?.length;
        if !since.is_empty() {
            for json in self.read(timeline, &since, usize::MAX)?.iter().rev() {
                checkpoint.apply(&mut app, json)?;
            }
        }
        Ok((app, checkpoint))
    }

    fn read(
        &self,
        timeline: TimelineId,
        positions: &RangeInclusive<u64>,
        bytes_max: usize,
    ) -> Result<Vec<Bytes>, Error> {
        let (oldest, newest) = (*positions.start(), *positions.end());
        let mut events = Vec::new();
        let mut bytes = 0;
        // References of a page often lead to the same few runs.
        let mut referred = HashMap::new();
        // The run that has the oldest position begins less than a run before it; a narrow range spares the engine tables.
        let lowest = oldest.saturating_sub(u64::from(run::EVENTS_MAX) - 1);
        for guard in self.runs.range(run_key(timeline, lowest)..=run_key(timeline, newest)).rev() {
            let (key, value) = guard.into_inner()?;
            let run = Run::read(&key, value.into())?;
            for position in (run.first.max(oldest)..=run.last().min(newest)).rev() {
                let index = usize::try_from(position - run.first).expect("a run has at most 64 events");
                let event = match run.content(index)? {
                    Content::Event(event) => event,
                    Content::Reference(reference) => self.follow(reference, &mut referred)?,
                };
                bytes += event.len();
                if bytes > bytes_max && !events.is_empty() {
                    return Ok(events);
                }
                events.push(event);
            }
            if run.first <= oldest {
                break;
            }
        }
        Ok(events)
    }

    /// The event a reference names.
    fn follow(
        &self,
        reference: run::Reference,
        referred: &mut HashMap<(AppId, u64), Run>,
    ) -> Result<Bytes, Error> {
        let damaged = || Error::Damaged("a reference to an event leads nowhere".to_owned());
        let run = match referred.entry((reference.app, reference.first)) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let key = run_key(TimelineId::App(reference.app), reference.first);
                let value = self.runs.get(&key)?.ok_or_else(damaged)?;
                entry.insert(Run::read(&key, value.into())?)
            }
        };
        match run.content(usize::from(reference.index))? {
            Content::Event(event) => Ok(event),
            Content::Reference(_) => Err(damaged()),
        }
    }

    fn count_before(&self, timeline: TimelineId, time: Time) -> Result<u64, Error> {
        let head = self.head(timeline)?;
        if time > head.last_time {
            return Ok(head.length);
        }
        // Times never decrease, so what is before `time` is a prefix: positions 1..=low are in it, those from
        // high + 1 on are not.
        let (mut low, mut high) = (0, head.length);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let run = self.run_with(timeline, middle)?;
            match run.count_before(time) {
                0 => high = run.first - 1,
                count if run.first + count > run.last() => low = run.last(),
                count => return Ok(run.first + count - 1),
            }
        }
        Ok(low)
    }

    /// The run that has that position, which the timeline has.
    fn run_with(&self, timeline: TimelineId, position: u64) -> Result<Run, Error> {
        let guard = self
            .runs
            .range(
                run_key(timeline, position.saturating_sub(u64::from(run::EVENTS_MAX) - 1))
                    ..=run_key(timeline, position),
            )
            .next_back()
            .ok_or_else(|| Error::Damaged("a timeline has a gap".to_owned()))?;
        let (key, value) = guard.into_inner()?;
        Run::read(&key, value.into())
    }

    fn find(&self, home: TimelineId, event: EventId) -> Result<Option<Bytes>, Error> {
        if let Some(found) = self.find_by_time(home, event)? {
            return Ok(Some(found));
        }
        let Some(value) = self.ids.get(event.as_bytes())? else { return Ok(None) };
        let (timeline, position) = ids::read(&value)?;
        if timeline != home {
            return Ok(None);
        }
        Ok(self.read(home, &(position..=position), usize::MAX)?.pop())
    }

    /// The event of that identifier if it was assigned here: it is among those of the millisecond it names.
    fn find_by_time(&self, home: TimelineId, event: EventId) -> Result<Option<Bytes>, Error> {
        let time = event.time();
        let head = self.head(home)?;
        if head.length == 0 || time > head.last_time {
            return Ok(None);
        }
        let first = self.count_before(home, time)? + 1;
        let start = self.run_with(home, first)?.first;
        for guard in self.runs.range(run_key(home, start)..=run_key(home, u64::MAX)) {
            let (key, value) = guard.into_inner()?;
            let run = Run::read(&key, value.into())?;
            let mut index = usize::try_from(run.count_before(time)).expect("a run has at most 64 events");
            while run.time(index) == Some(time) {
                if let Content::Event(json) = run.content(index)?
                    && annals_model::event::id_in(&json) == Some(event)
                {
                    return Ok(Some(json));
                }
                index += 1;
            }
            if run.last_time() > time {
                break;
            }
        }
        Ok(None)
    }
}

fn unreadable_row(error: serde_json::Error) -> Error {
    Error::Damaged(format!("a row cannot be read: {error}"))
}

impl From<fjall::Error> for Error {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Locked => Self::InUse,
            fjall::Error::Poisoned => Self::ReadOnly,
            error => Self::Engine(Box::new(error)),
        }
    }
}
