//! Opening a store: whose directory it is, which format it has, and what a power cut left of it.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
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

/// The format this program writes, and the newest it reads.
pub(super) const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "format";

const MIB: u64 = 1 << 20;
/// Blocks of tables in memory.
const BLOCK_CACHE_BYTES: u64 = 48 * MIB;
/// Rows in memory.
const ROW_CACHE_BYTES: u64 = 48 * MIB;
/// Heads of timelines in memory; each takes about 100 bytes.
const HEADS_MAX: usize = 100_000;
/// What has to be read again at the next start, at the most.
const JOURNAL_BYTES: u64 = 64 * MIB;

/// How to open a store.
pub struct Options {
    directory: PathBuf,
    common: CommonOptions,
}

impl Options {
    /// The store in that directory, which is made if it is not there.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), common: CommonOptions::default() }
    }

    /// Whether only a store that is there is opened, and none is made.
    #[must_use]
    pub fn existing(mut self, is_existing: bool) -> Self {
        self.common.is_existing = is_existing;
        self
    }

    /// Calls this after every commit, on the committing thread.
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(CommitSummary) + Send + Sync + 'static) -> Self {
        self.common.observer = Box::new(observer);
        self
    }

    /// Opens the store. Takes as long as reading a journal of 64 MiB at most.
    pub fn open(self) -> Result<EmbeddedStore, Error> {
        if self.common.is_existing && !self.directory.join(FORMAT_FILE).exists() {
            return Err(Error::Missing);
        }
        let lock = lock(&self.directory)?;
        check_format(&self.directory)?;
        let path = self.directory.join("fjall");
        // A directory that was there before may be open to other users; the engine's files must not be.
        create_private(&path)?;
        damage::repair_journal(&path)?;
        let database = Database::builder(&path)
            .cache_size(BLOCK_CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            // The committing thread would compress, and everybody waits for it; the journal is short-lived.
            .journal_compression(CompressionType::None)
            // With more than one, the engine's first worker only flushes, and spins while another compacts.
            .worker_threads(1)
            .open()?;
        let keyspace = |name: &str, memtable_bytes: u64, block_bytes: u32| {
            database.keyspace(name, || {
                KeyspaceCreateOptions::default()
                    .max_memtable_size(memtable_bytes)
                    .data_block_size_policy(BlockSizePolicy::all(block_bytes))
                    .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
                    // Runs are long, so finding one from the last restart costs more than a whole key does.
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
                .map_err(|_| Error::Damaged("the count of timelines cannot be read".to_owned()))?,
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
            row_cache: Cache::with_weighter(HEADS_MAX, ROW_CACHE_BYTES, RowBytes),
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

/// Makes the directory if need be and takes it for this process.
fn lock(directory: &Path) -> Result<File, Error> {
    create_private(directory)?;
    let is_foreign = !directory.join("lock").exists() && fs::read_dir(directory)?.next().is_some();
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

/// Creates a directory, with its parents, that only its owner can enter, whatever the umask. The store holds secrets.
fn create_private(directory: &Path) -> Result<(), Error> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    created.map_err(|error| creation_error(directory, error))
}

/// Why a file or a directory of a store cannot be made.
pub(super) fn creation_error(path: &Path, error: io::Error) -> Error {
    let existing = || path.ancestors().find(|path| path.exists()).unwrap_or(Path::new(".")).to_owned();
    match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => Error::NotADirectory(existing()),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Error::NotWritable(existing()),
        _ => error.into(),
    }
}

/// Refuses a newer format, and writes the number where there is none yet.
fn check_format(directory: &Path) -> Result<(), Error> {
    let path = directory.join(FORMAT_FILE);
    let found = match fs::read_to_string(&path) {
        Ok(text) => {
            text.trim().parse::<u32>().map_err(|_| Error::Damaged("the format cannot be read".to_owned()))?
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // Written aside and renamed: a crash leaves either no number or a whole one.
            let aside = directory.join("format.new");
            fs::write(&aside, format!("{FORMAT}\n"))?;
            File::open(&aside)?.sync_all()?;
            fs::rename(&aside, &path)?;
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
