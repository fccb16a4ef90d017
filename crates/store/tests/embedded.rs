//! What only the embedded engine does: the lock on its directory, its format, and recovery after a power cut.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and prints its seed")]

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use annals_model::{AppId, EventId, Time};
use annals_store::embedded::Options;
use annals_store::{EmbeddedStore, Error, NewEvent, Store, TimelineId, WriteSet};
use annals_testing::{app, commit};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const APP: AppId = app(1);

fn json(number: u64) -> Vec<u8> {
    format!("{{\"number\":{number},\"padding\":\"{}\"}}", "x".repeat(usize::try_from(number % 300).unwrap()))
        .into_bytes()
}

async fn append(store: &EmbeddedStore, numbers: std::ops::Range<u64>) {
    let events: Vec<_> = numbers
        .map(|number| NewEvent {
            id: EventId::assigned(Time::from_millis(number), 0, 0),
            is_indexed: false,
            created_at: Time::from_millis(number),
            event_type: "restart",
            app: Some(APP),
            user: None,
            json: json(number),
        })
        .collect();
    commit(store, move |_| Ok(WriteSet { events: events.clone(), ..WriteSet::default() })).await.unwrap();
}

async fn length(store: &EmbeddedStore) -> u64 {
    store.head(TimelineId::App(APP)).await.unwrap().length
}

fn open(directory: &Path) -> Result<EmbeddedStore, Error> {
    Options::new(directory).open()
}

#[tokio::test]
async fn a_store_in_use_cannot_be_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path()).unwrap();
    assert!(matches!(open(directory.path()), Err(Error::InUse)));
    drop(first);
    open(directory.path()).unwrap();
}

#[test]
fn newer_stores_and_other_directories_are_refused_and_left_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).unwrap());
    assert_eq!(fs::read_to_string(directory.path().join("format")).unwrap(), "1\n");
    fs::write(directory.path().join("format"), "2\n").unwrap();
    assert!(matches!(open(directory.path()), Err(Error::Newer { found: 2, known: 1 })));
    fs::write(directory.path().join("format"), "nonsense").unwrap();
    assert!(matches!(open(directory.path()), Err(Error::Damaged(_))));

    let strange = tempfile::tempdir().unwrap();
    fs::write(strange.path().join("letter.txt"), "dear").unwrap();
    assert!(matches!(open(strange.path()), Err(Error::NotAStore)));
    assert_eq!(fs::read_dir(strange.path()).unwrap().count(), 1);
    assert!(matches!(open(&strange.path().join("letter.txt")), Err(Error::NotADirectory(_))));
}

/// Returns the newest journal and the length of its written part.
fn journal(directory: &Path) -> (PathBuf, usize) {
    let newest = fs::read_dir(directory.join("fjall"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .max_by_key(|path| path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap())
        .unwrap();
    let written = fs::read(&newest).unwrap().iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    (newest, written)
}

/// Fills a store with commits of 1 to 40 events. Returns, for each commit, its end in the journal and the number of events
/// until then.
async fn store_with_commits(directory: &Path, random: &mut StdRng) -> Vec<(usize, u64)> {
    let store = open(directory).unwrap();
    let mut ends = vec![(journal(directory).1, 0)];
    for _ in 0..12 {
        let length = ends.last().unwrap().1;
        let next = length + random.random_range(1..=40);
        append(&store, length..next).await;
        ends.push((journal(directory).1, next));
    }
    ends
}

async fn check(store: &EmbeddedStore, expected: u64) {
    assert_eq!(length(store).await, expected);
    let events = store.read(TimelineId::App(APP), 1..=expected, usize::MAX).await.unwrap();
    assert_eq!(events.len() as u64, expected);
    assert!(events.iter().rev().zip(0..).all(|(event, number)| *event == json(number)));
    assert_eq!(store.platform_length().await.unwrap(), expected);
    let commits = store.platform(0, usize::MAX).await.unwrap();
    let positions = commits.iter().flat_map(|commit| &commit.events).map(|event| event.position);
    assert!(positions.eq(1..=expected));
}

#[tokio::test]
async fn a_journal_cut_off_anywhere_keeps_every_whole_commit() {
    let seed = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..12 {
        let directory = tempfile::tempdir().unwrap();
        let ends = store_with_commits(directory.path(), &mut random).await;
        let (path, written) = journal(directory.path());
        let cut = random.random_range(ends[0].0..written);
        fs::File::options().write(true).open(path).unwrap().set_len(cut as u64).unwrap();
        let whole = ends.iter().rev().find(|(end, _)| *end <= cut).unwrap().1;
        let store = open(directory.path()).unwrap();
        check(&store, whole).await;
        append(&store, whole..whole + 3).await;
        drop(store);
        check(&open(directory.path()).unwrap(), whole + 3).await;
    }
}

#[tokio::test]
async fn an_empty_journal_that_a_full_disk_left_is_no_damage() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    append(&store, 0..3).await;
    drop(store);
    let (newest, _) = journal(directory.path());
    let number: u64 = newest.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    fs::File::create(newest.with_file_name(format!("{}.jnl", number + 1))).unwrap();
    let store = open(directory.path()).unwrap();
    check(&store, 3).await;
    append(&store, 3..5).await;
    drop(store);
    check(&open(directory.path()).unwrap(), 5).await;
}

#[tokio::test]
async fn a_torn_last_commit_is_cut_off_and_kept_beside_the_journal() {
    let seed = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..12 {
        let directory = tempfile::tempdir().unwrap();
        let ends = store_with_commits(directory.path(), &mut random).await;
        let (path, written) = journal(directory.path());
        // The last commit, as if never acknowledged, with some of its bytes lost or changed.
        let [(acknowledged, length), (end, _)] = ends[ends.len() - 2..].try_into().unwrap();
        assert_eq!(end, written);
        let mut bytes = fs::read(&path).unwrap();
        for _ in 0..random.random_range(1..4) {
            bytes[random.random_range(acknowledged..end)] ^= 1 << random.random_range(0..8);
        }
        let changed = bytes != fs::read(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let store = open(directory.path()).unwrap();
        if !changed {
            continue;
        }
        check(&store, length).await;
        append(&store, length..length + 3).await;
        drop(store);
        check(&open(directory.path()).unwrap(), length + 3).await;
        let aside = fs::read_dir(directory.path().join("fjall")).unwrap().filter(|entry| {
            entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "damaged")
        });
        assert_eq!(aside.count(), 1);
    }
}

#[tokio::test]
async fn a_changed_byte_near_the_end_keeps_every_commit_before_it() {
    let seed = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..12 {
        let directory = tempfile::tempdir().unwrap();
        let ends = store_with_commits(directory.path(), &mut random).await;
        let (path, written) = journal(directory.path());
        let mut bytes = fs::read(&path).unwrap();
        let at = random.random_range(ends[0].0.max(written.saturating_sub(8192))..written);
        bytes[at] ^= 0x10;
        fs::write(&path, bytes).unwrap();
        let whole = ends.iter().rev().find(|(end, _)| *end <= at).unwrap().1;
        check(&open(directory.path()).unwrap(), whole).await;
    }
}

#[tokio::test]
async fn damage_far_from_the_end_is_reported_instead_of_losing_commits() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    append(&store, 0..10).await;
    let (_, first_end) = journal(directory.path());
    for commit in 0..100 {
        append(&store, 10 + commit * 10..20 + commit * 10).await;
    }
    drop(store);
    let (path, _) = journal(directory.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[first_end + 40] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let Err(Error::Damaged(text)) = open(directory.path()) else { panic!("the damaged store was opened") };
    assert!(text.contains("restore the store from a backup"), "{text}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "the journal was changed");
}

/// Returns the files and directories that others than the owner can open.
fn open_to_others(path: &Path) -> Vec<PathBuf> {
    let metadata = std::fs::symlink_metadata(path).unwrap();
    let mut found = Vec::new();
    if metadata.permissions().mode() & 0o077 != 0 {
        found.push(path.to_owned());
    }
    if metadata.is_dir() {
        found.extend(
            std::fs::read_dir(path).unwrap().flat_map(|inner| open_to_others(&inner.unwrap().path())),
        );
    }
    found
}

#[tokio::test]
async fn what_others_could_open_is_mended_when_the_store_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path).unwrap();
    append(&store, 0..10).await;
    drop(store);
    for directory in [&path, &path.join("fjall")] {
        std::fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::write(path.join("left-behind"), "a secret").unwrap();
    std::fs::set_permissions(path.join("left-behind"), Permissions::from_mode(0o666)).unwrap();
    assert!(open_to_others(&path).len() >= 3);
    let store = open(&path).unwrap();
    // What the engine creates from now on has the process's own mask.
    let open_now = open_to_others(&path);
    assert!(!open_now.contains(&path) && !open_now.contains(&path.join("fjall")), "{open_now:?}");
    assert!(!open_now.contains(&path.join("left-behind")), "{open_now:?}");
    assert_eq!(length(&store).await, 10);
}

#[tokio::test]
async fn a_damaged_byte_in_an_older_journal_is_reported_instead_of_losing_commits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path).unwrap();
    append(&store, 0..50).await;
    drop(store);
    // What is there when the engine has begun another journal.
    let (older, bytes) = journal(&path);
    let number: u64 = older.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    std::fs::write(older.with_file_name(format!("{}.jnl", number + 1)), "").unwrap();
    let intact = std::fs::read(&older).unwrap();
    for damaged in [20, bytes / 2, bytes - 1] {
        let mut journal = intact.clone();
        journal[damaged] ^= 1;
        std::fs::write(&older, &journal).unwrap();
        assert!(matches!(open(&path), Err(Error::Damaged(_))), "byte {damaged} of {bytes}");
        assert_eq!(std::fs::read(&older).unwrap(), journal, "nothing was changed");
    }
    std::fs::write(&older, &intact).unwrap();
    assert_eq!(length(&open(&path).unwrap()).await, 50);
}

#[tokio::test]
async fn what_a_killed_first_start_leaves_is_discarded() {
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole");
    drop(open(&whole).unwrap());
    // What the engine creates before its version, which it creates last, and the version before it is written.
    for (number, left) in [
        &["lock"][..],
        &["lock", "keyspaces"],
        &["lock", "keyspaces", "0.jnl"],
        &["lock", "0.jnl", "version"],
    ]
    .into_iter()
    .enumerate()
    {
        let path = directory.path().join(number.to_string());
        std::fs::create_dir_all(path.join("fjall")).unwrap();
        std::fs::write(path.join("lock"), "").unwrap();
        for name in left {
            match *name {
                "keyspaces" => std::fs::create_dir(path.join("fjall/keyspaces")).unwrap(),
                name => std::fs::write(path.join("fjall").join(name), "").unwrap(),
            }
        }
        let store = open(&path).unwrap_or_else(|error| panic!("{left:?}: {error}"));
        append(&store, 0..3).await;
        drop(store);
        assert_eq!(length(&open(&path).unwrap()).await, 3, "{left:?}");
    }
    // A directory with commits is never taken for one.
    let store = open(&whole).unwrap();
    append(&store, 0..3).await;
    drop(store);
    std::fs::remove_file(whole.join("fjall/version")).unwrap();
    assert!(matches!(open(&whole), Err(Error::Damaged(_))));
}
