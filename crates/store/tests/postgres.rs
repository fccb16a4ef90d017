//! What PostgreSQL is for: several processes on one database. Each store here stands for a process.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annals_model::app::{CreateApp, Scale, ScaledType};
use annals_model::catalogue::AppOperations;
use annals_model::{
    Account, App, AppId, AppRef, Event, IdSource, Person, RandomIds, Rejection, Report, Time, TypeData,
    UserId,
};
use annals_store::postgres::{Address, Options};
use annals_store::{
    Command, CommandError, CommitError, Error, Listing, NewEvent, NewUser, Portable, PostgresStore, Recorder,
    Request, Row, RowKey, Setting, Settings, Snapshot, Store, SystemClock, TimelineId, WriteSet,
};
use annals_testing::TestDatabase;
use serde_json::json;

const START: Time = Time::from_millis(1_762_000_000_000);

struct With<F>(F);

impl<F: FnMut(&dyn Snapshot) -> Result<WriteSet, CommandError> + Send> Command for With<F> {
    fn decide(&mut self, view: &dyn Snapshot) -> Result<WriteSet, CommandError> {
        (self.0)(view)
    }
}

async fn commit(
    store: &dyn Store,
    decide: impl FnMut(&dyn Snapshot) -> Result<WriteSet, CommandError> + Send + 'static,
) -> Result<(), CommitError> {
    store.commit(Box::new(With(decide))).await
}

fn address(database: &TestDatabase) -> Address {
    database.url.parse().unwrap()
}

async fn open(database: &TestDatabase) -> Arc<PostgresStore> {
    Arc::new(Options::new(address(database)).connections(4).open().await.unwrap())
}

fn app(number: u8) -> AppId {
    AppId::from_bytes([number; 12])
}

fn user(number: u8) -> UserId {
    UserId::from_bytes([number; 16])
}

/// Appends an event to each of these apps, at a time that does not go back.
async fn append(
    store: &dyn Store,
    ids: &Arc<RandomIds>,
    apps: Vec<AppId>,
    who: UserId,
) -> Result<(), CommitError> {
    let ids = Arc::clone(ids);
    commit(store, move |view| {
        let mut time = START.max(view.head(TimelineId::User(who))?.last_time);
        for app in &apps {
            time = time.max(view.head(TimelineId::App(*app))?.last_time);
        }
        let events = apps.iter().map(|app| {
            let id = ids.event_id(time);
            let json = format!(r#"{{"id":"{id}","created_at":"{time}","type":"restart"}}"#).into_bytes();
            NewEvent { id, has_external_id: false, created_at: time, app: Some(*app), user: Some(who), json }
        });
        Ok(WriteSet { events: events.collect(), ..WriteSet::default() })
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_append_to_the_same_timelines_leave_no_gap_and_the_feed_misses_nothing() {
    let database = TestDatabase::create().await;
    let stores = [open(&database).await, open(&database).await, open(&database).await];
    let reader = open(&database).await;
    let is_done = Arc::new(AtomicBool::new(false));
    // They follow while the others write, so that entries which commit late would be gone past, and number at the same time.
    let followers = [&reader, &stores[0]].map(|reader| {
        let (reader, is_done) = (Arc::clone(reader), Arc::clone(&is_done));
        tokio::spawn(async move {
            let (mut after, mut seen) = (0, Vec::new());
            loop {
                let was_done = is_done.load(Ordering::Relaxed);
                let entries = reader.feed(after, 7).await.unwrap();
                if entries.is_empty() && was_done {
                    return seen;
                }
                for entry in entries {
                    assert!(entry.number > after);
                    after = entry.number;
                    seen.extend(entry.ranges);
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
                    // Different orders and different sets, as they would deadlock where locks had no order.
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
        assert_eq!(read.len() as u64, length, "{timeline:?} has no gap");
        assert_eq!(
            read.iter().collect::<BTreeSet<_>>().len() as u64,
            length,
            "{timeline:?} has nothing twice"
        );
    }
    let [followed, also] = followers;
    let followed = followed.await.unwrap();
    assert_eq!(also.await.unwrap(), followed);
    let mut next = BTreeMap::new();
    for (timeline, positions) in followed {
        let expected = next.entry(timeline).or_insert(1);
        assert_eq!(*positions.start(), *expected, "{timeline:?} comes in order, and nothing is missed");
        *expected = positions.end() + 1;
    }
    assert_eq!(next[&TimelineId::App(app(0))], events + 1);
    assert_eq!(next.len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_change_the_same_row_see_each_other() {
    let database = TestDatabase::create().await;
    let stores = [open(&database).await, open(&database).await];
    // One that has a version of its own, and one that its timeline's clock stands for.
    let keys = [RowKey::Setting(Setting::SigningKey), RowKey::Account(user(1))];
    for key in keys {
        let mut tasks = tokio::task::JoinSet::new();
        for turn in 0..60 {
            let (store, key) = (Arc::clone(&stores[turn % 2]), key.clone());
            tasks.spawn(async move {
                commit(&*store, move |view| {
                    let count = view.row(&key)?.map_or(0, |row| count_in(&row)) + 1;
                    let row = match key {
                        RowKey::Account(id) => {
                            let person =
                                Person { id, username: count.to_string(), email: "a@example.com".to_owned() };
                            Row::Account(Arc::new(Account::first_seen(&person, START)))
                        }
                        _ => Row::Setting(count.to_string().into()),
                    };
                    Ok(WriteSet { rows: vec![(key.clone(), Some(row))], ..WriteSet::default() })
                })
                .await
                .unwrap();
            });
        }
        tasks.join_all().await;
        assert_eq!(stores[0].row(&key).await.unwrap().map(|row| count_in(&row)), Some(60), "{key:?}");
    }
}

fn count_in(row: &Row) -> u32 {
    match row {
        Row::Setting(text) => text.parse().unwrap(),
        Row::Account(account) => account.person.username.parse().unwrap(),
        row => panic!("{row:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_wrote_is_seen_also_where_nothing_was_or_nothing_is_written() {
    let database = TestDatabase::create().await;
    let stores = [open(&database).await, open(&database).await];
    let key = || RowKey::Setting(Setting::OperatorTokenHash);
    let found = |store: &Arc<PostgresStore>, writes: bool| {
        let (store, (sender, receiver)) = (Arc::clone(store), std::sync::mpsc::channel());
        async move {
            let change = move |view: &dyn Snapshot| {
                let value = match view.row(&key())? {
                    Some(Row::Setting(value)) => value.to_string(),
                    _ => "nothing".to_owned(),
                };
                sender.send(value.clone()).unwrap();
                let note = (RowKey::Setting(Setting::SigningKey), Some(Row::Setting(value.as_str().into())));
                Ok(WriteSet { rows: if writes { vec![note] } else { Vec::new() }, ..WriteSet::default() })
            };
            commit(&*store, change).await.unwrap();
            // What counts is what it was decided from in the end.
            receiver.try_iter().last().unwrap()
        }
    };
    for writes in [true, false] {
        commit(&*stores[0], move |_| Ok(WriteSet { rows: vec![(key(), None)], ..WriteSet::default() }))
            .await
            .unwrap();
        for value in ["nothing", "1", "2"] {
            if value != "nothing" {
                let row = Row::Setting(value.into());
                let put = move |_: &dyn Snapshot| {
                    Ok(WriteSet { rows: vec![(key(), Some(row.clone()))], ..WriteSet::default() })
                };
                commit(&*stores[1], put).await.unwrap();
            }
            // The first process remembers what it saw the last time.
            assert_eq!(found(&stores[0], writes).await, value, "writes: {writes}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_only_read_may_not_change_meanwhile() {
    // Each of two changes reads what the other writes: one of them has to see the other.
    let database = TestDatabase::create().await;
    let stores = [open(&database).await, open(&database).await];
    let keys = [RowKey::Setting(Setting::SigningKey), RowKey::Setting(Setting::OperatorTokenHash)];
    for round in 0..20 {
        let rows =
            keys.iter().map(|key| (key.clone(), Some(Row::Setting("free".into())))).collect::<Vec<_>>();
        commit(&*stores[0], move |_| Ok(WriteSet { rows: rows.clone(), ..WriteSet::default() }))
            .await
            .unwrap();
        let take = |own: usize| {
            let (store, keys) = (Arc::clone(&stores[own]), keys.clone());
            tokio::spawn(async move {
                let change = move |view: &dyn Snapshot| match view.row(&keys[1 - own])? {
                    Some(Row::Setting(text)) if &*text == "taken" => {
                        Err(Rejection::Conflict("taken".to_owned()).into())
                    }
                    _ => {
                        let row = Row::Setting("taken".into());
                        Ok(WriteSet { rows: vec![(keys[own].clone(), Some(row))], ..WriteSet::default() })
                    }
                };
                commit(&*store, change).await.is_ok()
            })
        };
        let (first, second) = tokio::join!(take(0), take(1));
        assert!(first.unwrap() ^ second.unwrap(), "round {round}: exactly one takes it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeline_that_is_only_looked_at_is_seen_as_it_is() {
    let database = TestDatabase::create().await;
    let stores = [open(&database).await, open(&database).await];
    let ids = Arc::new(RandomIds::default());
    append(&*stores[0], &ids, vec![app(1)], user(1)).await.unwrap();
    for length in 2..12 {
        // The first process remembers how long it was.
        append(&*stores[1], &ids, vec![app(1)], user(1)).await.unwrap();
        let note = |view: &dyn Snapshot| {
            let length = view.head(TimelineId::App(app(1)))?.length.to_string();
            let row = (RowKey::Setting(Setting::SigningKey), Some(Row::Setting(length.as_str().into())));
            Ok(WriteSet { rows: vec![row], ..WriteSet::default() })
        };
        commit(&*stores[0], note).await.unwrap();
        let noted = stores[0].row(&RowKey::Setting(Setting::SigningKey)).await.unwrap();
        assert_eq!(noted, Some(Row::Setting(length.to_string().into())));
    }
}

/// A report of that many events of forty apps, which change their states.
fn scaling(turn: u64, count: u64) -> Vec<Report> {
    let events = (0..count).map(|index| {
        let (app, amount) = (app(1 + (index % 40) as u8), turn * 1000 + index);
        json!({
            "user": {"username": "jane", "email": "jane@example.com", "id": user(1)},
            "app_id": app, "app_name": format!("my-app-{}", index % 40), "type": "scale", "type_data": {
                "previous_containers": {"web": amount}, "containers": {"web": amount + 1},
            },
        })
    });
    events.map(|event| Report::parse(&event.to_string()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_that_are_not_written_each_time_are_brought_up_to_date_whoever_asks() {
    let database = TestDatabase::create().await;
    let stores = [open(&database).await, open(&database).await];
    let recorders = stores.clone().map(|store| {
        Recorder::new(store, Arc::new(SystemClock), Arc::new(RandomIds::default()), Settings::default())
    });
    let client = database.connect().await;
    let lag = async || -> i64 {
        let text = "SELECT max(length - position) FROM apps JOIN timelines ON timeline = id";
        client.query_one(text, &[]).await.unwrap().get(0)
    };
    let mut lagged = 0;
    for turn in 0..12 {
        // Large reports write states now and then only. The processes take turns with the same apps.
        recorders[usize::from(turn % 3 == 0)].report(scaling(turn, 270), None).await.unwrap();
        recorders[0].report(scaling(turn, 257 + turn), None).await.unwrap();
        lagged = lagged.max(lag().await);
        for number in [1, 17, 40] {
            let app = app(number);
            let timeline = TimelineId::App(app);
            let length = stores[0].head(timeline).await.unwrap().length;
            let mut folded = None;
            for json in stores[0].read(timeline, 1..=length, usize::MAX).await.unwrap().iter().rev() {
                let event = Event::from_json(json).unwrap();
                let found = event.app.as_ref().unwrap();
                let state = folded.get_or_insert_with(|| Arc::new(App::first_seen(found, event.created_at)));
                App::apply(state, &event);
            }
            let fresh = open(&database).await;
            for store in [&stores[0], &stores[1], &fresh] {
                let (state, head) = store.app(app).await.unwrap().unwrap();
                assert_eq!((Some(state), head.length), (folded.clone(), length));
            }
        }
    }
    assert!((1..16).contains(&lagged), "some are behind, none far: {lagged}");
    let rows = stores[0].rows(None, 1000).await.unwrap();
    for (key, row) in rows {
        assert_eq!(stores[1].row(&key).await.unwrap(), Some(row), "{key:?}");
    }
    recorders[1].report(scaling(99, 40), None).await.unwrap();
    assert_eq!(lag().await, 0, "where little is written, what can be read in SQL is up to date");
}

/// Each of these actions says what it found; between them come large reports, in whose groups states are not written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn actions_of_several_processes_each_find_what_the_one_before_left() {
    let database = TestDatabase::create().await;
    let person = Person { username: "jane".to_owned(), email: "jane@example.com".to_owned(), id: user(1) };
    let about = |event_type: &str, index: u8| {
        json!({"user": person, "app_id": app(1 + index % 40), "app_name": format!("my-app-{}", index % 40),
               "type": event_type, "type_data": if event_type == "new_app" { json!({"git_source": null}) } else { json!({}) }})
    };
    let reports = |event_type: &str, count: u16| -> Vec<_> {
        let events = (0..count).map(|index| about(event_type, (index % 40) as u8).to_string());
        events.map(|event| Report::parse(&event).unwrap()).collect()
    };
    let mut recorders = Vec::new();
    for _ in 0..3 {
        let store = open(&database).await;
        recorders.push(Recorder::new(
            store,
            Arc::new(SystemClock),
            Arc::new(RandomIds::default()),
            Settings::default(),
        ));
    }
    recorders[0].report(reports("new_app", 40), None).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for (process, recorder) in recorders.iter().enumerate() {
        for task in 0..4 {
            let (recorder, person) = (recorder.clone(), person.clone());
            tasks.spawn(async move {
                for turn in 0..20_u8 {
                    let name = format!("type-{process}-{task}");
                    let containers = vec![ScaledType { name, amount: 1 + i64::from(turn % 9), size: None }];
                    let request = Request { actor: Some(person.clone()), ..Request::default() };
                    recorder.act(request, app(1 + turn % 2), Scale { containers }).await.unwrap();
                }
            });
        }
        let (recorder, large) = (recorder.clone(), reports("restart", 300));
        tasks.spawn(async move {
            for _ in 0..8 {
                recorder.report(large.clone(), None).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let store = open(&database).await;
    for number in [1, 2] {
        let timeline = TimelineId::App(app(number));
        let length = store.head(timeline).await.unwrap().length;
        let (mut formation, mut scales) = (BTreeMap::new(), 0);
        for json in store.read(timeline, 1..=length, usize::MAX).await.unwrap().iter().rev() {
            if let TypeData::AppOperations(AppOperations::Scale(scale)) = Event::from_json(json).unwrap().data
            {
                assert_eq!(scale.previous_containers, formation);
                formation = scale.containers;
                scales += 1;
            }
        }
        assert_eq!(scales, 3 * 4 * 10);
        let (state, _) = store.app(app(number)).await.unwrap().unwrap();
        let amounts: BTreeMap<_, _> =
            state.formation.iter().map(|(name, container)| (name.clone(), container.amount)).collect();
        assert_eq!(amounts, formation);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_database_refuses_harms_nobody_who_came_at_the_same_time() {
    let database = TestDatabase::create().await;
    let store = open(&database).await;
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
async fn nothing_is_written_while_somebody_has_the_store_alone() {
    let database = TestDatabase::create().await;
    let store = open(&database).await;
    let ids = Arc::new(RandomIds::default());
    append(&*store, &ids, vec![app(1)], user(1)).await.unwrap();
    // The process loses its lock, and somebody else takes it before it is back.
    let other = database.connect().await;
    let lock: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&i32::from_be_bytes(*b"anls")];
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1::int \
                     AND objid::bigint = hashtext(current_schema())::bigint & 4294967295";
    let taken = tokio::join!(
        biased;
        other.query(terminate, &lock),
        other.query("SELECT pg_advisory_lock($1, hashtext(current_schema()))", &lock),
    );
    assert_eq!((taken.0.unwrap().len(), taken.1.unwrap().len()), (1, 1));
    let refused = append(&*store, &ids, vec![app(1)], user(1)).await.unwrap_err();
    assert!(matches!(refused, CommitError::Failed(Error::Unavailable(_))), "{refused:?}");
    assert!(store.ready().await.is_err());
    drop(other);
    append(&*store, &ids, vec![app(1)], user(1)).await.unwrap();
    assert_eq!(store.head(TimelineId::App(app(1))).await.unwrap().length, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_taken_once_whoever_is_asked() {
    let database = TestDatabase::create().await;
    let recorders = [open(&database).await, open(&database).await].map(|store| {
        Recorder::new(store, Arc::new(SystemClock), Arc::new(RandomIds::default()), Settings::default())
    });
    let jane = NewUser {
        id: None,
        username: "jane".to_owned(),
        email: "jane@example.com".to_owned(),
        password_hash: None,
        signs_up: false,
    };
    let registered = tokio::join!(
        recorders[0].register_user(jane.clone(), "tk-us-1".to_owned()),
        recorders[1].register_user(jane, "tk-us-2".to_owned()),
    );
    let accounts: Vec<_> = [registered.0, registered.1].into_iter().flatten().collect();
    assert_eq!(accounts.len(), 1, "an address and a username are one person's");
    let person: Person = accounts[0].0.person.clone();
    for round in 0..10 {
        let create = |recorder: &Recorder| {
            let request = Request { actor: Some(person.clone()), ..Request::default() };
            let action = CreateApp { name: format!("my-app-{round}"), ..CreateApp::default() };
            let recorder = recorder.clone();
            tokio::spawn(async move { recorder.create_app(request, action).await })
        };
        let (first, second) = tokio::join!(create(&recorders[0]), create(&recorders[1]));
        let outcomes = [first.unwrap(), second.unwrap()];
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        let refused = outcomes.into_iter().find_map(Result::err).unwrap();
        assert!(matches!(refused, CommitError::Rejected(Rejection::Invalid(_))), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_is_claimed_by_one_process_and_news_reaches_all() {
    let database = TestDatabase::create().await;
    let stores = [open(&database).await, open(&database).await];
    let timers: Vec<_> =
        (0..200).map(|number| (RowKey::Timer(START, app(1), number), Some(Row::Present))).collect();
    commit(&*stores[0], move |_| Ok(WriteSet { rows: timers.clone(), ..WriteSet::default() })).await.unwrap();
    let claim = |store: &Arc<PostgresStore>| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut claimed = Vec::new();
            loop {
                let more = store.claim(Listing::TimersDue(START), 7, Duration::from_secs(60)).await.unwrap();
                if more.is_empty() {
                    return claimed;
                }
                claimed.extend(more.into_iter().map(|(key, _)| key));
            }
        })
    };
    let (first, second) = tokio::join!(claim(&stores[0]), claim(&stores[1]));
    let claimed = [first.unwrap(), second.unwrap()].concat();
    assert_eq!(claimed.len(), 200);
    assert_eq!(claimed.iter().map(|key| format!("{key:?}")).collect::<BTreeSet<_>>().len(), 200);

    let mut news = stores[1].subscribe();
    append(&*stores[0], &Arc::new(RandomIds::default()), vec![app(7)], user(7)).await.unwrap();
    let heard = [news.recv().await.unwrap(), news.recv().await.unwrap()];
    assert_eq!(BTreeSet::from(heard), [TimelineId::App(app(7)), TimelineId::User(user(7))].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_a_newer_program_is_refused_and_so_is_one_in_use_or_not_there() {
    let database = TestDatabase::create().await;
    let missing = Options::new(address(&database)).existing(true).open().await;
    assert!(matches!(missing, Err(Error::Missing)));
    let store = open(&database).await;
    let alone = Options::new(address(&database)).alone().open().await;
    assert!(matches!(alone, Err(Error::InUse)));
    drop(store);
    let alone = Options::new(address(&database)).alone().open().await.unwrap();
    let shared = Options::new(address(&database)).open().await;
    assert!(matches!(shared, Err(Error::InUse)));
    drop(alone);
    database.connect().await.batch_execute("UPDATE annals_format SET format = 99").await.unwrap();
    let newer = Options::new(address(&database)).open().await;
    assert!(matches!(newer, Err(Error::Newer { found: 99, known: 1 })));
    let elsewhere: Address = format!("{}_not_there", database.url).parse().unwrap();
    let refused = Options::new(elsewhere).open().await.err().unwrap();
    assert!(
        matches!(&refused, Error::Engine(why) if why.to_string().contains("no schema of the search_path")),
        "{refused:?}"
    );
    let nobody: Address = "postgres://me:secret@127.0.0.1:1/annals".parse().unwrap();
    let error = Options::new(nobody).open().await.err().unwrap();
    assert!(matches!(error, Error::Unavailable(_)) && !format!("{error:?}").contains("secret"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_can_be_asked_for_in_sql() {
    let database = TestDatabase::create().await;
    let store = open(&database).await;
    let recorder =
        Recorder::new(store, Arc::new(SystemClock), Arc::new(RandomIds::default()), Settings::default());
    let person = json!({"username": "jane", "email": "jane@example.com", "id": user(1)});
    let app = AppRef { id: app(1), name: "my-app".to_owned() };
    let report = json!({
        "user": person, "app_id": app.id, "app_name": app.name, "type": "new_app", "type_data": {"git_source": null}
    });
    recorder.report(vec![Report::parse(&report.to_string()).unwrap()], None).await.unwrap();
    let client = database.connect().await;
    let row = client.query_one("SELECT id, name, owner FROM apps", &[]).await.unwrap();
    assert_eq!([row.get::<_, &str>(0), row.get(1), row.get(2)], [&app.id.to_string(), "my-app", "jane"]);
    let text = "SELECT event->>'type' FROM events WHERE timeline = $1 AND position = 1 AND is_home";
    let row = client.query_one(text, &[&app.id.to_string()]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "new_app");
    assert_eq!(
        client.query_one("SELECT email FROM accounts", &[]).await.unwrap().get::<_, &str>(0),
        "jane@example.com"
    );
}
