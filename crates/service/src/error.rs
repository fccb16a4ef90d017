//! Errors of the service.

use annals_model::Rejection;
use annals_store::CommitError;

/// Why a command or query failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rules reject the command, or the caller names something that does not exist or is hidden from them.
    #[error("{0}")]
    Rejected(Rejection),
    /// The credential is not valid.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// The caller is the operator or an auditor, but only users can do this.
    #[error("this needs a user's token, not the operator's")]
    NeedsUser,
    /// The caller is a user, but only the operator can do this.
    #[error("this needs the operator token")]
    NeedsOperator,
    /// The caller is a user, but only the operator and auditors read the whole platform.
    #[error("this needs the operator token or the token of an auditor")]
    NeedsAuditor,
    /// The caller is an auditor, and auditors only read.
    #[error("an auditor changes nothing; this needs another token")]
    AuditorsOnlyRead,
    /// The store failed to commit. The command may or may not have been recorded.
    #[error(transparent)]
    Commit(annals_store::Error),
    /// The store failed to read.
    #[error(transparent)]
    Store(#[from] annals_store::Error),
    /// There is no directory for archives.
    #[error(
        "annals does not offer uploads of source archives here; name an archive's URL in POST /v1/apps/{{app}}/deployments"
    )]
    NoArchives,
    /// Too many archives are arriving.
    #[error("too many archives are arriving; retry")]
    Busy,
    /// An archive could not be written or read.
    #[error("an archive could not be written or read: {0}")]
    Archive(std::io::Error),
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
    /// The store could not be read or written.
    #[error(transparent)]
    Service(#[from] Error),
    /// The mail settings are invalid.
    #[error("the mail settings are invalid: {0}")]
    Mail(String),
    /// A copy into the store was started but not finished.
    #[error("the store is an unfinished copy: run annals copy again to resume it")]
    UnfinishedCopy,
    /// A key in the store is damaged.
    #[error("the store's {0} cannot be read")]
    Damaged(&'static str),
}
