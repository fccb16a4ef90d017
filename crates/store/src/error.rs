//! The errors of a store.

use std::path::PathBuf;

/// Why an operation on a store failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the store open.
    #[error("the store is in use by another process")]
    InUse,
    /// A newer annals wrote the store, and this one would damage it.
    #[error(
        "the store has format {found}, but this program supports formats up to {known}: use a newer annals"
    )]
    Newer {
        /// The format found.
        found: u32,
        /// The newest format supported.
        known: u32,
    },
    /// The directory contains other files.
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
    /// There is no store where an existing one was to be opened.
    #[error("there is no store: check the path or address")]
    Missing,
    /// The directory to restore to is not empty.
    #[error("the directory is not empty: name an empty one, or one that does not exist yet")]
    Occupied,
    /// Stored data is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// A write failed, so the store accepts no more until it is opened again. The write that failed may or may not have
    /// been recorded.
    #[error("the store accepts no more writes because one failed; restart annals")]
    ReadOnly,
    /// The database cannot be reached, or is too slow or full. A commit may or may not have been recorded; retry.
    #[error("the database is unavailable: {}", with_causes(&**.0))]
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
    /// The store is closed, or is closing.
    #[error("the store is closed")]
    Closed,
    /// The engine failed for another reason.
    #[error("the store failed: {}", with_causes(&**.0))]
    Engine(Box<dyn std::error::Error + Send + Sync>),
}

/// Returns the error's text with those of all its causes, since many logs show only the text. A cause that the text
/// contains already is left out: some libraries repeat causes in their own text.
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
