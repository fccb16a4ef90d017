//! Classifying the database's errors.

use std::fmt;

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

use crate::error::Error;

/// An error from the database, without its detail text. That may contain stored values, which may be secret.
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

/// Returns whether concurrent transactions caused the error, so that nothing was recorded and a retry can succeed.
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

/// Returns whether the connection failed, rather than the statement.
pub(super) fn is_connection_lost(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        // The server is shutting down or starting, the session was terminated, or (class 08) a Citus worker was lost.
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

/// Converts an error of the database: to [`Error::Unavailable`] if a retry may succeed, else to [`Error::Engine`].
pub(super) fn store_error(error: tokio_postgres::Error) -> Error {
    let is_transient = match error.code() {
        None => error.is_closed() || std::error::Error::source(&error).is_some(),
        // Classes: 08 connection, 40 rollback, 53 resources, 55 object state, 57 operator intervention, 58 system
        // error.
        Some(code) => {
            ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.code().starts_with(class))
                || *code == SqlState::READ_ONLY_SQL_TRANSACTION
        }
    };
    let cause: Box<dyn std::error::Error + Send + Sync> = match error.as_db_error() {
        Some(error) => Box::new(DatabaseError {
            code: error.code().code().to_owned(),
            message: error.message().to_owned(),
        }),
        None => Box::new(error),
    };
    if is_transient { Error::Unavailable(cause) } else { Error::Engine(cause) }
}

/// Returns whether another session held a lock for too long. Nothing was recorded.
pub(super) fn is_blocked(error: &Error) -> bool {
    let code = SqlState::LOCK_NOT_AVAILABLE;
    let of_database = match error {
        Error::Unavailable(cause) => cause.downcast_ref::<DatabaseError>(),
        _ => None,
    };
    of_database.is_some_and(|error| error.code == code.code())
}

/// Converts an error of the connection pool.
pub(super) fn pool_error(error: PoolError) -> Error {
    match error {
        PoolError::Backend(error) => store_error(error),
        PoolError::Closed => Error::Closed,
        error => Error::Unavailable(error.into()),
    }
}
