//! The way to a store's committer.

use tokio::sync::{mpsc, oneshot};

use crate::contract::{Command, CommitError};
use crate::error::Error;

/// How many commands may wait; a further one waits to be put in the queue.
const QUEUE_MAX: usize = 1024;

/// What a committer is asked to do.
pub(crate) enum Job {
    Commit(Pending),
    Close { done: oneshot::Sender<()> },
}

/// A command, and who waits for it.
pub(crate) struct Pending {
    pub(crate) command: Box<dyn Command>,
    pub(crate) done: oneshot::Sender<Result<(), CommitError>>,
}

/// Where commands wait for the committer.
pub(crate) struct CommitQueue(mpsc::Sender<Job>);

impl CommitQueue {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Job>) {
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        (Self(jobs), queue)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Has a command committed.
    pub(crate) async fn commit(&self, command: Box<dyn Command>) -> Result<(), CommitError> {
        let (done, answer) = oneshot::channel();
        self.0.send(Job::Commit(Pending { command, done })).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Has everything that waits committed, and nothing after it.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        let (done, closed) = oneshot::channel();
        self.0.send(Job::Close { done }).await.map_err(|_| Error::Closed)?;
        closed.await.map_err(|_| Error::Closed)
    }
}
