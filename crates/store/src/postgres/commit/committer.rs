//! The committer: the thread that decides commands and writes them.
//!
//! It takes all queued commands, decides each from a snapshot that contains those before it, and writes them in one
//! transaction (group commit). The higher the load, the more commands share a transaction. While one group is being
//! written, the next is decided as if the first were committed. If the first fails, the next is decided again.
//!
//! A group is decided from cached data, which is compared with the database when the group is written (optimistic
//! concurrency control). If another process has changed this data in between, the group is decided again. Before that,
//! everything that the group is known to need is locked, so it rarely conflicts again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::contract::{CommitError, CommitSummary};
use crate::error::Error;

use crate::engine::{Job, Pending};
use crate::postgres::Inner;
use crate::postgres::cache::{Found, Keys};
use crate::postgres::connection::session::{Session, bounded};
use crate::postgres::failure::is_blocked;

use super::effects::Effects;
use super::group::{Decided, Group, Sources};
use super::lookup::{Locking, look_up};
use super::write::{Begun, WriteError, begin, record};

/// How long to retry when the database cannot be reached, or after conflicts.
const RETRY_TIME_MAX: Duration = Duration::from_secs(10);
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// How long after a conflict this process commits over Citus under the exclusive lock. Without it, two processes that
/// lock the same rows in different orders would deadlock, which Citus detects only after seconds.
const EXCLUSIVE_TIME: Duration = Duration::from_secs(2);
/// How many rounds of lookups a group may need. After a round, commands may read further keys because of what it found.
const LOOKUP_ROUNDS_MAX: usize = 64;

/// A group that is being written.
struct InFlight {
    effects: Arc<Effects>,
    decided: Vec<Decided>,
    started: Instant,
    task: JoinHandle<(Session, Result<(), WriteError>)>,
}

/// A group that is committed, but not yet cached and acknowledged.
struct Committed {
    effects: Arc<Effects>,
    decided: Vec<Decided>,
    elapsed: Duration,
}

/// The result of writing a group, and the session if it still exists.
type WriteResult = (Option<Session>, Result<(), WriteError>);

pub(crate) struct Committer {
    inner: Arc<Inner>,
    jobs: mpsc::Receiver<Job>,
    /// The session for lookups, while it is usable.
    lookup_session: Option<Session>,
    /// The session for writing, while it is usable and not in flight.
    write_session: Option<Session>,
    in_flight: Option<InFlight>,
    committed: Option<Committed>,
    /// The greatest clock of this process's commits, and of the commits that had no position when it started.
    clock: i64,
    /// When a commit last conflicted with another process.
    last_conflict: Option<Instant>,
    /// Notified at the end, if the store was closed.
    closing: Option<oneshot::Sender<()>>,
}

impl Committer {
    pub(crate) fn new(inner: Arc<Inner>, jobs: mpsc::Receiver<Job>, clock: i64) -> Self {
        Self {
            inner,
            jobs,
            lookup_session: None,
            write_session: None,
            in_flight: None,
            committed: None,
            clock,
            last_conflict: None,
            closing: None,
        }
    }

    /// Runs until the queue is closed or dropped.
    pub(crate) async fn run(mut self) {
        let (mut group, mut is_ended) = (self.new_group(None), false);
        loop {
            if self.in_flight.is_none() {
                // Even an empty group is replaced. It refers to the effects of the group before it, which are cached
                // now, and would keep them in memory.
                let next = self.new_group(None);
                let ready = std::mem::replace(&mut group, next);
                if !ready.is_empty() {
                    self.start(ready).await;
                    let before = self.in_flight.as_ref().map(|in_flight| Arc::clone(&in_flight.effects));
                    group = self.new_group(before);
                }
                // The next group was started first, so that the database is busy meanwhile.
                self.acknowledge();
            }
            if self.in_flight.is_none() && is_ended {
                break;
            }
            let has_room = !group.is_full() && !is_ended;
            tokio::select! {
                biased;
                written = write_result(self.in_flight.as_mut()), if self.in_flight.is_some() => {
                    if !self.finish_write(written).await {
                        group = self.decide_again(group).await;
                    }
                }
                job = self.jobs.recv(), if has_room => match job {
                    Some(job) => self.take(job, &mut group).await,
                    None => is_ended = true,
                },
            }
        }
        if let Some(done) = self.closing.take() {
            _ = done.send(());
        }
    }

    fn new_group(&self, before: Option<Arc<Effects>>) -> Group {
        Group::new(Sources { cache: Some(Arc::clone(&self.inner.cache)), before }, Found::default())
    }

    /// Adds a job to the group, and the other queued ones that it has room for.
    async fn take(&mut self, job: Job, group: &mut Group) {
        group.demote_found();
        let mut next = Some(job);
        while let Some(job) = next {
            match job {
                Job::Commit(pending) => group.push(pending),
                Job::Close { done } => {
                    self.closing = Some(done);
                    self.jobs.close();
                }
            }
            next = if group.is_full() { None } else { self.jobs.try_recv().ok() };
        }
        self.decide(group).await;
    }

    /// Decides all commands of a group, looking up what they read.
    async fn decide(&mut self, group: &mut Group) {
        let Err(error) = self.try_to_decide(group).await else { return };
        let undecided = group.take_undecided();
        if matches!(error, Error::Unavailable(_)) || undecided.len() == 1 {
            return fail_unread(undecided, &error);
        }
        // One of them reads what cannot be read. The others must not fail with it.
        for pending in undecided {
            group.push(pending);
            if let Err(error) = self.try_to_decide(group).await {
                fail_unread(group.take_undecided(), &error);
            }
        }
    }

    /// Looks up what the commands of a group read, until all are decided. On failure, some remain undecided.
    async fn try_to_decide(&mut self, group: &mut Group) -> Result<(), Error> {
        let until = Instant::now() + RETRY_TIME_MAX;
        loop {
            let missing = group.decide();
            if missing.is_empty() {
                return Ok(());
            }
            let Err(error) = self.look_up_missing(group, missing).await else { continue };
            self.lookup_session = None;
            if !matches!(error, Error::Unavailable(_)) || Instant::now() >= until {
                return Err(error);
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    /// Looks up the missing keys, and the further keys that the commands then read, all in one snapshot of the database.
    async fn look_up_missing(&mut self, group: &mut Group, mut missing: Keys) -> Result<(), Error> {
        let session = match &mut self.lookup_session {
            Some(session) => session,
            none => none.insert(self.inner.connect().await?),
        };
        session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        for _ in 0..LOOKUP_ROUNDS_MAX {
            if missing.is_empty() {
                break;
            }
            let found = look_up(session, &missing, Locking::No).await?;
            self.inner.cache.insert(found.clone());
            group.add_found(found);
            missing = group.decide();
        }
        session.run("COMMIT").await?;
        match missing.is_empty() {
            true => Ok(()),
            false => Err(too_many_lookups()),
        }
    }

    /// Decides a group again because the group before it was not committed.
    async fn decide_again(&mut self, group: Group) -> Group {
        let mut again = self.new_group(None);
        for pending in group.into_commands() {
            again.push(pending);
        }
        self.decide(&mut again).await;
        again
    }

    /// Starts writing a group.
    async fn start(&mut self, group: Group) {
        let started = Instant::now();
        let (effects, decided) = group.finish(new_version(), self.clock);
        self.clock = self.clock.max(effects.clock);
        if effects.is_empty() {
            return respond(decided);
        }
        let mut session = match self.locked_write_session().await {
            Ok(session) => session,
            Err(error) => return fail(decided, &error),
        };
        let effects = Arc::new(effects);
        let task = tokio::spawn({
            let effects = Arc::clone(&effects);
            async move {
                let result = record(&mut session, &effects, Begun::No).await;
                (session, result)
            }
        });
        self.in_flight = Some(InFlight { effects, decided, started, task });
    }

    /// Returns the session to write with, once the store's lock is held.
    async fn locked_write_session(&mut self) -> Result<Session, Error> {
        let mut is_lock_held = self.inner.is_lock_held.clone();
        self.write_session = self.write_session.take().filter(|session| !session.client.is_closed());
        if !*is_lock_held.borrow() || self.write_session.is_none() {
            self.acknowledge();
        }
        // `wait_for` returns a guard that blocks the sender, so the guard is dropped at once.
        let waited =
            tokio::time::timeout(RETRY_TIME_MAX, is_lock_held.wait_for(|is_lock_held| *is_lock_held));
        let is_lock_held = waited.await.is_ok_and(|held| held.is_ok());
        if !is_lock_held {
            return Err(Error::Unavailable("the store's lock is not held".into()));
        }
        let until = Instant::now() + RETRY_TIME_MAX;
        let mut session = loop {
            if let Some(session) = self.write_session.take() {
                break session;
            }
            match self.inner.connect().await {
                Err(_) if Instant::now() < until => tokio::time::sleep(RETRY_DELAY).await,
                connected => break connected?,
            }
        };
        session.is_exclusive = self.last_conflict.is_some_and(|conflict| conflict.elapsed() < EXCLUSIVE_TIME);
        Ok(session)
    }

    /// Handles the result of writing a group. Returns whether the group was committed as it had been decided.
    async fn finish_write(&mut self, (session, result): WriteResult) -> bool {
        let Some(InFlight { effects, decided, started, .. }) = self.in_flight.take() else { return true };
        let is_session_usable = matches!(result, Ok(()) | Err(WriteError::Conflict));
        self.write_session = session.filter(|_| is_session_usable);
        match result {
            Ok(()) => {
                self.committed = Some(Committed { effects, decided, elapsed: started.elapsed() });
                return true;
            }
            Err(WriteError::Conflict) => {
                tracing::debug!("conflict with another process; deciding again");
                self.inner.commit_retries.fetch_add(1, Ordering::Relaxed);
                self.commit_with_locks(commands_of(decided), effects.keys(), Patience::Usual, started).await;
            }
            Err(WriteError::ConnectionLost(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the database connection was lost; retrying"
                );
                self.commit_with_locks(commands_of(decided), effects.keys(), Patience::Usual, started).await;
            }
            Err(WriteError::Refused(error)) if decided.len() > 1 && concerns_one(&error) => {
                self.inner.cache.invalidate(&effects.keys());
                self.commit_one_by_one(commands_of(decided), started, &error).await;
            }
            Err(WriteError::Refused(error) | WriteError::OutcomeUnknown(error)) => {
                self.inner.cache.invalidate(&effects.keys());
                fail(decided, &error);
            }
        }
        false
    }

    /// Caches what was committed, and acknowledges it to the callers.
    fn acknowledge(&mut self) {
        let Some(Committed { effects, decided, elapsed }) = self.committed.take() else { return };
        self.inner.cache.insert(effects.to_cache());
        if effects.size.events > 0 {
            (self.inner.observer)(CommitSummary {
                commands: decided.len(),
                events: effects.size.events,
                elapsed,
            });
            let appended = effects.heads.iter().filter(|(_, new)| new.entries.bytes() > 0);
            _ = self.inner.announcements.try_send(appended.map(|(timeline, _)| *timeline).collect());
        }
        respond(decided);
    }

    /// Commits commands after a conflict or a lost connection. Before it decides them, it locks everything that they are
    /// known to read or write.
    async fn commit_with_locks(
        &mut self,
        mut commands: Vec<Pending>,
        mut keys: Keys,
        patience: Patience,
        started: Instant,
    ) {
        let until = Instant::now() + RETRY_TIME_MAX;
        loop {
            self.last_conflict = Some(Instant::now());
            self.inner.cache.invalidate(&keys);
            let mut session = match self.locked_write_session().await {
                Ok(session) => session,
                Err(error) => return fail_all(commands, &error),
            };
            let held = decide_locked(&mut session, &mut commands, &keys, patience, self.clock).await;
            let (effects, decided) = match held {
                Ok(held) => held,
                Err(error) if is_blocked(&error) => {
                    return match commands.len() {
                        0 | 1 => fail_all(commands, &error),
                        _ => Box::pin(self.commit_one_by_one(commands, started, &error)).await,
                    };
                }
                Err(Error::Unavailable(_)) if Instant::now() < until => {
                    tokio::time::sleep(RETRY_DELAY).await;
                    continue;
                }
                Err(error) => return fail_all(commands, &error),
            };
            self.clock = self.clock.max(effects.clock);
            match record(&mut session, &effects, Begun::Yes).await {
                Ok(()) => {
                    self.write_session = Some(session);
                    let (effects, elapsed) = (Arc::new(effects), started.elapsed());
                    self.committed = Some(Committed { effects, decided, elapsed });
                    return self.acknowledge();
                }
                Err(failure @ (WriteError::Conflict | WriteError::ConnectionLost(_)))
                    if Instant::now() < until =>
                {
                    match failure {
                        WriteError::Conflict => {
                            self.inner.commit_retries.fetch_add(1, Ordering::Relaxed);
                            self.write_session = Some(session);
                        }
                        _ => tokio::time::sleep(RETRY_DELAY).await,
                    }
                    keys.extend(effects.keys());
                    commands = commands_of(decided);
                }
                Err(WriteError::Conflict) => {
                    return fail(decided, &Error::Unavailable("too much contention, try again".into()));
                }
                Err(WriteError::Refused(error)) if decided.len() > 1 && concerns_one(&error) => {
                    return Box::pin(self.commit_one_by_one(commands_of(decided), started, &error)).await;
                }
                Err(
                    WriteError::ConnectionLost(error)
                    | WriteError::Refused(error)
                    | WriteError::OutcomeUnknown(error),
                ) => {
                    return fail(decided, &error);
                }
            }
        }
    }

    /// Commits the commands of a group one by one, because the database refused the group, or because another session
    /// holds a lock that it needs. One of the commands is the cause, and the others must not fail with it. The group has
    /// waited for the lock already, so each of them waits only a little.
    async fn commit_one_by_one(&mut self, commands: Vec<Pending>, started: Instant, error: &Error) {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            "the database refused a group; committing its commands one by one"
        );
        for command in commands {
            self.commit_with_locks(vec![command], Keys::default(), Patience::Little, started).await;
        }
    }
}

/// How long a commit waits for locks of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// As long as the session's setting says.
    Usual,
    /// A tenth of a second for each lock.
    Little,
}

/// Returns whether an error may concern one command of a group alone.
fn concerns_one(error: &Error) -> bool {
    matches!(error, Error::Engine(_)) || is_blocked(error)
}

fn commands_of(decided: Vec<Decided>) -> Vec<Pending> {
    decided.into_iter().map(|(pending, _)| pending).collect()
}

/// Begins a transaction, locks `keys` in it, and decides the commands from the locked data. On failure, the commands
/// stay in `commands`.
async fn decide_locked(
    session: &mut Session,
    commands: &mut Vec<Pending>,
    keys: &Keys,
    patience: Patience,
    clock: i64,
) -> Result<(Effects, Vec<Decided>), Error> {
    bounded(begin(session)).await?;
    if patience == Patience::Little {
        session.run("SET LOCAL lock_timeout = '100ms'").await?;
    }
    // Over Citus, rows can be locked only one shard at a time. No locks are needed: `begin` has excluded other commits.
    let locking = if session.is_distributed { Locking::No } else { Locking::Yes };
    let held = look_up(session, keys, locking).await?;
    let mut group = Group::new(Sources { cache: None, before: None }, held);
    for pending in commands.drain(..) {
        group.push(pending);
    }
    for _ in 0..LOOKUP_ROUNDS_MAX {
        let missing = group.decide();
        if missing.is_empty() {
            return Ok(group.finish(new_version(), clock));
        }
        match look_up(session, &missing, Locking::No).await {
            Ok(found) => group.add_found(found),
            Err(error) => {
                commands.extend(group.into_commands());
                return Err(error);
            }
        }
    }
    commands.extend(group.into_commands());
    Err(too_many_lookups())
}

fn too_many_lookups() -> Error {
    Error::Engine("a command reads different keys each time it is decided".into())
}

async fn write_result(in_flight: Option<&mut InFlight>) -> WriteResult {
    match in_flight {
        Some(in_flight) => match (&mut in_flight.task).await {
            Ok((session, result)) => (Some(session), result),
            Err(panicked) => (None, Err(WriteError::OutcomeUnknown(Error::Engine(Box::new(panicked))))),
        },
        None => std::future::pending().await,
    }
}

/// Returns a random version, which no row has had. It is odd, so it is never zero: zero means that the row does not
/// exist.
fn new_version() -> i64 {
    rand::random::<i64>() | 1
}

fn respond(decided: Vec<Decided>) {
    for (pending, outcome) in decided {
        // The caller may have gone; its command is recorded all the same.
        _ = pending.done.send(outcome);
    }
}

/// Fails commands because what they read cannot be read.
fn fail_unread(commands: Vec<Pending>, error: &Error) {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "commands failed because the database could not be read"
    );
    for pending in commands {
        _ = pending.done.send(Err(CommitError::Failed(copy_of(error))));
    }
}

fn fail(decided: Vec<Decided>, error: &Error) {
    fail_all(decided.into_iter().map(|(pending, _)| pending), error);
}

fn fail_all(commands: impl IntoIterator<Item = Pending>, error: &Error) {
    tracing::error!(error = error as &dyn std::error::Error, "a commit failed");
    for pending in commands {
        _ = pending.done.send(Err(CommitError::Failed(copy_of(error))));
    }
}

/// Copies an error for another caller, with the cause as text. Only the original error is logged.
fn copy_of(error: &Error) -> Error {
    match error {
        Error::Engine(cause) => Error::Engine(cause.to_string().into()),
        Error::Damaged(what) => Error::Damaged(what.clone()),
        error => Error::Unavailable(error.to_string().into()),
    }
}
