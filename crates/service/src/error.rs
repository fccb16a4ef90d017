//! Why the service did not do something.

use annals_model::Rejection;
use annals_store::CommitError;

/// Why something was not done, or not answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rules refuse it, or what is meant is not there, or must seem so.
    #[error("{0}")]
    Rejected(Rejection),
    /// The credential is not valid.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// The operator asked for what only people do.
    #[error("this needs a user's token, not the operator's")]
    NeedsUser,
    /// A user asked for what only the operator does.
    #[error("this needs the operator token")]
    NeedsOperator,
    /// The store failed to commit; see there whether the command may have been recorded.
    #[error(transparent)]
    Commit(annals_store::Error),
    /// The store failed to read.
    #[error(transparent)]
    Store(#[from] annals_store::Error),
    /// A password could not be hashed.
    #[error("a password could not be hashed: {0}")]
    Hashing(String),
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Rejected(rejection) => Self::Rejected(rejection),
            CommitError::Failed(error) => Self::Commit(error),
        }
    }
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store did not give or keep what the service needs.
    #[error(transparent)]
    Service(#[from] Error),
    /// Mail cannot be sent as it is configured.
    #[error("mail cannot be sent as it is configured: {0}")]
    Mail(String),
    /// A copy into the store was begun and not finished.
    #[error("the store is a copy that is not finished: run annals copy again, which resumes it")]
    UnfinishedCopy,
    /// Something the service keeps in the store is not as it was written.
    #[error("the store's {0} cannot be read")]
    Damaged(&'static str),
}
