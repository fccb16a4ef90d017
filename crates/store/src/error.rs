//! Why a store could not do something.

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
    #[error("the database is unavailable")]
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
