//! The queue of commands in front of a committer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::contract::{Command, CommitError};
use crate::error::Error;

/// The capacity of the queue. If it is full, a caller waits for room.
const QUEUE_MAX: usize = 1024;

/// A job for the committer.
pub(crate) enum Job {
    Commit(Pending),
    Close { done: oneshot::Sender<()> },
}

/// A command, and the channel to the caller that waits for its result.
pub(crate) struct Pending {
    pub(crate) command: Box<dyn Command>,
    pub(crate) done: Reply,
}

/// Returns a command's outcome to its caller. The command counts as waiting until then.
pub(crate) struct Reply {
    sender: oneshot::Sender<Result<(), CommitError>>,
    waiting: Waiting,
}

impl Reply {
    /// Sends the outcome to the caller. Returns it as the error if the caller is gone.
    pub(crate) fn send(self, outcome: Result<(), CommitError>) -> Result<(), Result<(), CommitError>> {
        let Self { sender, waiting } = self;
        // Dropped before the outcome is sent, so that a caller who has it no longer counts as waiting.
        drop(waiting);
        sender.send(outcome)
    }
}

/// A command that is counted as waiting.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn count(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counter))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The sending end of the queue.
pub(crate) struct CommitQueue {
    jobs: mpsc::Sender<Job>,
    waiting: Arc<AtomicUsize>,
}

impl CommitQueue {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Job>) {
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        (Self { jobs, waiting: Arc::default() }, queue)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.jobs.is_closed()
    }

    /// Returns how many commands have no outcome yet, including those that wait to be put in the queue.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Queues a command and waits for its result.
    pub(crate) async fn commit(&self, command: Box<dyn Command>) -> Result<(), CommitError> {
        let (sender, outcome) = oneshot::channel();
        let done = Reply { sender, waiting: Waiting::count(&self.waiting) };
        self.jobs.send(Job::Commit(Pending { command, done })).await.map_err(|_| Error::Closed)?;
        outcome.await.map_err(|_| Error::Closed)?
    }

    /// Closes the queue, and waits until the committer has finished the commands in it.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        let (done, closed) = oneshot::channel();
        self.jobs.send(Job::Close { done }).await.map_err(|_| Error::Closed)?;
        closed.await.map_err(|_| Error::Closed)
    }
}
