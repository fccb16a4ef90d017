//! What every engine promises.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use annals_model::{App, AppId, EventId, Rejection, Time, UserId};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::broadcast;

use crate::error::Error;
use crate::rows::{Key as _, Row, RowKey, RowRange, RowWrites, key};
use crate::timeline::TimelineId;

/// Where a timeline stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// How many events it has, which is the position of the last: positions are 1..=length, without gaps.
    pub length: u64,
    /// When its last event was; the epoch if it has none.
    pub last_time: Time,
}

/// An event to append, in canonical form.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Its identifier.
    pub id: EventId,
    /// Whether the identifier was given with a report instead of assigned here; such an event is found by an index.
    pub has_external_id: bool,
    /// When it was.
    pub created_at: Time,
    /// Its type, as the catalogue names it.
    pub event_type: &'static str,
    /// The app it belongs to; at least one of this and `user` is there.
    pub app: Option<AppId>,
    /// Who did it.
    pub user: Option<UserId>,
    /// The bytes to keep and serve.
    pub json: Vec<u8>,
}

impl NewEvent {
    /// The timeline that keeps its bytes: its app's, or its user's where it has no app.
    pub fn home(&self) -> TimelineId {
        match (self.app, self.user) {
            (Some(app), _) => TimelineId::App(app),
            (None, Some(user)) => TimelineId::User(user),
            (None, None) => unreachable!("the catalogue gives every event an app or a user"),
        }
    }

    /// The timeline that refers to it besides, if there is one.
    pub fn reference(&self) -> Option<TimelineId> {
        self.app.and(self.user).map(TimelineId::User)
    }
}

/// What a command writes.
#[derive(Debug, Default)]
pub struct WriteSet {
    /// What the clock said when it was decided, which becomes the commit's own time.
    pub recorded_at: Time,
    /// Events to append, each to its home and to the timeline that refers to it, in this order.
    pub events: Vec<NewEvent>,
    /// Rows to put, or to remove where there is none.
    pub rows: RowWrites,
    /// Apps whose state changed by more than these events: it cannot be rebuilt from them.
    pub force_checkpoint: Vec<AppId>,
}

/// The store as a command finds it: all that was committed before, in one order.
pub trait Snapshot {
    /// Where a timeline stands.
    fn head(&self, timeline: TimelineId) -> Result<Head, Error>;

    /// A row.
    ///
    /// Whoever decides something because a row is not there writes that row, or does not mind if it comes at the same
    /// time: an engine over a database can hold still what is there, and notice who else writes, but not more.
    fn row(&self, key: &RowKey) -> Result<Option<Row>, Error>;

    /// Whether an event of that identifier is recorded: one given with any report, or one assigned here in that timeline.
    fn holds(&self, event: EventId, home: TimelineId) -> Result<bool, Error>;
}

/// A decision to be made and recorded in one step. It owns no reference to the store, which would live until the
/// command is gone, and end on the thread that decides.
pub trait Command: Send {
    /// What to write, given what there is. An engine may call this more than once before one call's writes are
    /// recorded, so nothing outside may depend on a call that is not the last. It may also be shown less than there is in
    /// a call whose outcome is thrown away, to see what it asks for; with the same in view it asks for the same.
    ///
    /// The times of the events are not before the heads of their timelines, nor do they decrease.
    fn decide(&mut self, snapshot: &dyn Snapshot) -> Result<WriteSet, CommandError>;
}

impl<F: FnMut(&dyn Snapshot) -> Result<WriteSet, CommandError> + Send> Command for F {
    fn decide(&mut self, snapshot: &dyn Snapshot) -> Result<WriteSet, CommandError> {
        self(snapshot)
    }
}

/// Why a command made no writes.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The rules refuse it.
    #[error("{0}")]
    Rejected(Rejection),
    /// The store failed while it was decided.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<Rejection> for CommandError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// Why a commit recorded nothing, or may not have.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The rules refuse it.
    #[error("{0}")]
    Rejected(Rejection),
    /// The store failed; see there whether the command may have been recorded.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// One commit on the platform timeline, which has every event once, in the order in which they were recorded.
///
/// Along every timeline, a user's too, platform positions increase.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlatformCommit {
    /// The platform position of the first of `events`; those of the others follow it.
    pub first: u64,
    /// When it was recorded, by the clock of the process that did. Another process's clock may differ, so this may go back.
    pub recorded_at: Time,
    /// When the earliest of its events was.
    pub earliest: Time,
    /// When the latest of its events was.
    pub latest: Time,
    /// The types of its events, each once.
    pub types: Vec<String>,
    /// Its events. Where a reader has had some of them, these are the others, and what is said above is of all of them.
    pub events: Vec<PlatformEvent>,
}

impl PlatformCommit {
    /// The platform position of its last event.
    pub fn last(&self) -> u64 {
        self.first + self.events.len() as u64 - 1
    }

    /// The type of one of its events.
    pub fn type_of(&self, event: &PlatformEvent) -> &str {
        &self.types[usize::from(event.event_type)]
    }
}

/// An event on the platform timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlatformEvent {
    /// The timeline that keeps it.
    pub timeline: TimelineId,
    /// Its position there.
    pub position: u64,
    /// Which of its commit's types it has.
    pub event_type: u16,
}

/// What the store can say of itself cheaply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// How many timelines have an event; where they are very many, about how many.
    pub timelines: u64,
    /// How many bytes it takes on disk.
    pub bytes: u64,
}

/// The load of a store's committer since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommitterLoad {
    /// How many commands wait for their commit, including those in the commit that is being written.
    pub waiting_commands: usize,
    /// How often a group of commands was decided again because another process committed first.
    pub retries: u64,
}

/// What one commit did, for whoever measures.
#[derive(Debug, Clone, Copy)]
pub struct CommitSummary {
    /// How many commands it recorded together.
    pub commands: usize,
    /// How many events.
    pub events: usize,
    /// How long it took from the first decision until it was durable.
    pub elapsed: Duration,
}

/// Timelines and state, durable.
///
/// - A commit is all or nothing, and durable when it returns `Ok`. It is then seen by every read.
/// - Commits have one order. Each is decided with all earlier ones in view.
/// - The positions of a timeline are dense: 1..=length. Times never decrease along it.
/// - So are those of the platform timeline, which has all events in the order of their commits.
/// - The bytes of an event come back as they went in, for good.
/// - Reading a page takes the same time wherever in a timeline it lies.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Decides a command and records it. May share its commit with other commands made at the same time.
    ///
    /// Where this fails with anything but a rejection, the command may or may not be recorded.
    async fn commit(&self, command: Box<dyn Command>) -> Result<(), CommitError>;

    /// Where a timeline stands.
    async fn head(&self, timeline: TimelineId) -> Result<Head, Error>;

    /// The state of an app and where its timeline stands, read together where the engine can.
    async fn app(&self, id: AppId) -> Result<Option<(Arc<App>, Head)>, Error> {
        match self.row(&key::App(id).into_row_key()).await?.and_then(key::App::value) {
            Some(app) => Ok(Some((app, self.head(TimelineId::App(id)).await?))),
            None => Ok(None),
        }
    }

    /// The events at these positions, newest first, from the newest on as many as have `bytes_max` together and at
    /// least one. Positions beyond the head are left out.
    async fn read(
        &self,
        timeline: TimelineId,
        positions: RangeInclusive<u64>,
        bytes_max: usize,
    ) -> Result<Vec<Bytes>, Error>;

    /// How many events of a timeline were before that time.
    async fn count_before(&self, timeline: TimelineId, time: Time) -> Result<u64, Error>;

    /// The event of that identifier, if that timeline is its home.
    async fn find(&self, home: TimelineId, event: EventId) -> Result<Option<Bytes>, Error>;

    /// A row. See [`TypedRows::get`](crate::TypedRows::get).
    async fn row(&self, key: &RowKey) -> Result<Option<Row>, Error>;

    /// The first rows of a range, at most that many. See [`TypedRows::list`](crate::TypedRows::list).
    async fn rows_in(&self, range: &RowRange, limit: usize) -> Result<Vec<(RowKey, Row)>, Error>;

    /// Claims the first rows of a range that nobody holds a claim on, at most that many. No other process is given them
    /// until that time is over, or a commit writes or removes the row. Who comes first works; who ends without having done it
    /// loses the claim.
    async fn claim_rows(
        &self,
        range: &RowRange,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<(RowKey, Row)>, Error>;

    /// The commits on the platform timeline that have events after that position, oldest first: those that begin within
    /// `limit_events` positions from there, and at least one if there is any. The first has only the events after it.
    async fn platform(&self, after: u64, limit_events: usize) -> Result<Vec<PlatformCommit>, Error>;

    /// How many events there are, which is the last position of the platform timeline.
    async fn platform_length(&self) -> Result<u64, Error>;

    /// The timelines that get events from now on, whichever process records them. A hint: one that is lost where a process
    /// or a connection ends is not made up for, so whoever must not miss anything looks for themself now and then.
    fn subscribe(&self) -> broadcast::Receiver<TimelineId>;

    /// All that is committed by now as a stream of bytes, in pieces, if the engine has no better means of its own.
    fn backup(&self) -> Option<Box<dyn Iterator<Item = Result<Bytes, Error>> + Send>> {
        None
    }

    /// Whether it can do what it is asked for now, writes included. Takes next to no time, however much is stored.
    async fn ready(&self) -> Result<(), Error>;

    /// The load of the committer. Reads memory only, so it works while the disk or the database does not.
    fn committer_load(&self) -> CommitterLoad;

    /// What the store can say of itself cheaply.
    async fn statistics(&self) -> Result<Statistics, Error>;

    /// Finishes what was accepted and closes. Every later commit fails with [`Error::Closed`].
    async fn close(&self) -> Result<(), Error>;
}
