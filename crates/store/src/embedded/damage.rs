//! Repairing the journal after a power cut, and what is left of a first start that was killed.
//!
//! Every commit is synced before the next one is written, so a power cut can only tear the journal's last batch: a part
//! of the batch is missing, or the disk has written its pages out of order. Nobody has got an acknowledgement for a torn
//! batch, so it is cut off.
//!
//! fjall's own recovery also cuts off an incomplete batch. But it refuses to open a journal whose last batch looks
//! complete and has a wrong checksum, and it silently drops everything after an entry that it cannot read. So the
//! journal is repaired here before fjall opens it.
//!
//! Damage with complete batches after it does not come from a power cut: acknowledged commits are lost. If it is within
//! the last [`TAIL_BYTES_MAX`] bytes, a disk may have lost data that it had reported as synced. Then everything from the
//! damage on is cut off, and an error is logged. If it is farther from the end, nothing is repaired, and the store is
//! not opened.
//!
//! An older journal is examined too. It was synced whole before the next one began, so all damage in it is a loss, and the
//! store is not opened: fjall would silently leave out what follows the damage.
//!
//! The bytes that are cut off are kept in a file `*.damaged` beside the journal.
//!
//! The journal's layout is that of fjall 3 (its `journal/entry.rs`), all integers little-endian:
//!
//! ```text
//! batch   start, items, end
//! start   1 │ count of items (u32) │ sequence number (u64)
//! item    2 │ kind (u8) │ compression (u8) │ keyspace (u64) │ key length (u16) │ value length (u32) │ stored value
//!         length (u32) │ key │ stored value
//! clear   4 │ keyspace (u64)
//! end     3 │ XXH3 of the items (u64) │ "FJL" 3
//! ```

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::error::Error;

/// How much of the journal's end is cut off even if complete batches are lost with it. A disk that loses data which it
/// had reported as synced hardly loses more than this.
const TAIL_BYTES_MAX: u64 = 64 << 10;

/// The file that fjall writes last when it creates a database.
const VERSION_FILE: &str = "version";
/// The directory with fjall's tables.
const KEYSPACES_DIRECTORY: &str = "keyspaces";

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const TRAILER: &[u8] = b"FJL\x03";
const START_BYTES: usize = 13;
const ITEM_HEAD_BYTES: usize = 21;
const CLEAR_BYTES: usize = 9;
const END_BYTES: usize = 9 + TRAILER.len();

/// A synced copy of the newest journal's whole batches, which will take its place.
pub(super) struct JournalCopy {
    copy: PathBuf,
    journal: PathBuf,
}

impl JournalCopy {
    /// Writes a copy of the newest journal. Returns `None` if there is no journal.
    ///
    /// # Errors
    ///
    /// [`Error::Engine`] if the directory cannot be written.
    pub(super) fn write(engine: &Path) -> Result<Option<Self>, Error> {
        let Some(journal) = journals(engine)?.pop() else { return Ok(None) };
        let bytes = fs::read(&journal)?;
        let copy = journal.with_extension("copy");
        let written = File::create(&copy).and_then(|mut file| {
            file.write_all(&bytes[..whole_batches(&bytes)])?;
            file.sync_all()
        });
        if let Err(error) = written {
            // What was written takes space that may be needed.
            _ = fs::remove_file(&copy);
            return Err(error.into());
        }
        Ok(Some(Self { copy, journal }))
    }

    /// Puts the copy in the place of the journal. Nothing may have the journal open.
    pub(super) fn install(self) -> Result<(), Error> {
        fs::rename(&self.copy, &self.journal)?;
        if let Some(directory) = self.journal.parent() {
            File::open(directory)?.sync_all()?;
        }
        Ok(())
    }
}

/// Examines the journals in fjall's directory, and cuts a torn batch off the newest one.
///
/// # Errors
///
/// [`Error::Damaged`] if acknowledged commits are lost.
pub(super) fn repair_journals(engine: &Path) -> Result<(), Error> {
    let mut journals = journals(engine)?;
    let newest = journals.pop();
    for sealed in journals {
        examine_sealed(&sealed)?;
    }
    newest.map_or(Ok(()), |path| repair(&path))
}

/// Examines a journal after which there is a newer one. It was synced whole before the newer one began, so nothing in it is
/// torn.
fn examine_sealed(path: &Path) -> Result<(), Error> {
    let journal = fs::read(path)?;
    let whole = whole_batches(&journal);
    match journal[whole..].iter().all(|&byte| byte == 0) {
        true => Ok(()),
        false => Err(damaged(path, whole)),
    }
}

fn damaged(path: &Path, whole: usize) -> Error {
    Error::Damaged(format!(
        "{} cannot be read from byte {whole} on, and whole commits follow: restore the store from a backup, or move the \
         file away to continue without the commits in it",
        path.display()
    ))
}

/// Cuts a torn batch off a journal.
fn repair(path: &Path) -> Result<(), Error> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let mut journal = Vec::new();
    file.read_to_end(&mut journal)?;
    let whole = whole_batches(&journal);
    let Some(end) = journal.iter().rposition(|&byte| byte != 0).map(|last| last + 1) else { return Ok(()) };
    if end <= whole {
        // Only zeros follow the last batch: fjall preallocates the file.
        return Ok(());
    }
    let torn = &journal[whole..end];
    if torn.len() as u64 > TAIL_BYTES_MAX && has_whole_batch(torn) {
        return Err(damaged(path, whole));
    }
    let kept = path.with_extension(format!("{whole}.damaged"));
    let is_kept = keep(&kept, torn);
    // On a full disk, a commit that nobody got an acknowledgement for is cut off without being kept, so that the store
    // can be read.
    if has_whole_batch(torn) || !matches!(&is_kept, Err(error) if is_out_of_space(error)) {
        is_kept?;
    }
    file.seek(SeekFrom::Start(0))?;
    file.set_len(whole as u64)?;
    file.sync_all()?;
    if has_whole_batch(torn) {
        tracing::error!(
            journal = %path.display(),
            kept_aside = %kept.display(),
            bytes = torn.len(),
            "the end of the journal was damaged and has been cut off: the disk lost data that it had reported as \
             synced, so the newest acknowledged commits are gone"
        );
        return Ok(());
    }
    tracing::warn!(
        journal = %path.display(),
        kept_aside = %kept.display(),
        bytes = torn.len(),
        "cut a torn commit off the journal, which a power cut had left"
    );
    Ok(())
}

fn keep(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let kept = fs::write(path, bytes).and_then(|()| File::open(path)?.sync_all());
    kept.inspect_err(|_| _ = fs::remove_file(path))
}

fn is_out_of_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Discards what is left of a first start that was killed: fjall writes its version last, and refuses to open a directory
/// with a journal and without a version.
///
/// # Errors
///
/// [`Error::Damaged`] if the directory has commits.
pub(super) fn discard_unfinished_start(engine: &Path) -> Result<(), Error> {
    let version = fs::metadata(engine.join(VERSION_FILE));
    if version.is_ok_and(|version| version.len() > 0) || fs::read_dir(engine)?.next().is_none() {
        return Ok(());
    }
    let has_tables = match fs::read_dir(engine.join(KEYSPACES_DIRECTORY)) {
        Ok(mut keyspaces) => keyspaces.next().is_some(),
        Err(_) => false,
    };
    for path in journals(engine)? {
        if has_tables || whole_batches(&fs::read(&path)?) > 0 {
            let message = format!("{} has commits and no file `{VERSION_FILE}`", engine.display());
            return Err(Error::Damaged(message));
        }
    }
    fs::remove_dir_all(engine)?;
    Ok(())
}

/// Returns the journals, oldest first.
fn journals(engine: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(engine) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut journals = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let number =
            path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
        journals.extend(number.map(|number| (number, path)));
    }
    journals.sort();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

/// Returns the length of the complete batches at the front of the journal.
fn whole_batches(journal: &[u8]) -> usize {
    let mut end = 0;
    while let Some(length) = batch_length(&journal[end..]) {
        end += length;
    }
    end
}

/// Returns whether a complete batch begins anywhere in `bytes`.
fn has_whole_batch(bytes: &[u8]) -> bool {
    (0..bytes.len()).any(|start| batch_length(&bytes[start..]).is_some())
}

/// Returns the length of the batch at the front of `bytes`; `None` if there is none, or if it is torn.
fn batch_length(bytes: &[u8]) -> Option<usize> {
    let (&[tag], rest) = bytes.split_first_chunk()?;
    if tag != START {
        return None;
    }
    let count = u32::from_le_bytes(*rest.first_chunk()?);
    let mut at = START_BYTES;
    let mut checksum = Xxh3::new();
    for _ in 0..count {
        let entry = bytes.get(at..)?;
        let length = match *entry.first()? {
            ITEM => {
                let head = entry.get(..ITEM_HEAD_BYTES)?;
                let key_bytes = u16::from_le_bytes(head[11..13].try_into().ok()?);
                let value_bytes = u32::from_le_bytes(head[17..21].try_into().ok()?);
                ITEM_HEAD_BYTES + usize::from(key_bytes) + usize::try_from(value_bytes).ok()?
            }
            CLEAR => CLEAR_BYTES,
            _ => return None,
        };
        checksum.update(entry.get(..length)?);
        at += length;
    }
    let end = bytes.get(at..at + END_BYTES)?;
    let expected = u64::from_le_bytes(end[1..9].try_into().ok()?);
    let is_whole = end[0] == END && &end[9..] == TRAILER && checksum.digest() == expected;
    is_whole.then_some(at + END_BYTES)
}
