//! The recovery of a journal: whatever is changed in it, the store opens with a prefix of its commits, or is not opened.

#![no_main]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use annals_model::{AppId, EventId, Time};
use annals_store::embedded::Options;
use annals_store::{EmbeddedStore, Error, NewEvent, Snapshot, Store, TimelineId, WriteSet};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The commits of the journal.
const COMMITS: u64 = 12;
const APP: AppId = AppId::from_bytes([1; 12]);

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap());

/// An empty store.
static EMPTY: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    drop(Options::new(directory.path()).open().unwrap());
    directory
});

/// The journal of a store with some commits of one event each.
static JOURNAL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let store = Options::new(directory.path()).open().unwrap();
    for number in 1..=COMMITS {
        let write =
            move |_: &dyn Snapshot| Ok(WriteSet { events: vec![event(number)], ..WriteSet::default() });
        RUNTIME.block_on(store.commit(Box::new(write))).unwrap();
    }
    drop(store);
    let mut journal = fs::read(journal_in(directory.path())).unwrap();
    journal.truncate(journal.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1));
    journal
});

/// An edit of the journal.
#[derive(Debug, Arbitrary)]
enum Edit {
    /// Changes bits of a byte.
    Flip(u16, u8),
    /// Ends the journal.
    Cut(u16),
    /// Copies bytes to another position.
    Copy { from: u16, to: u16, length: u8 },
    /// Adds bytes to the end.
    Append(Vec<u8>),
    /// Replaces the beginning.
    Begin(Vec<u8>),
}

fuzz_target!(|edits: Vec<Edit>| {
    let mut journal = JOURNAL.clone();
    edits.iter().take(16).for_each(|edit| apply(edit, &mut journal));
    let directory = tempfile::tempdir().unwrap();
    copy(EMPTY.path(), directory.path());
    fs::write(journal_in(directory.path()), &journal).unwrap();
    match Options::new(directory.path()).open() {
        Ok(store) => RUNTIME.block_on(check(&store)),
        Err(Error::Damaged(_)) => {}
        Err(error) => panic!("{error}"),
    }
});

fn apply(edit: &Edit, journal: &mut Vec<u8>) {
    let within = |at: u16, journal: &[u8]| usize::from(at) % journal.len().max(1);
    match edit {
        Edit::Flip(at, bits) => {
            let at = within(*at, journal);
            journal.get_mut(at).into_iter().for_each(|byte| *byte ^= bits);
        }
        Edit::Cut(at) => journal.truncate(within(*at, journal)),
        Edit::Copy { from, to, length } => {
            let (from, to) = (within(*from, journal), within(*to, journal));
            let end = journal.len().min(from + usize::from(*length));
            let bytes = journal[from..end].to_vec();
            for (byte, copied) in journal[to..].iter_mut().zip(bytes) {
                *byte = copied;
            }
        }
        Edit::Append(bytes) => journal.extend(bytes),
        Edit::Begin(bytes) => {
            for (byte, new) in journal.iter_mut().zip(bytes) {
                *byte = *new;
            }
        }
    }
}

/// The store has the first commits, each whole.
async fn check(store: &EmbeddedStore) {
    let timeline = TimelineId::App(APP);
    let length = store.head(timeline).await.unwrap().length;
    assert!(length <= COMMITS);
    let events = store.read(timeline, 1..=length.max(1), usize::MAX).await.unwrap();
    assert!(events.iter().rev().zip(1..).all(|(json, number)| *json == event(number).json));
    assert_eq!(events.len() as u64, length);
    assert_eq!(store.platform_length().await.unwrap(), length);
}

fn event(number: u64) -> NewEvent {
    let time = Time::from_millis(number);
    NewEvent {
        id: EventId::assigned(time, 0, 0),
        is_indexed: false,
        created_at: time,
        event_type: "restart",
        app: Some(APP),
        user: None,
        json: format!("{{\"number\":{number}}}").into_bytes(),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.extension() {
            _ if path.is_dir() => copy(&path, &target),
            // Its bytes are replaced, and it is long.
            Some(extension) if extension == "jnl" => {}
            _ => _ = fs::copy(&path, &target).unwrap(),
        }
    }
}

fn journal_in(directory: &Path) -> std::path::PathBuf {
    directory.join("fjall").join("0.jnl")
}
