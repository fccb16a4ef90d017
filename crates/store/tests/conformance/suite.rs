//! The behaviours.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use annals_model::{AppId, EventId, IdSource, RandomIds, Rejection, Time, UserId};
use annals_store::{
    Command, CommandError, CommitError, Error, Head, Listing, NewEvent, Row, RowKey, Setting, Snapshot,
    Store, TimelineId, WriteSet,
};

use crate::Engine;
use crate::oracle::{self, Oracle};

pub(crate) const START: Time = Time::from_millis(1_762_000_000_000);

pub(crate) fn app(number: u8) -> AppId {
    AppId::from_bytes([number; 12])
}

pub(crate) fn user(number: u8) -> UserId {
    UserId::from_bytes([number; 16])
}

/// A change that a closure decides.
struct With<F>(F);

impl<F: FnMut(&dyn Snapshot) -> Result<WriteSet, CommandError> + Send> Command for With<F> {
    fn decide(&mut self, view: &dyn Snapshot) -> Result<WriteSet, CommandError> {
        (self.0)(view)
    }
}

pub(crate) async fn commit(
    store: &dyn Store,
    decide: impl FnMut(&dyn Snapshot) -> Result<WriteSet, CommandError> + Send + 'static,
) -> Result<(), CommitError> {
    store.commit(Box::new(With(decide))).await
}

pub(crate) async fn append(store: &dyn Store, events: Vec<NewEvent>) {
    commit(store, move |_| Ok(WriteSet { events: events.clone(), rows: Vec::new(), ..WriteSet::default() }))
        .await
        .unwrap();
}

pub(crate) fn event(ids: &RandomIds, app: Option<AppId>, user: Option<UserId>, time: Time) -> NewEvent {
    let id = ids.event_id(time);
    let json =
        format!(r#"{{"id":"{id}","created_at":"{time}","type":"restart","type_data":{{}}}}"#).into_bytes();
    NewEvent { id, has_external_id: false, created_at: time, app, user, json }
}

fn events(count: u64, user: Option<UserId>) -> Vec<NewEvent> {
    let ids = RandomIds::starting_at(1, 0);
    (0..count).map(|index| event(&ids, Some(app(1)), user, START.plus_millis(index))).collect()
}

async fn read(
    store: &dyn Store,
    timeline: TimelineId,
    positions: std::ops::RangeInclusive<u64>,
) -> Vec<Vec<u8>> {
    let events = store.read(timeline, positions, usize::MAX).await.unwrap();
    events.into_iter().map(|event| event.to_vec()).collect()
}

pub(crate) async fn an_empty_timeline_has_nothing(engine: &dyn Engine) {
    let store = engine.open().await;
    let timeline = TimelineId::App(app(1));
    assert_eq!(store.head(timeline).await.unwrap(), Head::default());
    assert!(read(&*store, timeline, 1..=10).await.is_empty());
    assert_eq!(store.count_before(timeline, START).await.unwrap(), 0);
    assert_eq!(store.find(timeline, EventId::assigned(START, 1, 1)).await.unwrap(), None);
    assert!(store.feed(0, 10).await.unwrap().is_empty());
    assert_eq!(store.statistics().await.unwrap().timelines, 0);
}

pub(crate) async fn events_come_back_as_they_went_in_newest_first(engine: &dyn Engine) {
    let store = engine.open().await;
    let events = events(200, Some(user(1)));
    // Commits of very different sizes, so that pages meet the borders of what was written together.
    for part in [0..1, 1..64, 64..65, 65..193, 193..200] {
        append(&*store, events[part].to_vec()).await;
    }
    drop(store);
    let store = engine.open().await;
    let newest_first: Vec<_> = events.iter().rev().map(|event| event.json.clone()).collect();
    for timeline in [TimelineId::App(app(1)), TimelineId::User(user(1))] {
        let head = store.head(timeline).await.unwrap();
        assert_eq!(head, Head { length: 200, last_time: START.plus_millis(199) });
        assert_eq!(read(&*store, timeline, 1..=200).await, newest_first);
        for (oldest, newest) in [(1, 1), (200, 200), (60, 70), (1, 30), (171, 200), (64, 65), (190, 500)] {
            let expected =
                &newest_first[usize::try_from(200_u64.saturating_sub(newest)).unwrap()..=200 - oldest];
            assert_eq!(
                read(&*store, timeline, oldest as u64..=newest).await,
                expected,
                "{oldest}..={newest}"
            );
        }
    }
    assert_eq!(store.statistics().await.unwrap().timelines, 2);
}

pub(crate) async fn a_read_stops_at_its_bound_but_gives_at_least_one_event(engine: &dyn Engine) {
    let store = engine.open().await;
    let events = events(10, None);
    append(&*store, events.clone()).await;
    let timeline = TimelineId::App(app(1));
    assert_eq!(store.read(timeline, 1..=10, 1).await.unwrap(), [events[9].json.clone()]);
    let three = 3 * events[0].json.len();
    assert_eq!(store.read(timeline, 1..=10, three).await.unwrap().len(), 3);
    assert_eq!(store.read(timeline, 1..=10, three + 1).await.unwrap().len(), 3);
}

pub(crate) async fn events_before_a_time_are_counted(engine: &dyn Engine) {
    let store = engine.open().await;
    let ids = RandomIds::starting_at(1, 0);
    // Ten events at each of 30 instants, ten milliseconds apart, over several commits.
    let all: Vec<_> = (0..300)
        .map(|index| event(&ids, Some(app(1)), Some(user(1)), START.plus_millis(index / 10 * 10)))
        .collect();
    for part in all.chunks(37) {
        append(&*store, part.to_vec()).await;
    }
    for timeline in [TimelineId::App(app(1)), TimelineId::User(user(1))] {
        for millis in 0..=301_u64 {
            let time = START.plus_millis(millis);
            let before = all.iter().filter(|event| event.created_at < time).count();
            assert_eq!(store.count_before(timeline, time).await.unwrap(), before as u64, "{millis}");
        }
        assert_eq!(store.count_before(timeline, Time::EPOCH).await.unwrap(), 0);
        assert_eq!(store.count_before(timeline, Time::MAX).await.unwrap(), 300);
    }
}

pub(crate) async fn events_are_found_by_identifier(engine: &dyn Engine) {
    let store = engine.open().await;
    let mut events = events(100, Some(user(1)));
    for (index, event) in events.iter_mut().enumerate().filter(|(index, _)| index % 3 == 0) {
        event.id = EventId::from_bytes([u8::try_from(index).unwrap(); 12]);
        event.has_external_id = true;
        let time = event.created_at;
        event.json = format!(r#"{{"id":"{}","created_at":"{time}"}}"#, event.id).into_bytes();
    }
    let ids: Vec<_> = events.iter().map(|event| (event.id, event.json.clone())).collect();
    for part in events.chunks(17) {
        let part = part.to_vec();
        commit(&*store, move |view| {
            for event in part.iter().filter(|event| event.has_external_id) {
                assert!(!view.holds(event.id, event.home()).unwrap());
            }
            Ok(WriteSet { events: part.clone(), rows: Vec::new(), ..WriteSet::default() })
        })
        .await
        .unwrap();
    }
    for (id, json) in ids.clone() {
        assert_eq!(store.find(TimelineId::App(app(1)), id).await.unwrap().unwrap(), json);
        assert_eq!(store.find(TimelineId::App(app(2)), id).await.unwrap(), None);
        assert_eq!(
            store.find(TimelineId::User(user(1)), id).await.unwrap(),
            None,
            "a user's timeline is not its home"
        );
    }
    commit(&*store, move |view| {
        // All are asked for before anything is made of the answers: a change may be shown less than there is at first.
        let held: Vec<_> =
            ids.iter().map(|(id, _)| view.holds(*id, TimelineId::App(app(1))).unwrap()).collect();
        if held.contains(&false) {
            Err(Rejection::Conflict(format!("{held:?}")).into())
        } else {
            Ok(WriteSet::default())
        }
    })
    .await
    .unwrap();
    assert_eq!(store.find(TimelineId::App(app(1)), EventId::assigned(START, 7, 7)).await.unwrap(), None);
}

async fn put(store: &dyn Store, rows: Vec<(RowKey, Option<Row>)>) {
    commit(store, move |_| Ok(WriteSet { events: Vec::new(), rows: rows.clone(), ..WriteSet::default() }))
        .await
        .unwrap();
}

pub(crate) async fn what_is_claimed_is_given_to_nobody_else(engine: &dyn Engine) {
    let store = engine.open().await;
    let timer = |millis: u64| RowKey::Timer(START.plus_millis(millis), app(1), 7);
    put(&*store, [3, 1, 2, 9].map(|millis| (timer(millis), Some(Row::Present))).to_vec()).await;
    let due = Listing::TimersDue(START.plus_millis(3));
    let claim = async |limit: usize, lease_ms: u64| -> Vec<RowKey> {
        let claimed = store.claim(due.clone(), limit, Duration::from_millis(lease_ms)).await.unwrap();
        claimed.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(claim(2, 60_000).await, [timer(1), timer(2)], "the first that are due");
    assert_eq!(claim(9, 1).await, [timer(3)], "what is left and due");
    // That claim ends by itself; the others do not yet.
    let mut again = Vec::new();
    while again.is_empty() {
        again = claim(9, 60_000).await;
    }
    assert_eq!(again, [timer(3)]);
    assert!(claim(9, 60_000).await.is_empty());
    assert_eq!(store.list(due.clone(), 9).await.unwrap().len(), 3, "a claim hides nothing");
    // A row that goes and comes again is another one.
    put(&*store, vec![(timer(1), None)]).await;
    put(&*store, vec![(timer(1), Some(Row::Present))]).await;
    assert_eq!(claim(9, 60_000).await, [timer(1)]);
}

pub(crate) async fn news_of_timelines_is_heard(engine: &dyn Engine) {
    let store = engine.open().await;
    let mut news = store.subscribe();
    append(&*store, events(3, Some(user(1)))).await;
    let mut heard = BTreeSet::new();
    while heard.len() < 2 {
        heard.insert(news.recv().await.unwrap());
    }
    assert_eq!(heard, [TimelineId::App(app(1)), TimelineId::User(user(1))].into());
}

pub(crate) async fn rows_are_kept_replaced_removed_and_listed(engine: &dyn Engine) {
    let store = engine.open().await;
    let name = |name: &str| RowKey::AppName(name.to_owned());
    assert_eq!(store.row(&name("a")).await.unwrap(), None);
    let rows = vec![
        (name("a"), Some(Row::AppWithName(app(1)))),
        (name("b"), Some(Row::AppWithName(app(2)))),
        (RowKey::Member(user(1), app(2)), Some(Row::Present)),
        (RowKey::Member(user(1), app(1)), Some(Row::Present)),
        (RowKey::Member(user(2), app(1)), Some(Row::Present)),
        (RowKey::Setting(Setting::SigningKey), Some(Row::Setting("00".into()))),
    ];
    put(&*store, rows).await;
    put(&*store, vec![(name("a"), Some(Row::AppWithName(app(3)))), (name("b"), None)]).await;
    let mut store = store;
    for _ in 0..2 {
        assert_eq!(store.row(&name("a")).await.unwrap(), Some(Row::AppWithName(app(3))));
        assert_eq!(store.row(&name("b")).await.unwrap(), None);
        let setting = store.row(&RowKey::Setting(Setting::SigningKey)).await.unwrap();
        assert_eq!(setting, Some(Row::Setting("00".into())));
        let listed = store.list(Listing::AppsOf(user(1)), 10).await.unwrap();
        let keys: Vec<_> = listed.into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [RowKey::Member(user(1), app(1)), RowKey::Member(user(1), app(2))]);
        assert_eq!(store.list(Listing::AppsOf(user(1)), 1).await.unwrap().len(), 1);
        assert!(store.list(Listing::TokensOf(user(1)), 10).await.unwrap().is_empty());
        drop(store);
        store = engine.open().await;
    }
}

pub(crate) async fn a_refused_change_leaves_no_trace(engine: &dyn Engine) {
    let store = engine.open().await;
    append(&*store, events(3, Some(user(1)))).await;
    let refused = commit(&*store, |_| Err(CommandError::Rejected(Rejection::Conflict("no".to_owned()))))
        .await
        .unwrap_err();
    assert!(matches!(refused, CommitError::Rejected(Rejection::Conflict(text)) if text == "no"));
    let failed =
        commit(&*store, |_| Err(CommandError::Failed(Error::Damaged("x".to_owned())))).await.unwrap_err();
    assert!(matches!(failed, CommitError::Failed(Error::Damaged(_))));
    assert_eq!(store.head(TimelineId::App(app(1))).await.unwrap().length, 3);
    assert_eq!(store.feed(0, 10).await.unwrap().len(), 1);
}

pub(crate) async fn a_change_that_panics_harms_no_other(engine: &dyn Engine) {
    let store = engine.open().await;
    let failed = commit(&*store, |_| panic!("as a bug would")).await.unwrap_err();
    assert!(matches!(failed, CommitError::Failed(Error::Engine(_))));
    append(&*store, events(3, None)).await;
    assert_eq!(store.head(TimelineId::App(app(1))).await.unwrap().length, 3);
    store.ready().await.unwrap();
}

pub(crate) async fn a_change_sees_all_before_it(engine: &dyn Engine) {
    let store = engine.open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            // Each adds one to what it finds: only if all see each other does it come to a hundred.
            commit(&*store, |view| {
                let key = RowKey::Setting(Setting::SigningKey);
                let count = match view.row(&key)? {
                    Some(Row::Setting(text)) => text.parse::<u32>().unwrap(),
                    _ => 0,
                };
                Ok(WriteSet {
                    events: Vec::new(),
                    rows: vec![(key, Some(Row::Setting((count + 1).to_string().into())))],
                    ..WriteSet::default()
                })
            })
            .await
            .unwrap();
        });
    }
    tasks.join_all().await;
    let count = store.row(&RowKey::Setting(Setting::SigningKey)).await.unwrap();
    assert_eq!(count, Some(Row::Setting("100".into())));
}

pub(crate) async fn concurrent_commits_leave_no_gap(engine: &dyn Engine) {
    let store = engine.open().await;
    let ids = Arc::new(RandomIds::starting_at(1, 0));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16_u8 {
        let (store, ids) = (Arc::clone(&store), Arc::clone(&ids));
        tasks.spawn(async move {
            for _ in 0..20 {
                let ids = Arc::clone(&ids);
                commit(&*store, move |view| {
                    let (shared, own) = (Some(app(0)), Some(app(task + 1)));
                    let timelines = [app(0), app(task + 1)].map(TimelineId::App);
                    let time = timelines
                        .into_iter()
                        .chain([TimelineId::User(user(task))])
                        .map(|timeline| view.head(timeline).unwrap().last_time)
                        .fold(START, Time::max)
                        .plus_millis(1);
                    let events = [shared, own, shared].map(|app| event(&ids, app, Some(user(task)), time));
                    Ok(WriteSet { events: events.to_vec(), rows: Vec::new(), ..WriteSet::default() })
                })
                .await
                .unwrap();
            }
        });
    }
    tasks.join_all().await;
    drop(store);
    let store = engine.open().await;
    assert_eq!(store.head(TimelineId::App(app(0))).await.unwrap().length, 640);
    let shared = read(&*store, TimelineId::App(app(0)), 1..=640).await;
    assert_eq!(shared.iter().collect::<BTreeSet<_>>().len(), 640, "no event is there twice");
    let times: Vec<_> = shared.iter().map(|json| json[47..71].to_vec()).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older));
    for task in 0..16_u8 {
        assert_eq!(read(&*store, TimelineId::User(user(task)), 1..=100).await.len(), 60);
        assert_eq!(read(&*store, TimelineId::App(app(task + 1)), 1..=100).await.len(), 20);
    }
}

pub(crate) async fn the_feed_has_every_event_once(engine: &dyn Engine) {
    let store = engine.open().await;
    let ids = RandomIds::starting_at(1, 0);
    for commit_number in 0..10_u64 {
        let time = START.plus_millis(commit_number);
        let number = u8::try_from(commit_number).unwrap();
        let mut events: Vec<_> =
            (0..70).map(|index| event(&ids, Some(app(index % 3)), Some(user(number)), time)).collect();
        events.push(event(&ids, None, Some(user(number)), time));
        append(&*store, events).await;
    }
    let entries = store.feed(0, 100).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    let mut seen = BTreeSet::new();
    for (timeline, positions) in entries.iter().flat_map(|entry| &entry.ranges) {
        for position in positions.clone() {
            assert!(seen.insert((*timeline, position)), "{timeline:?} {position}");
        }
    }
    assert_eq!(seen.len(), 710);
    assert_eq!(store.feed(7, 2).await.unwrap(), entries[7..9]);
    assert!(store.feed(u64::MAX, 2).await.unwrap().is_empty());
    drop(store);
    let store = engine.open().await;
    append(&*store, vec![event(&ids, Some(app(1)), None, START.plus_millis(99))]).await;
    assert_eq!(store.feed(10, 100).await.unwrap()[0].number, 11, "numbers go on after reopening");
}

pub(crate) async fn a_closed_store_takes_nothing_more(engine: &dyn Engine) {
    let store = engine.open().await;
    append(&*store, events(3, None)).await;
    store.close().await.unwrap();
    let late = commit(&*store, |_| Ok(WriteSet::default())).await.unwrap_err();
    assert!(matches!(late, CommitError::Failed(Error::Closed)));
    assert!(matches!(store.close().await, Err(Error::Closed)));
    assert_eq!(store.head(TimelineId::App(app(1))).await.unwrap().length, 3);
}

pub(crate) async fn a_random_history_reads_as_the_oracle_says(engine: &dyn Engine) {
    let seed = rand::random();
    eprintln!("seed {seed}");
    let mut oracle = Oracle::default();
    let mut history = oracle::History::from_seed(seed);
    let mut store = engine.open().await;
    for _ in 0..120 {
        match history.next(&oracle) {
            oracle::Step::Append(events) => {
                oracle.append(&events);
                append(&*store, events).await;
            }
            oracle::Step::Reopen => {
                store.close().await.unwrap();
                drop(store);
                store = engine.open().await;
            }
            oracle::Step::Read => oracle.check_a_page(&*store, &mut history).await,
        }
    }
    oracle.check_everything(&*store).await;
}
