//! The engine over PostgreSQL, and over Citus where that extension is there: any number of processes on one database.
//!
//! `schema.sql` has the tables. A timeline's length is a row of its own, and whoever appends holds it until the commit, so
//! positions have no gaps whoever writes. Reads ask the database: no process has to know what another one did. What is
//! remembered here (`known`) only saves lookups, and is compared with the database before anything is recorded.

mod address;
mod committer;
mod entries;
mod failure;
mod feed;
mod group;
mod known;
mod lookup;
mod place;
mod portable;
mod presence;
mod readers;
mod schema;
mod search;
mod session;
mod states;
mod tls;
mod values;
mod write;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use annals_model::{App, AppId, EventId, Time};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::contract::{
    Command, CommitError, CommitSummary, Error, FeedEntry, Head, NEWS_MAX, Statistics, Store, TimelineId,
};
use crate::rows::{Listing, Row, RowKey};

pub use address::Address;
use committer::{Committer, Job};
use group::Entry;
use known::{KnownRow, Memory};
use lookup::read_row;
use presence::{Presence, Sharing};
use readers::Readers;
use session::Session;
use states::{State, bring_up_to_date};
use values::{At, Json, timeline_text, to_i64, to_u64};

/// How many connections read at once, unless something else is said.
const CONNECTIONS: usize = 16;
/// How many bytes an event has at least, about: what bounds how many rows are asked for at once.
const EVENT_BYTES: usize = 256;
/// From how many timelines on they are no longer counted one by one.
const COUNTED_MAX: f32 = 100_000.0;

const HEAD: &str = "SELECT length, last_time FROM timelines WHERE timeline = $1";
/// The state comes only where the timeline has moved since the clock at which it is known.
const APP: &str = "SELECT coalesce(t.clock, 0), t.length, t.last_time, r.position, r.key, \
                       CASE WHEN t.clock IS DISTINCT FROM $3 THEN r.value END \
                   FROM rows r LEFT JOIN timelines t ON t.timeline = r.place WHERE r.place = $1 AND r.key = $2";
/// A clock that no timeline has.
const UNKNOWN: i64 = -1;
const READ: &str = "SELECT event, position FROM entries WHERE timeline = $1 AND position BETWEEN $2 AND $3 \
                    ORDER BY position DESC LIMIT $4";
const FIND_GIVEN: &str = "SELECT position FROM external_ids WHERE id = $1 AND timeline = $2";
const ROW: &str = "SELECT key, value FROM rows WHERE place = $1 AND key = $2";
const LIST: &str =
    "SELECT key, value FROM rows WHERE place = $1 AND key >= $2 AND key < $3 ORDER BY key LIMIT $4";
const CLAIM: &str = "WITH free AS ( \
         SELECT place, key FROM rows WHERE place = $1 AND key >= $2 AND key < $3 \
             AND (claimed_until IS NULL OR claimed_until < now()) \
         ORDER BY key LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED \
     ) \
     UPDATE rows r SET claimed_until = now() + $5 * interval '1 millisecond' FROM free \
     WHERE r.place = $1 AND r.place = free.place AND r.key = free.key RETURNING r.key, r.value";
const ESTIMATE: &str = "SELECT reltuples FROM pg_class WHERE oid = 'timelines'::regclass";
const COUNT: &str = "SELECT count(*) FROM timelines WHERE length > 0";
const SIZE: &str = "SELECT sum(pg_total_relation_size(name::regclass))::bigint \
                    FROM unnest(ARRAY['timelines', 'entries', 'rows', 'external_ids', 'commits']) AS name";

const SIZE_SPREAD: &str = "SELECT sum(citus_total_relation_size(name::regclass))::bigint \
                           FROM unnest(ARRAY['timelines', 'entries', 'rows', 'external_ids', 'commits']) AS name";

/// How to open a store in a database.
pub struct Options {
    address: Address,
    connections: usize,
    sharing: Sharing,
    is_existing: bool,
    observer: Box<dyn Fn(CommitSummary) + Send + Sync>,
}

impl Options {
    /// The store in that database; its tables are made if they are not there.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            connections: CONNECTIONS,
            sharing: Sharing::Shared,
            is_existing: false,
            observer: Box::new(|_| {}),
        }
    }

    /// How many connections read at once. Three more decide, write, and listen.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Has the store for itself, which fails while any other process has it open.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.sharing = Sharing::Alone;
        self
    }

    /// Whether only a store that is there is opened, and none is made.
    #[must_use]
    pub fn existing(mut self, is_existing: bool) -> Self {
        self.is_existing = is_existing;
        self
    }

    /// Calls this after every commit, on the committing thread.
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(CommitSummary) + Send + Sync + 'static) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// Opens the store. Has to be called within a runtime that lives as long as the store.
    pub async fn open(self) -> Result<PostgresStore, Error> {
        let tls = tls::connector(&self.address.verification)?;
        let mut readers = Readers::new(&self.address, tls.clone(), self.connections)?;
        let mut connection = readers.connection().await?;
        if self.is_existing && !schema::is_there(&connection).await? {
            return Err(Error::Missing);
        }
        readers.is_spread = schema::migrate(&mut connection).await?;
        drop(connection);
        let memory = Arc::new(Memory::default());
        let (told, to_tell) = mpsc::channel(presence::TOLD_MAX);
        let presence = Presence {
            address: self.address.clone(),
            tls: tls.clone(),
            sharing: self.sharing,
            news: broadcast::Sender::new(NEWS_MAX),
            memory: Arc::clone(&memory),
            is_held: watch::Sender::new(true),
            told: to_tell,
        };
        let held = presence.take().await?;
        let kept = Arc::new(Kept {
            address: self.address,
            tls,
            sharing: self.sharing,
            readers,
            memory,
            news: presence.news.clone(),
            is_held: presence.is_held.subscribe(),
            told,
            observer: self.observer,
        });
        let presence = tokio::spawn(presence.keep(held)).abort_handle();
        let (jobs, queue) = mpsc::channel(committer::QUEUE_MAX);
        let committer = Committer::new(Arc::clone(&kept), queue);
        let runtime = Handle::current();
        // Deciding takes the processor for a while; on a thread of its own it keeps no request waiting.
        std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || runtime.block_on(committer.run()))
            .map_err(|error| Error::Engine(Box::new(error)))?;
        Ok(PostgresStore { kept, jobs, presence })
    }
}

/// The store in a database.
pub struct PostgresStore {
    kept: Arc<Kept>,
    jobs: mpsc::Sender<Job>,
    presence: AbortHandle,
}

/// What the committer and the readers share.
struct Kept {
    address: Address,
    tls: MakeRustlsConnect,
    sharing: Sharing,
    readers: Readers,
    memory: Arc<Memory>,
    news: broadcast::Sender<TimelineId>,
    is_held: watch::Receiver<bool>,
    told: mpsc::Sender<Vec<TimelineId>>,
    observer: Box<dyn Fn(CommitSummary) + Send + Sync>,
}

impl Kept {
    async fn connect(&self) -> Result<Session, Error> {
        let is_fenced = self.sharing == Sharing::Shared;
        Session::connect(&self.address, &self.tls, self.readers.is_spread, is_fenced).await
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.presence.abort();
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, command: Box<dyn Command>) -> Result<(), CommitError> {
        let (done, answer) = oneshot::channel();
        self.jobs.send(Job::Commit(Entry { command, done })).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    async fn head(&self, timeline: TimelineId) -> Result<Head, Error> {
        let rows = self.kept.readers.rows(HEAD, &[&timeline_text(timeline)]).await?;
        Ok(rows.first().map_or_else(Head::default, |row| head_from(row.get(0), row.get(1))))
    }

    async fn app(&self, id: AppId) -> Result<Option<(Arc<App>, Head)>, Error> {
        let key = RowKey::App(id);
        let memory = &self.kept.memory.rows;
        let known = match memory.get(&key) {
            Some(KnownRow { row: Some(Row::App(app)), version, .. }) => Some((app, version)),
            _ => None,
        };
        let clock = known.as_ref().map_or(UNKNOWN, |(_, clock)| *clock);
        let params: [session::Param<'_>; 3] = [&place::of_row(&key), &key.to_bytes(), &clock];
        let rows = self.kept.readers.rows(APP, &params).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let head = head_from(row.get(1), row.get(2));
        if let Some((app, clock)) = known
            && clock == row.get::<_, i64>(0)
        {
            return Ok(Some((app, head)));
        }
        let (_, Row::App(app), bytes) = read_row(row.get(4), row.get(5))? else {
            return Err(Error::Damaged("the state of an app is something else".to_owned()));
        };
        let mut states = [State::read(app, row.get(3), row.get(1))];
        bring_up_to_date(&mut &self.kept.readers, &mut states).await?;
        let [State { app, checkpoint, .. }] = states;
        let found = Some(Row::App(Arc::clone(&app)));
        memory.insert(key, KnownRow { row: found, version: row.get(0), bytes, checkpoint });
        Ok(Some((app, head)))
    }

    async fn read(
        &self,
        timeline: TimelineId,
        positions: RangeInclusive<u64>,
        bytes_max: usize,
    ) -> Result<Vec<Bytes>, Error> {
        let name = timeline_text(timeline);
        let (oldest, mut newest) = (*positions.start(), *positions.end());
        let (mut events, mut bytes) = (Vec::new(), 0);
        while oldest <= newest {
            // Events are of any length, so it is not known how many rows fill the answer.
            let left = bytes_max.saturating_sub(bytes);
            let limit = left / EVENT_BYTES + 1;
            let params: [session::Param<'_>; 4] =
                [&name, &to_i64(oldest), &to_i64(newest), &to_i64(limit as u64)];
            let (rows, is_full) =
                self.kept.readers.rows_within(READ, &params, left, events.is_empty()).await?;
            for row in &rows {
                let Json(event) = row.get(0);
                bytes += event.len();
                events.push(event);
            }
            match rows.last() {
                Some(last) if !is_full && rows.len() == limit => newest = to_u64(last.get(1)) - 1,
                _ => break,
            }
        }
        Ok(events)
    }

    async fn count_before(&self, timeline: TimelineId, time: Time) -> Result<u64, Error> {
        let counts = search::counts_before(&mut &self.kept.readers, &[(timeline, time)]).await?;
        Ok(counts.first().copied().unwrap_or_default())
    }

    async fn find(&self, home: TimelineId, event: EventId) -> Result<Option<Bytes>, Error> {
        let readers = &self.kept.readers;
        if let Some(found) =
            search::find_assigned(&mut &*readers, &[(event, home)]).await?.remove(&(event, home))
        {
            return Ok(Some(found));
        }
        let given = readers.rows(FIND_GIVEN, &[&event.to_string(), &timeline_text(home)]).await?;
        let Some(row) = given.first() else { return Ok(None) };
        let position = to_u64(row.get(0));
        Ok(self.read(home, position..=position, usize::MAX).await?.pop())
    }

    async fn row(&self, key: &RowKey) -> Result<Option<Row>, Error> {
        if let RowKey::App(id) = key {
            return Ok(self.app(*id).await?.map(|(app, _)| Row::App(app)));
        }
        let rows = self.kept.readers.rows(ROW, &[&place::of_row(key), &key.to_bytes()]).await?;
        rows.first().map(|row| Ok(read_row(row.get(0), row.get(1))?.1)).transpose()
    }

    async fn list(&self, listing: Listing, limit: usize) -> Result<Vec<(RowKey, Row)>, Error> {
        let keys = listing.keys();
        let params: [session::Param<'_>; 4] =
            [&place::of_listing(&listing), &keys.start, &keys.end, &to_i64(limit as u64)];
        let rows = self.kept.readers.rows(LIST, &params).await?;
        rows.iter().map(listed).collect()
    }

    async fn claim(
        &self,
        listing: Listing,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<(RowKey, Row)>, Error> {
        let keys = listing.keys();
        let lease_ms = lease.as_secs_f64() * 1000.0;
        let params: [session::Param<'_>; 5] =
            [&place::of_listing(&listing), &keys.start, &keys.end, &to_i64(limit as u64), &lease_ms];
        let mut rows = self.kept.readers.rows(CLAIM, &params).await?;
        rows.sort_by(|a, b| a.get::<_, &[u8]>(0).cmp(b.get(0)));
        rows.iter().map(listed).collect()
    }

    async fn feed(&self, after: u64, limit: usize) -> Result<Vec<FeedEntry>, Error> {
        feed::read(&self.kept.readers, after, limit).await
    }

    fn subscribe(&self) -> broadcast::Receiver<TimelineId> {
        self.kept.news.subscribe()
    }

    async fn ready(&self) -> Result<(), Error> {
        if self.jobs.is_closed() {
            return Err(Error::Closed);
        }
        if !*self.kept.is_held.borrow() {
            return Err(Error::Unavailable("the store's lock is not held".into()));
        }
        self.kept.readers.rows("SELECT 1", &[]).await.map(drop)
    }

    async fn statistics(&self) -> Result<Statistics, Error> {
        let readers = &self.kept.readers;
        let one = |rows: Vec<tokio_postgres::Row>| {
            rows.into_iter().next().ok_or_else(|| Error::Damaged("a table cannot be counted".to_owned()))
        };
        let estimate: f32 = one(readers.rows(ESTIMATE, &[]).await?)?.get(0);
        let timelines = match estimate > COUNTED_MAX {
            true => estimate as u64,
            false => to_u64(one(readers.rows(COUNT, &[]).await?)?.get(0)),
        };
        let size = if readers.is_spread { SIZE_SPREAD } else { SIZE };
        let bytes = to_u64(one(readers.rows(size, &[]).await?)?.get(0));
        Ok(Statistics { timelines, bytes })
    }

    async fn close(&self) -> Result<(), Error> {
        let (done, closed) = oneshot::channel();
        self.jobs.send(Job::Close { done }).await.map_err(|_| Error::Closed)?;
        closed.await.map_err(|_| Error::Closed)
    }
}

/// Where a timeline stands; one without an event may have no row.
fn head_from(length: Option<i64>, last_time: Option<At>) -> Head {
    let At(last_time) = last_time.unwrap_or(At(Time::EPOCH));
    Head { length: to_u64(length.unwrap_or_default()), last_time }
}

fn listed(row: &tokio_postgres::Row) -> Result<(RowKey, Row), Error> {
    let (key, found, _) = read_row(row.get(0), row.get(1))?;
    Ok((key, found))
}
