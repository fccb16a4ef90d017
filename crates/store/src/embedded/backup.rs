//! Backups: a store as a stream of bytes. Creating them; `restore` checks and restores them.
//!
//! ```text
//! header      "annals backup" │ format (u32)                                                 all numbers big-endian
//! per entry   keyspace (u8, from 1) │ key length (u32) │ value length (u32) │ key │ value
//! trailer     zero (u8) │ number of entries (u64) │ XXH3 of all bytes before (u64)
//! ```

use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use fjall::{Iter, Keyspace, Readable, Snapshot};
use xxhash_rust::xxh3::Xxh3Default;

use crate::error::Error;

use super::Inner;
use super::format::FORMAT;

pub(super) const MAGIC: &[u8; 13] = b"annals backup";
/// About the length of a chunk of the stream.
pub(super) const CHUNK_BYTES: usize = 256 << 10;

impl Inner {
    /// Returns the keyspaces in the order of their numbers in backups.
    pub(super) fn keyspaces(&self) -> [&Keyspace; 5] {
        [&self.runs, &self.rows, &self.platform, &self.ids, &self.counts]
    }
}

/// A backup: an iterator over its chunks. They contain what was committed when the backup began. Later commits are not
/// blocked.
pub(super) struct Backup(Arc<Mutex<Progress>>);

/// How far a backup has come.
pub(super) enum Progress {
    Reading(Box<Reading>),
    /// The store has been closed, so the backup ends with an error.
    Cut,
    Ended,
}

/// What a backup reads from, and what it has read.
pub(super) struct Reading {
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
        let reading = Reading {
            snapshot: inner.database.snapshot(),
            keyspaces,
            entries: None,
            hash: Xxh3Default::new(),
            count: 0,
            is_started: false,
            is_ended: false,
        };
        Self(Arc::new(Mutex::new(Progress::Reading(Box::new(reading)))))
    }

    /// Returns a handle to cut the backup off.
    pub(super) fn progress(&self) -> Weak<Mutex<Progress>> {
        Arc::downgrade(&self.0)
    }
}

impl Iterator for Backup {
    type Item = Result<Bytes, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut progress = self.0.lock().expect("nothing panics while it holds this lock");
        match &mut *progress {
            Progress::Reading(reading) => reading.next(),
            Progress::Cut => {
                *progress = Progress::Ended;
                Some(Err(Error::ReadOnly))
            }
            Progress::Ended => None,
        }
    }
}

impl Reading {
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

impl Iterator for Reading {
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
