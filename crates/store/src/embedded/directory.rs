//! The directory of an open store, and how it is opened again after a failed write.
//!
//! fjall accepts no more writes after one failed: a commit, or a table that could not be written because the disk was full
//! or no file descriptor was left. Its tables in memory are whole, so reads go on. Writes need it to be opened again:
//!
//! 1. The newest journal is copied and synced, without a torn commit at its end. This fails as long as the directory
//!    cannot be written, and nothing else happens until it succeeds. The copy is needed, because the system may take
//!    bytes for written that it failed to sync.
//! 2. Backups under way are cut off, and the LSM tree is closed. Reads wait.
//! 3. The copy takes the place of the journal, and the LSM tree is opened. Reads go on, and writes are accepted.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use fjall::PersistMode;
use tokio::sync::{broadcast, watch};

use crate::engine::{NOTIFICATIONS_MAX, Observer};
use crate::error::Error;
use crate::rows::RowKey;
use crate::timeline::TimelineId;

use super::backup::{Backup, Progress};
use super::damage::JournalCopy;
use super::{Inner, tree};

/// How long a read waits while the directory is opened again.
const REOPENING_MAX: Duration = Duration::from_secs(10);
/// How long the directory waits for reads under way before it gives up to be opened again.
const READS_MAX: Duration = Duration::from_secs(5);
/// How often it looks whether they have ended.
const READS_CHECKED_EVERY: Duration = Duration::from_millis(1);

/// A directory that this process has locked, with its store.
pub(super) struct Directory {
    path: PathBuf,
    /// How many table files stay open.
    table_files: usize,
    /// `None` while the directory is opened again.
    current: watch::Sender<Option<Arc<Inner>>>,
    is_writable: AtomicBool,
    backups: Mutex<Vec<Weak<Mutex<Progress>>>>,
    /// Claimed rows, and when their leases expire. Only this process has the store open, so memory suffices.
    pub(super) claims: Mutex<HashMap<RowKey, Instant>>,
    pub(super) notifications: broadcast::Sender<TimelineId>,
    pub(super) observer: Observer,
    // The last field is dropped last, so the directory is unlocked only when nothing uses it any more.
    _lock: File,
}

impl Directory {
    /// Takes a locked directory whose LSM tree is open.
    pub(super) fn new(
        path: PathBuf,
        table_files: usize,
        inner: Inner,
        observer: Observer,
        lock: File,
    ) -> Self {
        Self {
            path,
            table_files,
            current: watch::Sender::new(Some(Arc::new(inner))),
            is_writable: AtomicBool::new(true),
            backups: Mutex::default(),
            claims: Mutex::default(),
            notifications: broadcast::Sender::new(NOTIFICATIONS_MAX),
            observer,
            _lock: lock,
        }
    }

    pub(super) fn is_writable(&self) -> bool {
        self.is_writable.load(Ordering::Relaxed)
    }

    pub(super) fn set_writable(&self, is_writable: bool) {
        self.is_writable.store(is_writable, Ordering::Relaxed);
    }

    /// Returns the open LSM tree; `None` while it is opened again.
    pub(super) fn current(&self) -> Option<Arc<Inner>> {
        self.current.borrow().clone()
    }

    /// Returns the open LSM tree, and waits for it if necessary. Callers drop it soon: it cannot be opened again before.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`] if that takes too long.
    pub(super) async fn inner(&self) -> Result<Arc<Inner>, Error> {
        if let Some(inner) = self.current() {
            return Ok(inner);
        }
        let mut current = self.current.subscribe();
        match tokio::time::timeout(REOPENING_MAX, current.wait_for(Option::is_some)).await {
            Ok(Ok(inner)) => inner.clone().ok_or(Error::ReadOnly),
            _ => Err(Error::ReadOnly),
        }
    }

    /// Begins a backup, unless the directory is being opened again.
    pub(super) fn backup(&self) -> Option<Backup> {
        let backup = Backup::of(&*self.current()?);
        let mut backups = self.backups.lock().expect("nothing panics while it holds this lock");
        backups.retain(|backup| backup.strong_count() > 0);
        backups.push(backup.progress());
        Some(backup)
    }

    /// Checks that the engine accepts writes: it does not after it failed to write a table, which it does in the background.
    pub(super) fn check(&self) -> Result<(), Error> {
        let inner = self.current().ok_or(Error::ReadOnly)?;
        Ok(inner.database.persist(PersistMode::Buffer)?)
    }

    /// Opens the LSM tree again, so that it accepts writes. Only the committer calls this.
    ///
    /// # Errors
    ///
    /// [`Error::Engine`] if the directory cannot be written. Then reads go on as before, unless it cannot be read either.
    pub(super) async fn reopen(&self) -> Result<(), Error> {
        let copy = JournalCopy::write(&tree::engine_path(&self.path))?;
        self.close_for_reopening().await?;
        if let Some(copy) = copy {
            copy.install()?;
        }
        let inner = Inner::open(&self.path, self.table_files)?;
        self.current.send_replace(Some(Arc::new(inner)));
        Ok(())
    }

    async fn close_for_reopening(&self) -> Result<(), Error> {
        let backups =
            std::mem::take(&mut *self.backups.lock().expect("nothing panics while it holds this lock"));
        for backup in backups.iter().filter_map(Weak::upgrade) {
            *backup.lock().expect("nothing panics while it holds this lock") = Progress::Cut;
        }
        let Some(mut inner) = self.current.send_replace(None) else { return Ok(()) };
        let until = Instant::now() + READS_MAX;
        loop {
            match Arc::try_unwrap(inner) {
                Ok(_closed) => return Ok(()),
                Err(used) if Instant::now() < until => inner = used,
                Err(used) => {
                    self.current.send_replace(Some(used));
                    return Err(Error::ReadOnly);
                }
            }
            tokio::time::sleep(READS_CHECKED_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Options, check_backup};
    use crate::contract::{Snapshot, Store, WriteSet};
    use crate::error::Error;
    use crate::rows::{RowWrites, Setting, key};
    use crate::typed_rows::TypedRows;

    #[tokio::test]
    async fn a_backup_under_way_ends_with_an_error_when_the_directory_is_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let store = Options::new(directory.path()).open().unwrap();
        let key = key::Setting(Setting::LastUnknownAttempt);
        let value: Arc<str> = "x".repeat(1 << 20).into();
        let mut rows = RowWrites::default();
        rows.put(key.clone(), Arc::clone(&value));
        let write = move |_: &dyn Snapshot| Ok(WriteSet { rows: rows.clone(), ..WriteSet::default() });
        store.commit(Box::new(write)).await.unwrap();
        let whole: Vec<_> = store.backup().unwrap().map(Result::unwrap).collect();
        assert!(check_backup(whole.concat().as_slice()).is_ok());

        let mut backup = store.backup().unwrap();
        backup.next().unwrap().unwrap();
        store.directory.reopen().await.unwrap();
        assert!(matches!(backup.next(), Some(Err(Error::ReadOnly))));
        assert!(backup.next().is_none());
        assert_eq!(store.get(key).await.unwrap(), Some(value));
        store.ready().await.unwrap();
    }
}
