//! Checking and restoring backups. `backup` draws their bytes.

use std::io::{self, Read};
use std::path::Path;

use fjall::PersistMode;
use xxhash_rust::xxh3::Xxh3Default;

use crate::error::Error;

use super::backup::{CHUNK_BYTES, MAGIC};
use super::format::FORMAT;
use super::open::creation_error;
use super::{EmbeddedStore, Options};

/// The first bytes of compressed files, to tell a user who forgot to decompress a backup.
const COMPRESSIONS: [(&[u8], &str); 4] = [
    (&[0x1f, 0x8b], "gzip"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (&[0xfd, b'7', b'z', b'X', b'Z'], "xz"),
    (b"BZh", "bzip2"),
];
/// About how much a restore writes at once.
const BATCH_BYTES: usize = 4 << 20;
/// A limit that no key or value reaches. A greater length is damaged, and must not make a read allocate memory for it.
const ENTRY_BYTES_MAX: usize = 256 << 20;

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
    let inner = store.directory.current().ok_or(Error::ReadOnly)?;
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
    drop(inner);
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
