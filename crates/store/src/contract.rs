//! The contract of a storage engine: the trait [`Store`], and the types it exchanges with its callers.
//!
//! A caller writes with [`Store::commit`], and passes a [`Command`]. The engine calls [`Command::decide`] with a
//! [`Snapshot`], and commits the [`WriteSet`] that `decide` returns.

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

/// The end of a timeline. [`Head::default`] is the head of a timeline without events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The number of events, which is the position of the last one: positions are 1..=length, without gaps.
    pub length: u64,
    /// The latest time of any event; the epoch if there is none. It never decreases as a timeline grows.
    pub latest: Time,
    /// The position of the last late event; zero if there is none.
    pub last_late: u64,
}

impl Head {
    /// Returns whether an event of that time is late: it happened before an event that the timeline already has.
    pub fn is_late(&self, created_at: Time) -> bool {
        created_at < self.latest
    }

    /// Returns the head after an event of that time is appended.
    #[must_use]
    pub fn append(self, created_at: Time) -> Self {
        let length = self.length + 1;
        let last_late = if self.is_late(created_at) { length } else { self.last_late };
        Self { length, latest: self.latest.max(created_at), last_late }
    }
}

/// An event to append, in canonical form.
///
/// The engine appends it to two timelines at most: its [home](Self::home), and the timeline that
/// [refers to it](Self::reference).
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The event's identifier.
    pub id: EventId,
    /// Whether [`Store::find`] needs an index to find it. It searches by the time that an identifier contains, which does
    /// not find an external identifier, nor a late event.
    pub is_indexed: bool,
    /// When the event happened.
    pub created_at: Time,
    /// The name of the event's type in the catalogue.
    pub event_type: &'static str,
    /// The app that the event belongs to. At least one of `app` and `user` is set.
    pub app: Option<AppId>,
    /// The user who caused it.
    pub user: Option<UserId>,
    /// The event as JSON: the bytes to store and to return from reads.
    pub json: Vec<u8>,
}

impl NewEvent {
    /// Returns the event's home: the timeline of its app, or of its user if it has no app.
    pub fn home(&self) -> TimelineId {
        match (self.app, self.user) {
            (Some(app), _) => TimelineId::App(app),
            (None, Some(user)) => TimelineId::User(user),
            (None, None) => unreachable!("the catalogue gives every event an app or a user"),
        }
    }

    /// Returns the second timeline that lists the event: its user's, if it has both an app and a user. An engine may
    /// store there a reference or a second copy of the bytes. Reads return the same bytes either way.
    pub fn reference(&self) -> Option<TimelineId> {
        self.app.and(self.user).map(TimelineId::User)
    }
}

/// What a command writes: everything in it is committed, or nothing.
#[derive(Debug, Default)]
pub struct WriteSet {
    /// The clock's time when the command was decided. A commit's [`PlatformCommit::recorded_at`] is the latest of its
    /// commands' times.
    pub recorded_at: Time,
    /// Events to append in this order, each to its home and to the timeline that refers to it.
    pub events: Vec<NewEvent>,
    /// Rows to put or to remove. Putting replaces an existing row; removing a missing row does nothing.
    pub rows: RowWrites,
    /// Apps whose state in `rows` cannot be rebuilt from their events, so that the engine must write it. The engine may
    /// skip writing the state of any other app. A read then starts from the last written state (the checkpoint), and
    /// applies the events since with [`App::apply`].
    pub force_checkpoint: Vec<AppId>,
}

/// A consistent view of the store, from which a command decides. It contains everything that was committed before the
/// command, and what was decided before it in the same group.
pub trait Snapshot {
    /// Returns the end of a timeline.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    fn head(&self, timeline: TimelineId) -> Result<Head, Error>;

    /// Returns a row, or `None` if it does not exist.
    ///
    /// A missing row may appear before the command is committed: an engine over a database can lock rows that exist and
    /// detect two writes of one row, but cannot lock a row that does not exist. So a command that depends on the absence
    /// of a row must put this row, or tolerate that another process puts it at the same time.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read, or if the stored row is damaged.
    fn row(&self, key: &RowKey) -> Result<Option<Row>, Error>;

    /// Returns whether an event with this identifier is recorded: in any timeline if it is indexed, otherwise in `home`.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    fn contains_event(&self, event: EventId, home: TimelineId) -> Result<bool, Error>;
}

/// A unit of work: it reads a snapshot and decides what to write.
///
/// A command must not own a reference to the store. If that were the last reference, the committing thread would drop
/// the store together with the command, and wait for itself to end.
pub trait Command: Send {
    /// Decides what to write.
    ///
    /// The engine may call this several times, and commits only the result of the last call. So each call must replace
    /// all effects that an earlier call had outside the command. Some calls only discover which keys the command reads:
    /// their snapshot lacks data, and their result is discarded. Given the same data, a command must read the same
    /// keys.
    ///
    /// Events may be late. A late event must be [indexed](NewEvent::is_indexed).
    ///
    /// # Errors
    ///
    /// Returns [`CommandError::Rejected`] if the rules forbid the command, and [`CommandError::Failed`] if the snapshot
    /// could not be read. Nothing is written in either case.
    fn decide(&mut self, snapshot: &dyn Snapshot) -> Result<WriteSet, CommandError>;
}

impl<F: FnMut(&dyn Snapshot) -> Result<WriteSet, CommandError> + Send> Command for F {
    fn decide(&mut self, snapshot: &dyn Snapshot) -> Result<WriteSet, CommandError> {
        self(snapshot)
    }
}

/// Why a command wrote nothing.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The rules forbid the command.
    #[error("{0}")]
    Rejected(Rejection),
    /// The snapshot could not be read.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<Rejection> for CommandError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// Why a commit failed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The rules forbid the command. Nothing was recorded.
    #[error("{0}")]
    Rejected(Rejection),
    /// The store failed. The command may or may not have been recorded.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// One commit on the platform timeline, which lists every event of the store once, in commit order.
///
/// Commit order agrees with the order of every timeline of an app or a user: if one event follows another on such a
/// timeline, it also follows it on the platform timeline.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlatformCommit {
    /// The platform position of the first of `events`. The others follow without gaps.
    pub first: u64,
    /// When the commit was recorded, by the clock of the process that recorded it. Clocks of processes differ, so this
    /// may decrease from one commit to the next.
    pub recorded_at: Time,
    /// The time of the commit's earliest event.
    pub earliest: Time,
    /// The time of the commit's latest event.
    pub latest: Time,
    /// The types of the commit's events, each once.
    pub types: Vec<String>,
    /// The commit's events. If [`Store::platform`] was asked to start within this commit, only the events from there on.
    /// `first` is then the position of the first of these; the other fields still describe the whole commit.
    pub events: Vec<PlatformEvent>,
}

impl PlatformCommit {
    /// Returns the platform position of the last event.
    pub fn last(&self) -> u64 {
        self.first + self.events.len() as u64 - 1
    }

    /// Returns the type of one of the commit's events.
    pub fn type_of(&self, event: &PlatformEvent) -> &str {
        &self.types[usize::from(event.event_type)]
    }
}

/// An event on the platform timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlatformEvent {
    /// The event's home.
    pub timeline: TimelineId,
    /// The event's position in its home.
    pub position: u64,
    /// The event's type, as an index into [`PlatformCommit::types`].
    pub event_type: u16,
}

/// Figures about the store that are cheap to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// The number of timelines that have an event. An engine may estimate it if there are very many.
    pub timelines: u64,
    /// The bytes that the store takes on disk.
    pub bytes: u64,
}

/// The load of a store's committer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommitterLoad {
    /// How many commands wait for their commit, including those in the commit that is being written.
    pub waiting_commands: usize,
    /// How often, since the store was opened, a group of commands was decided again because another process committed
    /// first.
    pub retries: u64,
}

/// What one commit did, for metrics.
#[derive(Debug, Clone, Copy)]
pub struct CommitSummary {
    /// How many commands were committed together.
    pub commands: usize,
    /// How many events they recorded.
    pub events: usize,
    /// The time from the first decision until the commit was durable.
    pub elapsed: Duration,
}

/// A storage engine: it keeps timelines of events, and rows beside them, durably.
///
/// Every app and every user has a [timeline](TimelineId). The *platform timeline* lists the events of all timelines.
/// Rows have all other data under typed [keys](RowKey), such as states, names and tokens. An engine stores and lists
/// rows without knowing what they mean. The states of apps are an exception: an engine may store them as checkpoints
/// (see [`WriteSet::force_checkpoint`]).
///
/// # Guarantees
///
/// - **Atomic and durable.** A commit is recorded as a whole or not at all. When [`commit`](Self::commit) returns
///   `Ok`, it survives a crash and a power cut, and every later read sees it, in this process and in any other.
/// - **Serial.** Commits have one order. Each command is decided from a snapshot that contains all earlier commits,
///   except that a row which was missing may have appeared since (see [`Snapshot::row`]).
/// - **Dense.** The positions of a timeline are 1..=length, and so are those of the platform timeline. A position,
///   once assigned, always names the same event.
/// - **Ordered.** Positions follow the order in which events are recorded, whatever their times are. The platform timeline
///   has the events in commit order.
/// - **Immutable.** Reads return an event's bytes exactly as they were committed.
/// - **Constant time.** Reading a page takes equally long anywhere in a timeline.
///
/// A failed read has no effect. A failed commit may or may not have been recorded, unless it was
/// [rejected](CommitError::Rejected).
///
/// # Implementing an engine
///
/// The module `engine` has what engines share: the queue in front of the committer (`CommitQueue`), groups of commands
/// (`GroupSize`, `decide`), checkpoints, and the encoding of platform commits (`platform`). The key of a stored row is
/// the bytes of `RowKey::to_bytes`, its value those of `Row::to_bytes`. Rows are listed in the order of these keys; a
/// [`RowRange`] is a range of them.
///
/// An engine also implements [`Portable`](crate::Portable), so that `annals copy` can move a store. It is complete when
/// it passes the conformance suite in `tests/conformance`. CONTRIBUTING.md lists the other places to change ("Add an
/// engine").
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Decides a command and commits what it writes. The engine may commit several waiting commands together, each
    /// decided with those before it in its snapshot; a rejected one leaves no trace. A command that panics fails with
    /// [`Error::Engine`] and does not affect the others.
    ///
    /// A command that returns an empty [`WriteSet`] succeeds and records nothing.
    ///
    /// # Errors
    ///
    /// Returns [`CommitError::Rejected`] if the rules forbid the command, and [`CommitError::Failed`] if the store
    /// failed: in that case the command may or may not have been recorded. The error is [`Error::Closed`] after
    /// [`close`](Self::close).
    async fn commit(&self, command: Box<dyn Command>) -> Result<(), CommitError>;

    /// Returns the end of a timeline. A timeline that does not exist has [`Head::default`].
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    async fn head(&self, timeline: TimelineId) -> Result<Head, Error>;

    /// Returns the timelines after this one that have events, or the first ones if it is `None`, and their heads: at most `limit`,
    /// and none at the end. All apps come before all users, and each kind is ordered by identifier.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read, or if what it holds is damaged.
    async fn timelines(
        &self,
        after: Option<TimelineId>,
        limit: usize,
    ) -> Result<Vec<(TimelineId, Head)>, Error>;

    /// Returns the state of an app and the end of its timeline, or `None` if the app does not exist. The state is read
    /// first, so a commit in between may be in the end but not in the state. An engine that can read both at one instant
    /// overrides this method.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read, or if what it holds is damaged.
    async fn app(&self, id: AppId) -> Result<Option<(Arc<App>, Head)>, Error> {
        match self.row(&key::App(id).into_row_key()).await?.and_then(key::App::value) {
            Some(app) => Ok(Some((app, self.head(TimelineId::App(id)).await?))),
            None => Ok(None),
        }
    }

    /// Returns the events at these positions, newest first. Stops before their total length exceeds `bytes_max`, but
    /// returns at least one event if there is any. Positions beyond the head are skipped.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read, or if what it holds is damaged.
    async fn read(
        &self,
        timeline: TimelineId,
        positions: RangeInclusive<u64>,
        bytes_max: usize,
    ) -> Result<Vec<Bytes>, Error>;

    /// Returns how long a timeline was when it first received an event at or after `time`. So the events at positions 1 to
    /// the returned number are all earlier than `time`. Of those after it, only late ones may be earlier.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read, or if what it holds is damaged.
    async fn length_before(&self, timeline: TimelineId, time: Time) -> Result<u64, Error>;

    /// Returns the event with this identifier, or `None` if there is none or `home` is not its
    /// [home](NewEvent::home).
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read, or if what it holds is damaged.
    async fn find(&self, home: TimelineId, event: EventId) -> Result<Option<Bytes>, Error>;

    /// Returns a row, or `None` if it does not exist. The state of an app includes all events of its timeline.
    ///
    /// Callers use [`TypedRows::get`](crate::TypedRows::get), which returns the value in its own type.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read, or if what it holds is damaged.
    async fn row(&self, key: &RowKey) -> Result<Option<Row>, Error>;

    /// Returns the first `limit` rows of a range, ordered by stored key.
    ///
    /// Callers use [`TypedRows::list`](crate::TypedRows::list).
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read, or if what it holds is damaged.
    async fn rows_in(&self, range: &RowRange, limit: usize) -> Result<Vec<(RowKey, Row)>, Error>;

    /// Claims the first `limit` unclaimed rows of a range and returns them, ordered by stored key.
    ///
    /// A claim is a lease: until it expires, neither this nor any other process can claim the row again. A commit that
    /// puts or removes the row ends the claim earlier. A claim does not lock the row; it only divides work between
    /// processes. If a process dies, another can claim its rows once the lease has expired.
    ///
    /// Callers use [`TypedRows::claim`](crate::TypedRows::claim).
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read, if it cannot record the claims, or if what it holds is damaged.
    async fn claim_rows(
        &self,
        range: &RowRange,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<(RowKey, Row)>, Error>;

    /// Returns the commits that have events after the platform position `after`, oldest first. Returns those whose first
    /// event is at one of the next `limit_events` positions, and at least one commit if there is any. If `after` lies
    /// within a commit, this commit comes first, with only its events after `after`.
    ///
    /// Callers use [`follow`](crate::follow()), which waits for new commits.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read, or if what it holds is damaged.
    async fn platform(&self, after: u64, limit_events: usize) -> Result<Vec<PlatformCommit>, Error>;

    /// Returns the number of events in the store, which is the last position of the platform timeline.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    async fn platform_length(&self) -> Result<u64, Error>;

    /// Subscribes to the timelines that get new events from now on, whichever process records them.
    ///
    /// A notification is a hint, sent after its commit is readable. It can be lost when a process or a connection
    /// ends, or when the subscriber is slow, so a subscriber that must not miss events also has to poll.
    fn subscribe(&self) -> broadcast::Receiver<TimelineId>;

    /// Returns a backup of the store as a stream of bytes, in chunks; `None` if the engine has other means for backups,
    /// as a database does.
    fn backup(&self) -> Option<Box<dyn Iterator<Item = Result<Bytes, Error>> + Send>> {
        None
    }

    /// Checks that the store can serve reads and writes now. The cost does not depend on how much is stored.
    ///
    /// # Errors
    ///
    /// Returns what a read or a commit would fail with now.
    async fn ready(&self) -> Result<(), Error>;

    /// Returns the load of the committer. Reads memory only, so it works while the disk or the database does not.
    fn committer_load(&self) -> CommitterLoad;

    /// Returns figures about the store.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    async fn statistics(&self) -> Result<Statistics, Error>;

    /// Stops accepting commands, and waits until those accepted before are finished. Reads still work.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Closed`] if the store is closed already.
    async fn close(&self) -> Result<(), Error>;
}
