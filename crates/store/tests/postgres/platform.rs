//! The platform timeline, which is numbered by the processes that read it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use annals_model::RandomIds;
use annals_store::{Store, TimelineId};
use annals_testing::{TestDatabase, app, user};

use crate::append;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_append_to_the_same_timelines_leave_no_gap_and_followers_miss_nothing() {
    let database = TestDatabase::create().await;
    let stores = [database.open().await, database.open().await, database.open().await];
    let reader = database.open().await;
    let is_done = Arc::new(AtomicBool::new(false));
    // They follow while the others write, so they would skip entries that commit late, and they number at the same time.
    let followers = [&reader, &stores[0]].map(|reader| {
        let (reader, is_done) = (Arc::clone(reader), Arc::clone(&is_done));
        tokio::spawn(async move {
            let (mut after, mut seen) = (0, Vec::new());
            loop {
                let was_done = is_done.load(Ordering::Relaxed);
                let commits = reader.platform(after, 20).await.unwrap();
                if commits.is_empty() && was_done {
                    return seen;
                }
                for commit in commits {
                    assert_eq!(commit.first, after + 1);
                    after = commit.last();
                    seen.extend(commit.events);
                }
            }
        })
    });
    let mut writers = tokio::task::JoinSet::new();
    for store in &stores {
        for writer in 0..4_u8 {
            let store = Arc::clone(store);
            writers.spawn(async move {
                let ids = Arc::new(RandomIds::default());
                for turn in 0..25_u8 {
                    // Different sets in different orders: they would deadlock if locks had no order.
                    let mut apps = vec![app(0), app(1 + turn % 3), app(4 + writer)];
                    apps.rotate_left(usize::from(turn) % 3);
                    append(&*store, &ids, apps, user(1 + writer % 2)).await.unwrap();
                }
            });
        }
    }
    writers.join_all().await;
    is_done.store(true, Ordering::Relaxed);

    let events = 3 * 4 * 25;
    assert_eq!(reader.head(TimelineId::App(app(0))).await.unwrap().length, events);
    for timeline in
        (0..8).map(|number| TimelineId::App(app(number))).chain([1, 2].map(|n| TimelineId::User(user(n))))
    {
        let length = reader.head(timeline).await.unwrap().length;
        let read = reader.read(timeline, 1..=length, usize::MAX).await.unwrap();
        assert_eq!(read.len() as u64, length, "{timeline:?} has a gap");
        assert_eq!(
            read.iter().collect::<BTreeSet<_>>().len() as u64,
            length,
            "{timeline:?} has an event twice"
        );
    }
    let [followed, also] = followers;
    let followed = followed.await.unwrap();
    assert_eq!(also.await.unwrap(), followed);
    let mut next = BTreeMap::new();
    for event in &followed {
        let expected = next.entry(event.timeline).or_insert(1);
        assert_eq!(event.position, *expected, "{:?}: an event is missing or out of order", event.timeline);
        *expected += 1;
    }
    assert_eq!(reader.platform_length().await.unwrap(), 3 * events);
    // The platform timeline also keeps the order of each user's timeline.
    for user in [1, 2].map(|number| TimelineId::User(user(number))) {
        let of_user = reader.read(user, 1..=3 * events, usize::MAX).await.unwrap();
        let mut on_platform = Vec::new();
        for event in &followed {
            on_platform
                .extend(reader.read(event.timeline, event.position..=event.position, 1).await.unwrap());
        }
        on_platform.retain(|json| of_user.contains(json));
        assert!(on_platform.iter().rev().eq(&of_user), "{user:?}");
    }
    assert_eq!(next[&TimelineId::App(app(0))], events + 1);
    assert_eq!(next.len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_continue_while_a_process_numbers_them_and_its_death_leaves_nothing() {
    let database = TestDatabase::create().await;
    let store = database.open().await;
    let ids = Arc::new(RandomIds::default());
    append(&*store, &ids, vec![app(1), app(2)], user(1)).await.unwrap();
    // Another process holds the numbering lock and has written half of the numbers.
    let other = database.connect().await;
    let class = i32::from_be_bytes(*b"anls") + 2;
    other.batch_execute("BEGIN").await.unwrap();
    let lock = "SELECT pg_advisory_xact_lock($1, hashtext(current_schema()))";
    other.query(lock, &[&class]).await.unwrap();
    other.batch_execute("UPDATE commits SET first = 1; UPDATE platform SET length = 2").await.unwrap();
    let reading = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.platform(0, 10).await.unwrap() }
    });
    append(&*store, &ids, vec![app(2)], user(1)).await.unwrap();
    assert!(!reading.is_finished());
    other.batch_execute("ROLLBACK").await.unwrap();
    let commits = reading.await.unwrap();
    assert_eq!(commits.iter().map(|commit| commit.first).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(store.platform_length().await.unwrap(), 3);
}
