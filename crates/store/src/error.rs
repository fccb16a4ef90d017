//! Why a store could not do something.

use std::path::PathBuf;

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
    /// What was named is a file, or is in one.
    #[error("{} is a file: name a directory", .0.display())]
    NotADirectory(PathBuf),
    /// The system does not let this process write there.
    #[error("no permission to write {}", .0.display())]
    NotWritable(PathBuf),
    /// What was to be restored was not written by a backup.
    #[error("{0}")]
    NotABackup(String),
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
    #[error("the database is unavailable: {}", with_causes(&**.0))]
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
    /// The engine failed.
    #[error("the store failed: {}", with_causes(&**.0))]
    Engine(Box<dyn std::error::Error + Send + Sync>),
}

/// An error with all its causes, since many logs show the text alone. Some libraries repeat a cause in their own text.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Engine(Box::new(error))
    }
}
