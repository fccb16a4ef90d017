//! The errors of a store.

use std::path::PathBuf;

/// Why an operation on a store failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the store open.
    #[error("the store is in use by another process")]
    InUse,
    /// A newer annals wrote the store. This one could damage it.
    #[error(
        "the store has format {found}, but this program supports formats up to {known}: use a newer annals"
    )]
    Newer {
        /// The format found.
        found: u32,
        /// The newest format supported.
        known: u32,
    },
    /// The directory has files, but no store.
    #[error(
        "the directory is not empty and holds no store: name another one, or one that does not exist yet"
    )]
    NotAStore,
    /// The path is a file, or lies below one.
    #[error("{} is a file: name a directory", .0.display())]
    NotADirectory(PathBuf),
    /// The operating system denies this process writing there.
    #[error("no permission to write {}", .0.display())]
    NotWritable(PathBuf),
    /// The file to restore is not a backup.
    #[error("{0}")]
    NotABackup(String),
    /// Only an existing store was to be opened, and there is none.
    #[error("there is no store: check the path or address")]
    Missing,
    /// The directory to restore to is not empty.
    #[error("the directory is not empty: name an empty one, or one that does not exist yet")]
    Occupied,
    /// Stored data is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// A write failed, so the store accepts no writes until its directory can be written again; then it recovers by itself.
    /// The failed write may or may not have been recorded.
    #[error(
        "the store accepts no writes, because one failed: it tries again until its directory can be written"
    )]
    ReadOnly,
    /// The database cannot be reached, or is too slow or full. A commit may or may not have been recorded. A retry may
    /// succeed.
    #[error("the database is unavailable: {}", with_causes(&**.0))]
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
    /// The store is closed, or is closing.
    #[error("the store is closed")]
    Closed,
    /// The engine failed for another reason.
    #[error("the store failed: {}", with_causes(&**.0))]
    Engine(Box<dyn std::error::Error + Send + Sync>),
}

/// Returns the error's text, followed by the texts of its causes, since many logs show only an error's own text. A cause
/// whose text is there already is left out: some libraries repeat causes in their own text.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let cause_text = error.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
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
