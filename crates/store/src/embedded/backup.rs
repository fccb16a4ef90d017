//! Backups: a store as a stream of bytes. Creating, checking and restoring them.
//!
//! ```text
//! header      "annals backup" │ format (u32)                                                 all numbers big-endian
//! per entry   keyspace (u8, from 1) │ key length (u32) │ value length (u32) │ key │ value
//! trailer     zero (u8) │ number of entries (u64) │ XXH3 of all bytes before (u64)
//! ```

use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use fjall::{Iter, Keyspace, PersistMode, Readable, Snapshot};
use xxhash_rust::xxh3::Xxh3Default;

use crate::error::Error;

use super::open::{FORMAT, creation_error};
use super::{EmbeddedStore, Inner, Options};

const MAGIC: &[u8; 13] = b"annals backup";
/// The first bytes of compressed files, to tell a user who forgot to decompress a backup.
const COMPRESSIONS: [(&[u8], &str); 4] = [
    (&[0x1f, 0x8b], "gzip"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (&[0xfd, b'7', b'z', b'X', b'Z'], "xz"),
    (b"BZh", "bzip2"),
];
/// About the length of a chunk of the stream.
const CHUNK_BYTES: usize = 256 << 10;
/// About how much a restore writes at once.
const BATCH_BYTES: usize = 4 << 20;
/// A limit that no key or value reaches. A greater length is damaged, and must not make a read allocate memory for it.
const ENTRY_BYTES_MAX: usize = 256 << 20;

impl Inner {
    /// Returns the keyspaces in the order of their numbers in backups.
    fn keyspaces(&self) -> [&Keyspace; 5] {
        [&self.runs, &self.rows, &self.platform, &self.ids, &self.counts]
    }
}

/// The chunks of a backup. They contain what was committed when the backup began. Later commits are not blocked.
pub(super) struct Backup {
    snapshot: Snapshot,
    keyspaces: Vec<(u8, Keyspace)>,
    entries: Option<(u8, Iter)>,
    hash: Xxh3Default,
    count: u64,
    is_started: bool,
    is_ended: bool,
}

impl Backup {
    pub(super) fn of(inner: &Inner) -> Self {
        let mut keyspaces: Vec<_> = (1..).zip(inner.keyspaces().map(Clone::clone)).collect();
        keyspaces.reverse();
        Self {
            snapshot: inner.database.snapshot(),
            keyspaces,
            entries: None,
            hash: Xxh3Default::new(),
            count: 0,
            is_started: false,
            is_ended: false,
        }
    }

    /// Adds the next entry, or the beginning of the trailer, to `chunk`.
    fn push_next(&mut self, chunk: &mut Vec<u8>) -> Result<(), Error> {
        if self.entries.is_none() {
            let Some((number, keyspace)) = self.keyspaces.pop() else {
                self.is_ended = true;
                chunk.push(0);
                chunk.extend_from_slice(&self.count.to_be_bytes());
                return Ok(());
            };
            self.entries = Some((number, self.snapshot.iter(&keyspace)));
        }
        let Some((number, entries)) = &mut self.entries else { return Ok(()) };
        let Some(guard) = entries.next() else {
            self.entries = None;
            return Ok(());
        };
        let (key, value) = guard.into_inner()?;
        chunk.push(*number);
        for length in [key.len(), value.len()] {
            chunk.extend_from_slice(&u32::try_from(length).expect("an entry is far shorter").to_be_bytes());
        }
        chunk.extend_from_slice(&key);
        chunk.extend_from_slice(&value);
        self.count += 1;
        Ok(())
    }
}

impl Iterator for Backup {
    type Item = Result<Bytes, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_ended {
            return None;
        }
        let mut chunk = Vec::with_capacity(CHUNK_BYTES + 1024);
        if !self.is_started {
            self.is_started = true;
            chunk.extend_from_slice(MAGIC);
            chunk.extend_from_slice(&FORMAT.to_be_bytes());
        }
        while chunk.len() < CHUNK_BYTES && !self.is_ended {
            if let Err(error) = self.push_next(&mut chunk) {
                self.is_ended = true;
                return Some(Err(error));
            }
        }
        self.hash.update(&chunk);
        if self.is_ended {
            chunk.extend_from_slice(&self.hash.digest().to_be_bytes());
        }
        Some(Ok(chunk.into()))
    }
}

/// Reads a backup to its end and returns the number of its entries.
///
/// # Errors
///
/// [`Error::NotABackup`] if the input is something else, [`Error::Newer`] if a newer annals wrote it, [`Error::Damaged`]
/// if it is truncated or was modified, and [`Error::Engine`] if it cannot be read.
pub fn check_backup(backup: impl Read) -> Result<u64, Error> {
    read(backup, |_, _, _| Ok(()))
}

/// Restores a backup to `directory`, which must be empty or not exist, and returns the number of entries. A failed
/// restore leaves no store in `directory`.
///
/// # Errors
///
/// The errors of [`check_backup`]; [`Error::Occupied`] if the directory is not empty; [`Error::NotADirectory`] or
/// [`Error::NotWritable`] if the store cannot be created there.
pub fn restore(backup: impl Read, directory: &Path) -> Result<u64, Error> {
    match std::fs::remove_dir(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(creation_error(directory, error));
        }
        Err(_) => return Err(Error::Occupied),
    }
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let explain = |error| creation_error(parent, error);
    std::fs::create_dir_all(parent).map_err(explain)?;
    let temporary =
        tempfile::Builder::new().prefix(".annals-restore-").tempdir_in(parent).map_err(explain)?;
    let store: EmbeddedStore = Options::new(temporary.path().join("store")).open()?;
    let inner = &store.inner;
    let mut batch = inner.database.batch();
    let mut bytes = 0;
    let count = read(backup, |keyspace, key, value| {
        let keyspaces = inner.keyspaces();
        let keyspace = keyspaces.get(usize::from(keyspace) - 1).ok_or_else(damaged)?;
        bytes += key.len() + value.len();
        batch.insert(keyspace, key, value);
        if bytes >= BATCH_BYTES {
            bytes = 0;
            std::mem::replace(&mut batch, inner.database.batch()).commit()?;
        }
        Ok(())
    })?;
    batch.commit()?;
    inner.database.persist(PersistMode::SyncAll)?;
    drop(store);
    std::fs::rename(temporary.path().join("store"), directory)?;
    std::fs::File::open(parent)?.sync_all()?;
    Ok(count)
}

fn read(
    backup: impl Read,
    mut entry: impl FnMut(u8, Vec<u8>, Vec<u8>) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut backup = HashingReader { inner: backup, hash: Xxh3Default::new() };
    let begin = backup.take(MAGIC.len())?;
    if begin != MAGIC {
        return Err(Error::NotABackup(describe(&begin)));
    }
    let found = u32::from_be_bytes(backup.number()?);
    if found > FORMAT {
        return Err(Error::Newer { found, known: FORMAT });
    }
    let mut count = 0;
    loop {
        let [keyspace] = backup.number()?;
        if keyspace == 0 {
            break;
        }
        let [key, value] = [u32::from_be_bytes(backup.number()?), u32::from_be_bytes(backup.number()?)];
        let [key, value] = [key, value].map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if key.max(value) > ENTRY_BYTES_MAX {
            return Err(damaged());
        }
        let (key, value) = (backup.take(key)?, backup.take(value)?);
        entry(keyspace, key, value)?;
        count += 1;
    }
    let counted = u64::from_be_bytes(backup.number()?);
    let hash = backup.hash.digest();
    let is_whole = counted == count && u64::from_be_bytes(backup.number()?) == hash;
    // Nothing may follow the trailer.
    match is_whole && backup.inner.read(&mut [0])? == 0 {
        true => Ok(count),
        false => Err(damaged()),
    }
}

/// Describes a file that does not begin like a backup.
fn describe(begin: &[u8]) -> String {
    match COMPRESSIONS.iter().find(|(magic, _)| begin.starts_with(magic)) {
        Some((_, name)) => format!("the file is {name}-compressed; decompress it first"),
        None => "the file is not an annals backup".to_owned(),
    }
}

fn damaged() -> Error {
    Error::Damaged("the backup is truncated or was modified".to_owned())
}

/// A reader that hashes what it reads.
struct HashingReader<R> {
    inner: R,
    hash: Xxh3Default,
}

impl<R: Read> HashingReader<R> {
    fn take(&mut self, length: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::with_capacity(length.min(CHUNK_BYTES));
        let read = (&mut self.inner).take(length as u64).read_to_end(&mut bytes)?;
        if read < length {
            return Err(damaged());
        }
        self.hash.update(&bytes);
        Ok(bytes)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.take(N)?.try_into().map_err(|_| damaged())
    }
}
