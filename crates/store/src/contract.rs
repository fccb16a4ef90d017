//! What every engine promises.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use annals_model::{App, AppId, EventId, Rejection, Time, UserId};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::broadcast;

use crate::rows::{Listing, Row, RowKey};

/// Whose timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimelineId {
    /// The events of an app.
    App(AppId),
    /// The events done by a user.
    User(UserId),
}

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
    /// Events to append, each to its home and to the timeline that refers to it, in this order.
    pub events: Vec<NewEvent>,
    /// Rows to put, or to remove where there is none.
    pub rows: Vec<(RowKey, Option<Row>)>,
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

/// A decision to be made and recorded in one step.
pub trait Command: Send {
    /// What to write, given what there is. An engine may call this more than once before one call's writes are
    /// recorded, so nothing outside may depend on a call that is not the last. It may also be shown less than there is in
    /// a call whose outcome is thrown away, to see what it asks for; with the same in view it asks for the same.
    ///
    /// The times of the events are not before the heads of their timelines, nor do they decrease.
    fn decide(&mut self, snapshot: &dyn Snapshot) -> Result<WriteSet, CommandError>;
}

/// Why a command made no writes.
#[derive(Debug)]
pub enum CommandError {
    /// The rules refuse it.
    Rejected(Rejection),
    /// The store failed while it was decided.
    Failed(Error),
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

/// Why the store could not do something. What the caller can do is in the variants' meaning.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the store open.
    #[error("the store is in use by another process")]
    InUse,
    /// The store was written by a newer program; this one would harm it.
    #[error("the store has format {found}, and this program knows formats up to {known}: use a newer annals")]
    Newer {
        /// The format found.
        found: u32,
        /// The newest format known.
        known: u32,
    },
    /// The directory has other things in it.
    #[error(
        "the directory is not empty and holds no store: name another one, or one that does not exist yet"
    )]
    NotAStore,
    /// There is nothing yet where a store was to be.
    #[error("there is no store: is it the right place?")]
    Missing,
    /// There is something already where a store was to be made.
    #[error("there is something already: name a directory that is empty, or that does not exist yet")]
    Occupied,
    /// What is stored is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// A write failed, so no further one is accepted until a restart; the failed one may or may not be recorded.
    #[error("the store accepts no writes since one failed")]
    ReadOnly,
    /// The database cannot be reached, or is too slow or full; what was asked for may or may not be recorded.
    #[error("the database cannot do it now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
    /// The engine failed.
    #[error("the store failed")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Engine(Box::new(error))
    }
}

/// One commit, as followers of the feed see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEntry {
    /// The commit's number; later commits have greater ones.
    pub number: u64,
    /// The events it recorded, as ranges of positions in their home timelines.
    pub ranges: Vec<(TimelineId, RangeInclusive<u64>)>,
}

/// Adds a position behind all others: to the last range, or as a new one where there is something in between.
pub(crate) fn extend(ranges: &mut Vec<RangeInclusive<u64>>, position: u64) {
    match ranges.last_mut() {
        Some(last) if last.end() + 1 == position => *last = *last.start()..=position,
        _ => ranges.push(position..=position),
    }
}

/// How much news waits for somebody who subscribed and is slow.
pub(crate) const NEWS_MAX: usize = 1024;

/// What the store can say of itself cheaply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// How many timelines have an event; where they are very many, about how many.
    pub timelines: u64,
    /// How many bytes it takes on disk.
    pub bytes: u64,
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
        match self.row(&RowKey::App(id)).await? {
            Some(Row::App(app)) => Ok(Some((app, self.head(TimelineId::App(id)).await?))),
            _ => Ok(None),
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

    /// A row.
    async fn row(&self, key: &RowKey) -> Result<Option<Row>, Error>;

    /// The first rows of a listing, at most that many.
    async fn list(&self, listing: Listing, limit: usize) -> Result<Vec<(RowKey, Row)>, Error>;

    /// Claims the first rows of a listing that nobody holds a claim on, at most that many. No other process is given them
    /// until the row is gone or that time is over. Who comes first works; who ends without having done it loses the claim.
    async fn claim(
        &self,
        listing: Listing,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<(RowKey, Row)>, Error>;

    /// The commits after that number, oldest first, at most that many. Only commits with events have an entry. Of one
    /// timeline, earlier events come before later ones, and no entry comes with a number below one that was read.
    async fn feed(&self, after: u64, limit: usize) -> Result<Vec<FeedEntry>, Error>;

    /// The timelines that get events from now on, whichever process records them. A hint: one that is lost where a process
    /// or a connection ends is not made up for, so whoever must not miss anything looks for themself now and then.
    fn subscribe(&self) -> broadcast::Receiver<TimelineId>;

    /// All that is committed by now as a stream of bytes, in pieces, if the engine has no better means of its own.
    fn backup(&self) -> Option<Box<dyn Iterator<Item = Result<Bytes, Error>> + Send>> {
        None
    }

    /// Whether it can do what it is asked for now, writes included. Takes next to no time, however much is stored.
    async fn ready(&self) -> Result<(), Error>;

    /// What the store can say of itself cheaply.
    async fn statistics(&self) -> Result<Statistics, Error>;

    /// Finishes what was accepted and closes. Every later commit fails with [`Error::Closed`].
    async fn close(&self) -> Result<(), Error>;
}
