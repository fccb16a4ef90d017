//! What a database's errors mean here.

use std::fmt;

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

use crate::error::Error;

/// What the database said, without its details: they may show what is stored, which may be secret.
#[derive(Debug)]
struct DatabaseError {
    code: String,
    message: String,
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for DatabaseError {}

/// Whether nothing was recorded because of what others did at the same time, so that it may be tried again.
pub(super) fn is_conflict(error: &tokio_postgres::Error) -> bool {
    matches!(
        error.code(),
        Some(
            &SqlState::T_R_SERIALIZATION_FAILURE
                | &SqlState::T_R_DEADLOCK_DETECTED
                | &SqlState::UNIQUE_VIOLATION
        )
    )
}

/// Whether it is the connection that failed, and not what was asked for over it.
pub(super) fn is_connection_lost(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        // The server goes down or comes up, somebody ended the session, or (class 08) it lost a worker of its own.
        Some(code) => {
            matches!(
                *code,
                SqlState::ADMIN_SHUTDOWN
                    | SqlState::CRASH_SHUTDOWN
                    | SqlState::CANNOT_CONNECT_NOW
                    | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
                    | SqlState::IDLE_SESSION_TIMEOUT
            ) || code.code().starts_with("08")
        }
        None => true,
    }
}

pub(super) fn store_error(error: tokio_postgres::Error) -> Error {
    let is_transient = match error.code() {
        None => error.is_closed() || std::error::Error::source(&error).is_some(),
        // Classes: 08 connection, 40 rolled back, 53 out of something, 55 in use, 57 stopped, 58 the system failed.
        Some(code) => {
            ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.code().starts_with(class))
                || *code == SqlState::READ_ONLY_SQL_TRANSACTION
        }
    };
    let said: Box<dyn std::error::Error + Send + Sync> = match error.as_db_error() {
        Some(said) => Box::new(DatabaseError {
            code: said.code().code().to_owned(),
            message: said.message().to_owned(),
        }),
        None => Box::new(error),
    };
    if is_transient { Error::Unavailable(said) } else { Error::Engine(said) }
}

/// What it means that no connection could be had.
pub(super) fn pool_error(error: PoolError) -> Error {
    match error {
        PoolError::Backend(error) => store_error(error),
        PoolError::Closed => Error::Closed,
        error => Error::Unavailable(error.into()),
    }
}
