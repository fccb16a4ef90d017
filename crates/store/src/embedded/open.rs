//! Opening a store: locking its directory, checking its format, and repairing its journal.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};

use fjall::config::{BlockSizePolicy, CompressionPolicy, RestartIntervalPolicy};
use fjall::{CompressionType, Database, KeyspaceCreateOptions};
use quick_cache::sync::Cache;
use tokio::sync::broadcast;

use crate::contract::CommitSummary;
use crate::engine::{CommitQueue, CommonOptions, NOTIFICATIONS_MAX};
use crate::error::Error;

use super::{EmbeddedStore, Inner, RowBytes, committer, damage, platform};

/// The format that this program writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "format";

const MIB: u64 = 1 << 20;
/// The size of the cache of table blocks.
const BLOCK_CACHE_BYTES: u64 = 48 * MIB;
/// The size of the cache of rows.
const ROW_CACHE_BYTES: u64 = 48 * MIB;
/// How many table files stay open.
const TABLE_FILES: usize = 900;
/// How many heads of timelines are cached; each takes about 100 bytes.
const HEADS_MAX: usize = 100_000;
/// The estimated number of cached rows.
const ROWS_ESTIMATE: usize = 100_000;
/// The size of the journal, which bounds how much the next start has to replay.
const JOURNAL_BYTES: u64 = 64 * MIB;

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
        if self.common.must_exist && !self.directory.join(FORMAT_FILE).exists() {
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
        check_format(&self.directory)?;
        let path = self.directory.join("fjall");
        // A directory that was there before may be open to other users; the engine's files must not be.
        create_private(&path)?;
        damage::discard_unfinished_start(&path)?;
        create_private(&path)?;
        damage::repair_journals(&path)?;
        let database = Database::builder(&path)
            .cache_size(BLOCK_CACHE_BYTES)
            .max_cached_files(Some(self.table_files.max(1)))
            .max_journaling_size(JOURNAL_BYTES)
            // Compression would slow down the committing thread, and the journal is soon deleted.
            .journal_compression(CompressionType::None)
            // With several workers, the first one only flushes, and spins while another compacts.
            .worker_threads(1)
            .open()?;
        let keyspace = |name: &str, memtable_bytes: u64, block_bytes: u32| {
            database.keyspace(name, || {
                KeyspaceCreateOptions::default()
                    .max_memtable_size(memtable_bytes)
                    .data_block_size_policy(BlockSizePolicy::all(block_bytes))
                    .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
                    // A key between restart points is found by scanning from the last one. Runs are long, so short
                    // scans are worth the bytes of more whole keys.
                    .data_block_restart_interval_policy(RestartIntervalPolicy::all(2))
            })
        };
        let runs = keyspace("runs", 16 * MIB, 16 << 10)?;
        let rows = keyspace("rows", 8 * MIB, 8 << 10)?;
        let platform = keyspace("platform", 4 * MIB, 16 << 10)?;
        let ids = keyspace("ids", 4 * MIB, 4 << 10)?;
        let counts = keyspace("counts", MIB, 4 << 10)?;
        let timelines = match counts.get(committer::TIMELINES_KEY)? {
            Some(value) => value
                .as_ref()
                .try_into()
                .map(u64::from_be_bytes)
                .map_err(|_| Error::Damaged("the number of timelines cannot be read".to_owned()))?,
            None => 0,
        };
        let platform_length = platform::length(&platform)?;
        let inner = Arc::new(Inner {
            database,
            runs,
            rows,
            platform,
            ids,
            counts,
            heads: Cache::new(HEADS_MAX),
            row_cache: Cache::with_weighter(ROWS_ESTIMATE, ROW_CACHE_BYTES, RowBytes),
            timelines: AtomicU64::new(timelines),
            platform_length: AtomicU64::new(platform_length),
            writable: AtomicBool::new(true),
            notifications: broadcast::Sender::new(NOTIFICATIONS_MAX),
            claims: Mutex::default(),
            observer: self.common.observer,
            _lock: lock,
        });
        let (queue, jobs) = CommitQueue::new();
        let committer = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn({
                let inner = Arc::clone(&inner);
                move || committer::run(inner, jobs)
            })
            .map_err(|error| Error::Engine(Box::new(error)))?;
        Ok(EmbeddedStore { inner, queue, committer: Some(committer) })
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

/// Rejects a newer format, and writes the format of a new store.
fn check_format(directory: &Path) -> Result<(), Error> {
    let path = directory.join(FORMAT_FILE);
    let found = match fs::read_to_string(&path) {
        Ok(text) => {
            text.trim().parse::<u32>().map_err(|_| Error::Damaged("the format cannot be read".to_owned()))?
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // The number is written to another file, which is then renamed, so that a crash leaves no partial number.
            let temporary = directory.join("format.new");
            fs::write(&temporary, format!("{FORMAT}\n"))?;
            File::open(&temporary)?.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(directory)?.sync_all()?;
            FORMAT
        }
        Err(error) => return Err(error.into()),
    };
    if found > FORMAT {
        return Err(Error::Newer { found, known: FORMAT });
    }
    Ok(())
}
