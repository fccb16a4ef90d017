//! Commits of several processes: each is decided from what the others committed.

use std::sync::Arc;

use annals_model::{Account, Person, RandomIds, Rejection};
use annals_store::{
    CommitError, Error, Key, PostgresStore, Setting, Snapshot, Store, TimelineId, TypedRows as _, WriteSet,
    key,
};
use annals_testing::{START, TestDatabase, app, commit, user, write_rows};

use crate::append;

const NOTE: key::Setting = key::Setting(Setting::SigningKey);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_change_the_same_row_see_each_other() {
    let database = TestDatabase::create().await;
    let stores = [database.open().await, database.open().await];
    // A row with its own version, and one that is versioned by its timeline's clock.
    count_to_sixty(&stores, NOTE, String::into, |text| text.to_string()).await;
    let account = |username| {
        let person = Person { id: user(1), username, email: "a@example.com".to_owned() };
        Account::first_seen(&person, START).into()
    };
    let username = |account: Arc<Account>| account.person.username.clone();
    count_to_sixty(&stores, key::Account(user(1)), account, username).await;
}

/// Runs sixty commits that each add one to the row's value.
async fn count_to_sixty<K: Key>(
    stores: &[Arc<PostgresStore>; 2],
    key: K,
    write: fn(String) -> K::Value,
    read: fn(K::Value) -> String,
) {
    let mut tasks = tokio::task::JoinSet::new();
    for turn in 0..60 {
        let (store, key) = (Arc::clone(&stores[turn % 2]), key.clone());
        tasks.spawn(async move {
            let decide = move |view: &dyn Snapshot| {
                let count = view.get(key.clone())?.map_or(0, |value| read(value).parse::<u32>().unwrap());
                let mut writes = WriteSet::default();
                writes.rows.put(key.clone(), write((count + 1).to_string()));
                Ok(writes)
            };
            commit(&*store, decide).await.unwrap();
        });
    }
    tasks.join_all().await;
    assert_eq!(stores[0].get(key).await.unwrap().map(read).as_deref(), Some("60"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_sees_rows_that_another_process_wrote() {
    let database = TestDatabase::create().await;
    let stores = [database.open().await, database.open().await];
    const ROW: key::Setting = key::Setting(Setting::OperatorTokenHash);
    let found = |store: &Arc<PostgresStore>, writes: bool| {
        let (store, (sender, receiver)) = (Arc::clone(store), std::sync::mpsc::channel());
        async move {
            let decide = move |view: &dyn Snapshot| {
                let value = view.get(ROW)?;
                let mut write_set = WriteSet::default();
                if writes {
                    write_set.rows.put(NOTE, value.clone().unwrap_or_default());
                }
                sender.send(value).unwrap();
                Ok(write_set)
            };
            commit(&*store, decide).await.unwrap();
            // A command may run several times; the last run is the one that was committed.
            receiver.try_iter().last().unwrap()
        }
    };
    for writes in [true, false] {
        write_rows(&*stores[0], |rows| rows.remove(ROW)).await;
        for value in [None, Some("1"), Some("2")] {
            if let Some(value) = value {
                write_rows(&*stores[1], move |rows| rows.put(ROW, value.into())).await;
            }
            // The first process has cached what it saw last.
            assert_eq!(found(&stores[0], writes).await.as_deref(), value, "writes: {writes}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_commits_that_each_read_what_the_other_writes_cannot_both_succeed() {
    // Each of two commands reads the row that the other writes, so one of them must see the other's write.
    let database = TestDatabase::create().await;
    let stores = [database.open().await, database.open().await];
    let keys = [Setting::SigningKey, Setting::OperatorTokenHash].map(key::Setting);
    for round in 0..20 {
        let both = keys.clone();
        write_rows(&*stores[0], move |rows| both.iter().for_each(|key| rows.put(key.clone(), "free".into())))
            .await;
        let take = |own: usize| {
            let (store, keys) = (Arc::clone(&stores[own]), keys.clone());
            tokio::spawn(async move {
                let decide = move |view: &dyn Snapshot| {
                    if view.get(keys[1 - own].clone())?.as_deref() == Some("taken") {
                        return Err(Rejection::Conflict("taken".to_owned()).into());
                    }
                    let mut writes = WriteSet::default();
                    writes.rows.put(keys[own].clone(), "taken".into());
                    Ok(writes)
                };
                commit(&*store, decide).await.is_ok()
            })
        };
        let (first, second) = tokio::join!(take(0), take(1));
        assert!(first.unwrap() ^ second.unwrap(), "round {round}: not exactly one succeeded");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_sees_the_length_of_a_timeline_that_it_only_reads() {
    let database = TestDatabase::create().await;
    let stores = [database.open().await, database.open().await];
    let ids = Arc::new(RandomIds::default());
    append(&*stores[0], &ids, vec![app(1)], user(1)).await.unwrap();
    for length in 2..12 {
        // The first process has cached the old length.
        append(&*stores[1], &ids, vec![app(1)], user(1)).await.unwrap();
        let note = |view: &dyn Snapshot| {
            let length = view.head(TimelineId::App(app(1)))?.length;
            let mut writes = WriteSet::default();
            writes.rows.put(NOTE, length.to_string().into());
            Ok(writes)
        };
        commit(&*stores[0], note).await.unwrap();
        assert_eq!(stores[0].get(NOTE).await.unwrap(), Some(length.to_string().into()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_the_database_refuses_fails_alone() {
    let database = TestDatabase::create().await;
    let store = database.open().await;
    let refusing = format!("ALTER TABLE entries ADD CONSTRAINT refused CHECK (timeline <> '{}')", app(66));
    database.connect().await.batch_execute(&refusing).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for turn in 0..40_u8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let which = if turn % 20 == 7 { 66 } else { turn % 4 };
            let ids = Arc::new(RandomIds::default());
            (which, append(&*store, &ids, vec![app(which)], user(which)).await)
        });
    }
    let mut refused = 0;
    for (which, outcome) in tasks.join_all().await {
        match outcome {
            Ok(()) => assert_ne!(which, 66),
            Err(CommitError::Failed(Error::Engine(_))) if which == 66 => refused += 1,
            Err(error) => panic!("{which}: {error:?}"),
        }
    }
    assert_eq!(refused, 2);
    let mut recorded = 0;
    for which in 0..4 {
        recorded += store.head(TimelineId::App(app(which))).await.unwrap().length;
    }
    assert_eq!((recorded, store.head(TimelineId::App(app(66))).await.unwrap().length), (38, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_of_another_session_blocks_only_what_needs_it() {
    let database = TestDatabase::create().await;
    let store = database.open().await;
    let ids = Arc::new(RandomIds::default());
    for which in 0..4 {
        append(&*store, &ids, vec![app(which)], user(which)).await.unwrap();
    }
    let other = database.connect().await;
    let lock = "BEGIN; SELECT * FROM timelines WHERE timeline LIKE '%' ORDER BY timeline LIMIT 1 FOR UPDATE";
    other.batch_execute(lock).await.unwrap();
    let began = std::time::Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for turn in 0..40_u8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let ids = Arc::new(RandomIds::default());
            (turn % 4, append(&*store, &ids, vec![app(turn % 4)], user(turn % 4)).await)
        });
    }
    let outcomes = tasks.join_all().await;
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    let failed: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.is_err()).collect();
    let blocked = failed[0].0;
    assert!(failed.iter().all(|(which, _)| *which == blocked), "{failed:?}");
    for (_, outcome) in &failed {
        assert!(matches!(outcome, Err(CommitError::Failed(Error::Unavailable(_)))), "{outcome:?}");
    }
    other.batch_execute("ROLLBACK").await.unwrap();
    let before = store.head(TimelineId::App(app(blocked))).await.unwrap().length;
    append(&*store, &ids, vec![app(blocked)], user(blocked)).await.unwrap();
    assert_eq!(store.head(TimelineId::App(app(blocked))).await.unwrap().length, before + 1);
    for which in (0..4).filter(|which| *which != blocked) {
        assert_eq!(store.head(TimelineId::App(app(which))).await.unwrap().length, 11, "{which}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_cannot_be_read_fails_only_what_reads_it() {
    let database = TestDatabase::create().await;
    let store = database.open().await;
    write_rows(&*store, |rows| rows.put(NOTE, "a note".into())).await;
    drop(store);
    // A note is a text.
    let damage = r#"UPDATE rows SET value = '42' WHERE value::text = '"a note"'"#;
    assert_eq!(database.connect().await.execute(damage, &[]).await.unwrap(), 1);
    let store = database.open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for turn in 0..40_u8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            if turn % 10 == 3 {
                let read = |view: &dyn Snapshot| {
                    view.get(NOTE)?;
                    Ok(WriteSet::default())
                };
                return (true, commit(&*store, read).await);
            }
            let ids = Arc::new(RandomIds::default());
            (false, append(&*store, &ids, vec![app(turn)], user(turn)).await)
        });
    }
    for (reads_it, outcome) in tasks.join_all().await {
        assert_eq!(outcome.is_err(), reads_it, "{outcome:?}");
    }
}
