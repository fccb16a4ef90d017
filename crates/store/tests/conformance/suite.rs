//! The behaviours of timelines, commits and followers.

use std::collections::BTreeSet;
use std::sync::Arc;

use annals_model::{App, AppRef, EventId, RandomIds, Rejection, Time, UserId};
use annals_store::{
    CommandError, CommitError, Error, Follow, Head, NewEvent, PlatformEvent, Setting, Store, TimelineId,
    TypedRows as _, WriteSet, follow, key,
};
use annals_testing::{START, TestStore, app, commit, event, user, write_rows};

use crate::oracle::{self, Oracle};

pub(crate) async fn append(store: &dyn Store, events: Vec<NewEvent>) {
    let recorded_at = recorded_at(&events);
    commit(store, move |_| Ok(WriteSet { recorded_at, events: events.clone(), ..WriteSet::default() }))
        .await
        .unwrap();
}

/// Returns the time at which these events are recorded if one commit has nothing else.
pub(crate) fn recorded_at(events: &[NewEvent]) -> Time {
    events.last().map_or(START, |event| event.created_at.plus_millis(5))
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

pub(crate) async fn an_empty_timeline_has_no_events(test_store: &TestStore) {
    let store = test_store.open().await;
    let timeline = TimelineId::App(app(1));
    assert_eq!(store.head(timeline).await.unwrap(), Head::default());
    assert!(read(&*store, timeline, 1..=10).await.is_empty());
    assert_eq!(store.length_before(timeline, START).await.unwrap(), 0);
    assert_eq!(store.find(timeline, EventId::assigned(START, 1, 1)).await.unwrap(), None);
    assert_eq!(store.statistics().await.unwrap().timelines, 0);
}

pub(crate) async fn events_read_as_they_were_written_newest_first(test_store: &TestStore) {
    let store = test_store.open().await;
    let events = events(200, Some(user(1)));
    // Commits of very different sizes, so that pages cross the borders between commits.
    for part in [0..1, 1..64, 64..65, 65..193, 193..200] {
        append(&*store, events[part].to_vec()).await;
    }
    drop(store);
    let store = test_store.open().await;
    let newest_first: Vec<_> = events.iter().rev().map(|event| event.json.clone()).collect();
    for timeline in [TimelineId::App(app(1)), TimelineId::User(user(1))] {
        let head = store.head(timeline).await.unwrap();
        assert_eq!(head, Head { length: 200, latest: START.plus_millis(199), last_late: 0 });
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

pub(crate) async fn a_read_stops_at_its_limit_but_returns_at_least_one_event(test_store: &TestStore) {
    let store = test_store.open().await;
    let events = events(10, None);
    append(&*store, events.clone()).await;
    let timeline = TimelineId::App(app(1));
    assert_eq!(store.read(timeline, 1..=10, 1).await.unwrap(), [events[9].json.clone()]);
    let three = 3 * events[0].json.len();
    assert_eq!(store.read(timeline, 1..=10, three).await.unwrap().len(), 3);
    assert_eq!(store.read(timeline, 1..=10, three + 1).await.unwrap().len(), 3);
}

pub(crate) async fn events_before_a_time_are_counted(test_store: &TestStore) {
    let store = test_store.open().await;
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
            assert_eq!(store.length_before(timeline, time).await.unwrap(), before as u64, "{millis}");
        }
        assert_eq!(store.length_before(timeline, Time::EPOCH).await.unwrap(), 0);
        assert_eq!(store.length_before(timeline, Time::MAX).await.unwrap(), 300);
    }
}

pub(crate) async fn late_events_keep_their_position_and_are_found(test_store: &TestStore) {
    let store = test_store.open().await;
    let ids = RandomIds::starting_at(1, 0);
    // In order of recording: by 100 ms each, but for two late ones, of which the first is very late.
    let offsets = [10_000, 10_100, 0, 10_200, 10_150, 10_300];
    let events: Vec<_> = offsets
        .map(|millis| {
            let mut event = event(&ids, Some(app(1)), Some(user(1)), START.plus_millis(millis));
            event.is_indexed = [0, 10_150].contains(&millis);
            event
        })
        .into();
    for part in [0..1, 1..5, 5..6] {
        append(&*store, events[part].to_vec()).await;
    }
    drop(store);
    let store = test_store.open().await;
    let newest_first: Vec<_> = events.iter().rev().map(|event| event.json.clone()).collect();
    for timeline in [TimelineId::App(app(1)), TimelineId::User(user(1))] {
        let head = Head { length: 6, latest: START.plus_millis(10_300), last_late: 5 };
        assert_eq!(store.head(timeline).await.unwrap(), head);
        assert_eq!(read(&*store, timeline, 1..=6).await, newest_first);
        for (millis, length) in [
            (0, 0),
            (10_000, 0),
            (10_001, 1),
            (10_100, 1),
            (10_150, 3),
            (10_200, 3),
            (10_201, 5),
            (10_301, 6),
        ] {
            let time = START.plus_millis(millis);
            assert_eq!(store.length_before(timeline, time).await.unwrap(), length, "{millis}");
        }
    }
    for event in &events {
        let found = store.find(event.home(), event.id).await.unwrap();
        assert_eq!(found.as_deref(), Some(event.json.as_slice()));
    }
}

pub(crate) async fn events_are_found_by_identifier(test_store: &TestStore) {
    let store = test_store.open().await;
    let mut events = events(100, Some(user(1)));
    for (index, event) in events.iter_mut().enumerate().filter(|(index, _)| index % 3 == 0) {
        event.id = EventId::from_bytes([u8::try_from(index).unwrap(); 12]);
        event.is_indexed = true;
        let time = event.created_at;
        event.json = format!(r#"{{"id":"{}","created_at":"{time}"}}"#, event.id).into_bytes();
    }
    let ids: Vec<_> = events.iter().map(|event| (event.id, event.json.clone())).collect();
    for part in events.chunks(17) {
        let part = part.to_vec();
        commit(&*store, move |view| {
            for event in part.iter().filter(|event| event.is_indexed) {
                assert!(!view.contains_event(event.id, event.home()).unwrap());
            }
            Ok(WriteSet { events: part.clone(), ..WriteSet::default() })
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
            "the event was found in a timeline that only refers to it"
        );
    }
    commit(&*store, move |view| {
        // Ask for all before judging any: a command may see an incomplete snapshot at first.
        let held: Vec<_> =
            ids.iter().map(|(id, _)| view.contains_event(*id, TimelineId::App(app(1))).unwrap()).collect();
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

pub(crate) async fn notifications_of_timelines_are_received(test_store: &TestStore) {
    let store = test_store.open().await;
    let mut notifications = store.subscribe();
    append(&*store, events(3, Some(user(1)))).await;
    let mut received = BTreeSet::new();
    while received.len() < 2 {
        received.insert(notifications.recv().await.unwrap());
    }
    assert_eq!(received, [TimelineId::App(app(1)), TimelineId::User(user(1))].into());
}

pub(crate) async fn a_refused_command_changes_nothing(test_store: &TestStore) {
    let store = test_store.open().await;
    append(&*store, events(3, Some(user(1)))).await;
    let refused = commit(&*store, |_| Err(CommandError::Rejected(Rejection::Conflict("no".to_owned()))))
        .await
        .unwrap_err();
    assert!(matches!(refused, CommitError::Rejected(Rejection::Conflict(text)) if text == "no"));
    let failed =
        commit(&*store, |_| Err(CommandError::Failed(Error::Damaged("x".to_owned())))).await.unwrap_err();
    assert!(matches!(failed, CommitError::Failed(Error::Damaged(_))));
    assert_eq!(store.head(TimelineId::App(app(1))).await.unwrap().length, 3);
    assert_eq!(store.platform_length().await.unwrap(), 3);
}

pub(crate) async fn a_command_that_panics_affects_no_other(test_store: &TestStore) {
    let store = test_store.open().await;
    let failed = commit(&*store, |_| panic!("as a bug would")).await.unwrap_err();
    assert!(matches!(failed, CommitError::Failed(Error::Engine(_))));
    append(&*store, events(3, None)).await;
    assert_eq!(store.head(TimelineId::App(app(1))).await.unwrap().length, 3);
    store.ready().await.unwrap();
}

pub(crate) async fn a_command_sees_every_earlier_commit(test_store: &TestStore) {
    const COUNT: key::Setting = key::Setting(Setting::SigningKey);
    let store = test_store.open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            // Each adds one to the value it finds, so only serial commits add up to a hundred.
            commit(&*store, |view| {
                let count = view.get(COUNT)?.map_or(0, |text| text.parse::<u32>().unwrap());
                let mut writes = WriteSet::default();
                writes.rows.put(COUNT, (count + 1).to_string().into());
                Ok(writes)
            })
            .await
            .unwrap();
        });
    }
    tasks.join_all().await;
    assert_eq!(store.get(COUNT).await.unwrap().as_deref(), Some("100"));
}

pub(crate) async fn concurrent_commits_leave_no_gap(test_store: &TestStore) {
    let store = test_store.open().await;
    let ids = Arc::new(RandomIds::starting_at(1, 0));
    let follower = tokio::spawn(next_events(follow(Arc::clone(&store), 0), 960));
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
                        .map(|timeline| view.head(timeline).unwrap().latest)
                        .fold(START, Time::max)
                        .plus_millis(1);
                    let events = [shared, own, shared].map(|app| event(&ids, app, Some(user(task)), time));
                    Ok(WriteSet { events: events.to_vec(), ..WriteSet::default() })
                })
                .await
                .unwrap();
            }
        });
    }
    tasks.join_all().await;
    let followed = follower.await.unwrap();
    drop(store);
    let store = test_store.open().await;
    let timelines = (0..=16).map(|number| TimelineId::App(app(number)));
    let timelines = timelines.chain((0..16).map(|number| TimelineId::User(user(number))));
    assert_eq!(check_platform(&*store, timelines).await, followed);
    assert_eq!(store.head(TimelineId::App(app(0))).await.unwrap().length, 640);
    let shared = read(&*store, TimelineId::App(app(0)), 1..=640).await;
    assert_eq!(shared.iter().collect::<BTreeSet<_>>().len(), 640, "an event is there twice");
    let times: Vec<_> = shared.iter().map(|json| json[47..71].to_vec()).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older));
    for task in 0..16_u8 {
        assert_eq!(read(&*store, TimelineId::User(user(task)), 1..=100).await.len(), 60);
        assert_eq!(read(&*store, TimelineId::App(app(task + 1)), 1..=100).await.len(), 20);
    }
}

/// Follows until it has received that many events, and returns them.
async fn next_events(mut follow: Follow, count: usize) -> Vec<PlatformEvent> {
    let mut events = Vec::new();
    while events.len() < count {
        for commit in follow.next().await.unwrap() {
            assert_eq!(commit.first, events.len() as u64 + 1);
            events.extend(commit.events);
        }
    }
    assert_eq!(follow.position(), events.len() as u64);
    events
}

/// Checks that the platform timeline has exactly the events of these timelines, in their order, and returns them.
pub(crate) async fn check_platform(
    store: &dyn Store,
    timelines: impl IntoIterator<Item = TimelineId>,
) -> Vec<PlatformEvent> {
    let mut events = Vec::new();
    for commit in store.platform(0, usize::MAX).await.unwrap() {
        assert_eq!(commit.first, events.len() as u64 + 1, "there is a gap");
        events.extend(commit.events);
    }
    assert_eq!(store.platform_length().await.unwrap(), events.len() as u64);
    let mut contents = Vec::new();
    for event in &events {
        contents.extend(read(store, event.timeline, event.position..=event.position).await);
    }
    let mut of_timelines = BTreeSet::new();
    for timeline in timelines {
        let mut of_timeline = read(store, timeline, 1..=u64::MAX >> 1).await;
        of_timeline.reverse();
        let set: BTreeSet<_> = of_timeline.iter().cloned().collect();
        let on_platform: Vec<_> = contents.iter().filter(|json| set.contains(*json)).cloned().collect();
        assert_eq!(on_platform, of_timeline, "{timeline:?}");
        of_timelines.extend(set);
    }
    assert_eq!(of_timelines.len(), events.len(), "an event is missing or there twice");
    events
}

pub(crate) async fn the_platform_timeline_has_every_event_once_and_in_order(test_store: &TestStore) {
    let store = test_store.open().await;
    let ids = RandomIds::starting_at(1, 0);
    assert_eq!(store.platform_length().await.unwrap(), 0);
    assert!(store.platform(0, 10).await.unwrap().is_empty());
    for commit_number in 0..10_u64 {
        let time = START.plus_millis(commit_number);
        let number = u8::try_from(commit_number).unwrap();
        let mut events: Vec<_> =
            (0..70).map(|index| event(&ids, Some(app(index % 3)), Some(user(number)), time)).collect();
        events.push(event(&ids, None, Some(user(number)), time));
        append(&*store, events).await;
    }
    write_rows(&*store, |rows| rows.put(key::Setting(Setting::SigningKey), "00".into())).await;
    let commits = store.platform(0, usize::MAX).await.unwrap();
    assert_eq!(commits.len(), 10, "a commit without events was on the platform timeline");
    let timelines = (0..3).map(|number| TimelineId::App(app(number)));
    check_platform(&*store, timelines.chain((0..10).map(|number| TimelineId::User(user(number))))).await;

    let time = START.plus_millis(7);
    assert_eq!((commits[7].earliest, commits[7].latest), (time, time));
    assert_eq!(commits[7].recorded_at, time.plus_millis(5));
    assert_eq!(commits[7].types, ["restart"]);
    // A read returns the commits that begin within the limit, at least one, and the first without events already read.
    assert_eq!(store.platform(7 * 71, 2).await.unwrap(), commits[7..8]);
    assert_eq!(store.platform(7 * 71, 0).await.unwrap(), commits[7..8]);
    assert_eq!(store.platform(7 * 71, 71).await.unwrap(), commits[7..8]);
    assert_eq!(store.platform(7 * 71, 72).await.unwrap(), commits[7..9]);
    let within = store.platform(7 * 71 + 70, 2).await.unwrap();
    assert_eq!((within[0].first, &within[0].events[..]), (8 * 71, &commits[7].events[70..]));
    assert_eq!(within[1..], commits[8..9]);
    assert_eq!(store.platform(709, 9).await.unwrap()[0].first, 710);
    for beyond in [710, 711, u64::MAX - 1, u64::MAX] {
        assert!(store.platform(beyond, 2).await.unwrap().is_empty());
    }
    drop(store);
    let store = test_store.open().await;
    append(&*store, vec![event(&ids, Some(app(1)), None, START.plus_millis(99))]).await;
    assert_eq!(
        store.platform(710, 100).await.unwrap()[0].first,
        711,
        "positions did not continue after reopening"
    );
    assert_eq!(store.platform_length().await.unwrap(), 711);
}

pub(crate) async fn a_follower_receives_new_events(test_store: &TestStore) {
    let store = test_store.open().await;
    append(&*store, events(3, Some(user(1)))).await;
    let mut follower = follow(Arc::clone(&store), 2);
    let commits = follower.next().await.unwrap();
    assert_eq!((commits.len(), commits[0].first, commits[0].events.len()), (1, 3, 1));
    assert_eq!(follower.position(), 3);
    let waiting = tokio::spawn(async move { (follower.next().await.unwrap(), follower.position()) });
    let later = event(&RandomIds::starting_at(2, 0), Some(app(1)), None, START.plus_millis(99));
    append(&*store, vec![later]).await;
    let (commits, position) = waiting.await.unwrap();
    assert_eq!((commits[0].first, position), (4, 4));
}

/// Such a state is stored with the whole timeline in it, although nothing is appended: events that it includes are not applied
/// again.
pub(crate) async fn a_state_without_an_event_includes_the_timeline(test_store: &TestStore) {
    let mut store = test_store.open().await;
    let named = AppRef { id: app(1), name: "old-name".to_owned() };
    let ids = RandomIds::starting_at(1, 0);
    let restarts = |count: usize, name: &'static str| {
        let mut events: Vec<_> = (0..count).map(|_| event(&ids, Some(app(1)), None, START)).collect();
        for event in &mut events {
            event.json = format!(
                r#"{{"id":"{}","created_at":"{START}","app_id":"{}","app_name":"{name}","type":"restart","type_data":{{}}}}"#,
                event.id,
                app(1)
            )
            .into_bytes();
        }
        events
    };
    let state = |name: &str| Arc::new(App { name: name.to_owned(), ..App::first_seen(&named, START) });
    let put = async |store: &dyn Store, events: Vec<NewEvent>, state: Arc<App>, force: bool| {
        commit(store, move |_| {
            let mut writes = WriteSet { recorded_at: START, events: events.clone(), ..WriteSet::default() };
            writes.rows.put(key::App(app(1)), Arc::clone(&state));
            writes.force_checkpoint.extend(force.then_some(app(1)));
            Ok(writes)
        })
        .await
        .unwrap();
    };
    for turn in 0..6 {
        // With and without the head in the cache, and behind different numbers of events.
        put(&*store, restarts(1 + turn * 7, "old-name"), state("old-name"), false).await;
        if turn % 2 == 0 {
            drop(store);
            store = test_store.open().await;
        }
        put(&*store, Vec::new(), state("unrecorded"), true).await;
        drop(store);
        store = test_store.open().await;
        assert_eq!(store.get(key::App(app(1))).await.unwrap(), Some(state("unrecorded")), "{turn}");
        let next = state("next-name");
        put(&*store, restarts(1, "next-name"), Arc::clone(&next), false).await;
        drop(store);
        store = test_store.open().await;
        assert_eq!(store.get(key::App(app(1))).await.unwrap(), Some(next), "{turn}");
    }
}

pub(crate) async fn a_closed_store_refuses_commits(test_store: &TestStore) {
    let store = test_store.open().await;
    append(&*store, events(3, None)).await;
    store.close().await.unwrap();
    let late = commit(&*store, |_| Ok(WriteSet::default())).await.unwrap_err();
    assert!(matches!(late, CommitError::Failed(Error::Closed)));
    assert!(matches!(store.close().await, Err(Error::Closed)));
    assert_eq!(store.head(TimelineId::App(app(1))).await.unwrap().length, 3);
}

pub(crate) async fn a_random_history_reads_as_the_oracle_predicts(test_store: &TestStore) {
    let seed = rand::random();
    eprintln!("seed {seed}");
    let mut oracle = Oracle::default();
    let mut history = oracle::History::from_seed(seed);
    let mut store = test_store.open().await;
    for _ in 0..120 {
        match history.next(&oracle) {
            oracle::Step::Append(events) => {
                oracle.append(&events);
                append(&*store, events).await;
            }
            oracle::Step::Reopen => {
                store.close().await.unwrap();
                drop(store);
                store = test_store.open().await;
            }
            oracle::Step::Read => {
                oracle.check_a_page(&*store, &mut history).await;
                oracle.check_the_platform(&*store, &mut history).await;
            }
        }
    }
    oracle.check_everything(&*store).await;
}
