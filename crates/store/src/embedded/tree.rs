//! Opening the LSM tree in a store's directory.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use fjall::config::{BlockSizePolicy, CompressionPolicy, RestartIntervalPolicy};
use fjall::{CompressionType, Database, KeyspaceCreateOptions};
use quick_cache::sync::Cache;

use crate::error::Error;

use super::{Inner, RowBytes, counts, damage, platform};

const MIB: u64 = 1 << 20;
/// The size of the cache of table blocks.
const BLOCK_CACHE_BYTES: u64 = 48 * MIB;
/// The size of the cache of rows.
const ROW_CACHE_BYTES: u64 = 48 * MIB;
/// How many heads of timelines are cached; each takes about 100 bytes.
const HEADS_MAX: usize = 100_000;
/// The estimated number of cached rows.
const ROWS_ESTIMATE: usize = 100_000;
/// The size of the journal, which bounds how much the next start has to replay.
const JOURNAL_BYTES: u64 = 64 * MIB;

/// The directory with fjall's files.
pub(super) fn engine_path(directory: &Path) -> PathBuf {
    directory.join("fjall")
}

impl Inner {
    /// Repairs the journal and opens the LSM tree in a store's directory.
    pub(super) fn open(directory: &Path, table_files: usize) -> Result<Self, Error> {
        let path = engine_path(directory);
        damage::repair_journals(&path)?;
        let database = Database::builder(&path)
            .cache_size(BLOCK_CACHE_BYTES)
            .max_cached_files(Some(table_files.max(1)))
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
        let timelines = counts::timelines(&counts)?;
        let platform_length = platform::length(&platform)?;
        Ok(Self {
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
        })
    }
}
