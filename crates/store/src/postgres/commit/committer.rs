//! What decides and writes.
//!
//! It takes all commands that wait, decides each with those before it in view, and writes them in one transaction: the more
//! there is to do, the more shares a commit. While one group is written the next is decided, as if the first were
//! recorded already; if it turns out that it is not, the next is decided again.
//!
//! A group is decided from what is cached and compared with the database as it is written. Where another process was
//! in between, the group is decided once more with everything it needs locked, so whoever was late once is not late again.

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

use super::effects::Effects;
use super::group::{Decided, Group, Sources};
use super::lookup::{Locking, look_up};
use super::write::{Begun, WriteError, begin, record};

/// How long it is tried to reach the database, or to record what is contended.
const RETRY_TIME_MAX: Duration = Duration::from_secs(10);
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// How long this process writes alone over Citus once it met another one: two that lock the same in different orders are told
/// apart by the cluster after seconds only.
const EXCLUSIVE_TIME: Duration = Duration::from_secs(2);
/// How often it is looked up what the same commands ask for. What is found may lead to further questions, but not for ever.
const LOOKUP_ROUNDS_MAX: usize = 64;

/// A group on its way to the database.
struct InFlight {
    effects: Arc<Effects>,
    decided: Vec<Decided>,
    started: Instant,
    task: JoinHandle<(Session, Result<(), WriteError>)>,
}

/// A group that was recorded.
struct Committed {
    effects: Arc<Effects>,
    decided: Vec<Decided>,
    elapsed: Duration,
}

/// How a group arrived.
type WriteResult = (Option<Session>, Result<(), WriteError>);

pub(crate) struct Committer {
    inner: Arc<Inner>,
    jobs: mpsc::Receiver<Job>,
    /// Connections, while they are good: one to look things up, one to write.
    lookup_session: Option<Session>,
    write_session: Option<Session>,
    in_flight: Option<InFlight>,
    /// What was recorded and is still to be cached and answered.
    committed: Option<Committed>,
    /// The greatest clock that a commit of this process has, or that one had before it.
    clock: i64,
    /// When others were met last.
    last_conflict: Option<Instant>,
    /// Who waits for the end.
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

    /// Works until it is told to close or nobody can ask it any more.
    pub(crate) async fn run(mut self) {
        let (mut group, mut is_ended) = (self.new_group(None), false);
        loop {
            if self.in_flight.is_none() {
                // Also where there is nothing to start: what the group before wrote is not known only there for ever.
                let next = self.new_group(None);
                let ready = std::mem::replace(&mut group, next);
                if !ready.is_empty() {
                    self.start(ready).await;
                    let before = self.in_flight.as_ref().map(|in_flight| Arc::clone(&in_flight.effects));
                    group = self.new_group(before);
                }
                // Only now, so that the database has something to do meanwhile.
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

    /// Takes a job, and all others that wait and find room.
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

    /// Decides all commands of a group, looking up what they ask for.
    async fn decide(&mut self, group: &mut Group) {
        let until = Instant::now() + RETRY_TIME_MAX;
        loop {
            let missing = group.decide();
            if missing.is_empty() {
                return;
            }
            let Err(error) = self.look_up_missing(group, missing).await else { continue };
            self.lookup_session = None;
            if !matches!(error, Error::Unavailable(_)) || Instant::now() >= until {
                for entry in group.take_undecided() {
                    _ = entry.done.send(Err(CommitError::Failed(copy_of(&error))));
                }
                tracing::error!(error = &error as &dyn std::error::Error, "nothing can be decided");
                return;
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    /// Looks things up, and what turns out to be needed besides, all as of one instant.
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

    /// Decides a group again whose forerunner is not recorded.
    async fn decide_again(&mut self, group: Group) -> Group {
        let mut again = self.new_group(None);
        for entry in group.into_commands() {
            again.push(entry);
        }
        self.decide(&mut again).await;
        again
    }

    /// Sends a group on its way.
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

    /// The connection to write with, once the store's lock is held.
    async fn locked_write_session(&mut self) -> Result<Session, Error> {
        let mut is_lock_held = self.inner.is_lock_held.clone();
        self.write_session = self.write_session.take().filter(|session| !session.client.is_closed());
        if !*is_lock_held.borrow() || self.write_session.is_none() {
            self.acknowledge();
        }
        // What is waited for comes as a guard, which must not outlive this: it keeps others from saying what commands.
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

    /// Answers for a group that arrived. Says whether what it was to record is recorded.
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
                tracing::debug!("another process was quicker; what was decided is decided again");
                self.inner.commit_retries.fetch_add(1, Ordering::Relaxed);
                self.commit_with_locks(decided, effects.keys(), started).await;
            }
            Err(WriteError::ConnectionLost(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the database was lost; trying again"
                );
                self.commit_with_locks(decided, effects.keys(), started).await;
            }
            Err(WriteError::Refused(error @ Error::Engine(_))) if decided.len() > 1 => {
                self.inner.cache.invalidate(&effects.keys());
                self.commit_one_by_one(decided, started, &error).await;
            }
            Err(WriteError::Refused(error) | WriteError::OutcomeUnknown(error)) => {
                self.inner.cache.invalidate(&effects.keys());
                fail(decided, &error);
            }
        }
        false
    }

    /// Caches and answers what was recorded.
    fn acknowledge(&mut self) {
        let Some(Committed { effects, decided, elapsed }) = self.committed.take() else { return };
        self.inner.cache.insert(effects.recorded());
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

    /// Records commands that came off badly once: everything they are known to need is locked before they are decided.
    async fn commit_with_locks(&mut self, decided: Vec<Decided>, mut keys: Keys, started: Instant) {
        let until = Instant::now() + RETRY_TIME_MAX;
        let mut entries: Vec<_> = decided.into_iter().map(|(entry, _)| entry).collect();
        loop {
            self.last_conflict = Some(Instant::now());
            self.inner.cache.invalidate(&keys);
            let mut session = match self.locked_write_session().await {
                Ok(session) => session,
                Err(error) => return fail_all(entries, &error),
            };
            let (effects, decided) = match decide_locked(&mut session, &mut entries, &keys, self.clock).await
            {
                Ok(held) => held,
                Err(Error::Unavailable(_)) if Instant::now() < until => {
                    tokio::time::sleep(RETRY_DELAY).await;
                    continue;
                }
                Err(error) => return fail_all(entries, &error),
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
                    entries = decided.into_iter().map(|(entry, _)| entry).collect();
                }
                Err(WriteError::Conflict) => {
                    return fail(decided, &Error::Unavailable("too much contention, try again".into()));
                }
                Err(WriteError::Refused(error @ Error::Engine(_))) if decided.len() > 1 => {
                    return Box::pin(self.commit_one_by_one(decided, started, &error)).await;
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

    /// Records the commands of a group that was refused. One of them is what the database does not take; the others are not
    /// to suffer for it.
    async fn commit_one_by_one(&mut self, decided: Vec<Decided>, started: Instant, error: &Error) {
        tracing::warn!(error = error as &dyn std::error::Error, "a group was refused; trying one by one");
        for decided in decided {
            self.commit_with_locks(vec![decided], Keys::default(), started).await;
        }
    }
}

/// Begins a transaction, locks these keys in it, and decides the commands from what is locked. Where this fails, the
/// commands stay where they were.
async fn decide_locked(
    session: &mut Session,
    entries: &mut Vec<Pending>,
    keys: &Keys,
    clock: i64,
) -> Result<(Effects, Vec<Decided>), Error> {
    bounded(begin(session)).await?;
    // Over Citus nobody else commits now, so nothing has to be held; and rows can be locked only one shard at a time.
    let locking = if session.is_distributed { Locking::No } else { Locking::Yes };
    let held = look_up(session, keys, locking).await?;
    let mut group = Group::new(Sources { cache: None, before: None }, held);
    for entry in entries.drain(..) {
        group.push(entry);
    }
    for _ in 0..LOOKUP_ROUNDS_MAX {
        let missing = group.decide();
        if missing.is_empty() {
            return Ok(group.finish(new_version(), clock));
        }
        match look_up(session, &missing, Locking::No).await {
            Ok(found) => group.add_found(found),
            Err(error) => {
                entries.extend(group.into_commands());
                return Err(error);
            }
        }
    }
    entries.extend(group.into_commands());
    Err(too_many_lookups())
}

fn too_many_lookups() -> Error {
    Error::Engine("a command asks for something else each time".into())
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

/// A version that no row had: zero is that of a row that is not there.
fn new_version() -> i64 {
    rand::random::<i64>() | 1
}

fn respond(decided: Vec<Decided>) {
    for (entry, outcome) in decided {
        // Whoever asked may have gone; what they asked for is recorded all the same.
        _ = entry.done.send(outcome);
    }
}

fn fail(decided: Vec<Decided>, error: &Error) {
    fail_all(decided.into_iter().map(|(entry, _)| entry), error);
}

fn fail_all(entries: impl IntoIterator<Item = Pending>, error: &Error) {
    tracing::error!(error = error as &dyn std::error::Error, "a commit failed");
    for entry in entries {
        _ = entry.done.send(Err(CommitError::Failed(copy_of(error))));
    }
}

/// The same for each who waits. What exactly went wrong is in the log, once.
fn copy_of(error: &Error) -> Error {
    match error {
        Error::Engine(cause) => Error::Engine(cause.to_string().into()),
        Error::Damaged(what) => Error::Damaged(what.clone()),
        error => Error::Unavailable(error.to_string().into()),
    }
}
