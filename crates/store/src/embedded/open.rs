//! Opening a store: locking its directory, keeping it private, and starting the committer.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::contract::CommitSummary;
use crate::engine::{CommitQueue, CommonOptions};
use crate::error::Error;

use super::directory::Directory;
use super::tree::engine_path;
use super::{EmbeddedStore, Inner, committer, damage, format};

/// How many table files stay open.
const TABLE_FILES: usize = 900;
/// Options for opening a store in a directory.
pub struct Options {
    directory: PathBuf,
    table_files: usize,
    common: CommonOptions,
}

impl Options {
    /// Chooses the directory of the store. The directory is created if it does not exist.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), table_files: TABLE_FILES, common: CommonOptions::default() }
    }

    /// Sets whether the store must exist. If it must and does not, opening fails with [`Error::Missing`].
    #[must_use]
    pub fn existing(mut self, must_exist: bool) -> Self {
        self.common.must_exist = must_exist;
        self
    }

    /// Sets how many table files stay open, each with a file descriptor. 900 by default.
    #[must_use]
    pub fn table_files(mut self, table_files: usize) -> Self {
        self.table_files = table_files;
        self
    }

    /// Sets a function to call after every commit that records events, on the committing thread.
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(CommitSummary) + Send + Sync + 'static) -> Self {
        self.common.observer = Box::new(observer);
        self
    }

    /// Opens the store. Replays the journal, which has at most about 64 MiB.
    ///
    /// # Errors
    ///
    /// - [`Error::InUse`] if another process has the store open.
    /// - [`Error::Missing`], [`Error::NotAStore`], [`Error::NotADirectory`] or [`Error::NotWritable`] if the directory
    ///   cannot be used.
    /// - [`Error::Newer`] if a newer annals wrote the store.
    /// - [`Error::Damaged`] if it is damaged.
    /// - [`Error::Engine`] if it cannot be opened for another reason.
    pub fn open(self) -> Result<EmbeddedStore, Error> {
        if self.common.must_exist && !format::is_store(&self.directory) {
            return Err(Error::Missing);
        }
        let lock = lock(&self.directory)?;
        let mended = make_private(&self.directory)?;
        if mended > 0 {
            tracing::warn!(
                directory = %self.directory.display(),
                files = mended,
                "other users could open files of the store, which has secrets; now they cannot"
            );
        }
        format::check(&self.directory)?;
        let path = engine_path(&self.directory);
        // A directory that was there before may be open to other users; the engine's files must not be.
        create_private(&path)?;
        damage::discard_unfinished_start(&path)?;
        create_private(&path)?;
        let inner = Inner::open(&self.directory, self.table_files)?;
        let directory =
            Arc::new(Directory::new(self.directory, self.table_files, inner, self.common.observer, lock));
        let (queue, jobs) = CommitQueue::new();
        let timer = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let committer = std::thread::Builder::new().name("committer".to_owned()).spawn({
            let directory = Arc::clone(&directory);
            move || committer::run(&directory, &timer, jobs)
        })?;
        Ok(EmbeddedStore { directory, queue, committer: Some(committer) })
    }
}

/// Creates the directory if it does not exist, and locks it for this process.
fn lock(directory: &Path) -> Result<File, Error> {
    create_private(directory)?;
    let mut files = fs::read_dir(directory).map_err(|error| creation_error(directory, error))?;
    let is_foreign = !directory.join("lock").exists() && files.next().is_some();
    if is_foreign {
        return Err(Error::NotAStore);
    }
    let path = directory.join("lock");
    let lock = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let lock = lock.map_err(|error| creation_error(&path, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Creates a directory and its missing parents, if it does not exist. Only its owner can enter it, whatever the umask
/// is, because the store has secrets.
fn create_private(directory: &Path) -> Result<(), Error> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    created.map_err(|error| creation_error(directory, error))
}

/// Lets only the owner open a directory and what is in it. Returns how many files and directories others could open.
fn make_private(path: &Path) -> Result<usize, Error> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        return Ok(0);
    }
    let mut permissions = metadata.permissions();
    let is_open = permissions.mode() & 0o077 != 0;
    if is_open {
        permissions.set_mode(permissions.mode() & 0o700);
        fs::set_permissions(path, permissions).map_err(|error| creation_error(path, error))?;
    }
    let mut mended = usize::from(is_open);
    if metadata.is_dir() {
        for inner in fs::read_dir(path)? {
            mended += make_private(&inner?.path())?;
        }
    }
    Ok(mended)
}

/// Explains why a file or directory of a store cannot be created.
pub(super) fn creation_error(path: &Path, error: io::Error) -> Error {
    let existing = || path.ancestors().find(|path| path.exists()).unwrap_or(Path::new(".")).to_owned();
    match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => Error::NotADirectory(existing()),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Error::NotWritable(existing()),
        _ => error.into(),
    }
}
