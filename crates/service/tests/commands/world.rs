//! A store with a clock that stands still, and what is looked up in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annals_model::app::CreateApp;
use annals_model::{Account, App, AppId, Event, Person, RandomIds, Rejection, Report, Time, UserId};
use annals_service::{Clock, Error, Outcome, Request, Service, Settings};
use annals_store::{Store, TimelineId, TypedRows as _, key};
use annals_testing::TestStore;

#[derive(Clone, Default)]
pub(crate) struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    pub(crate) fn advance(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time::from_millis(1_762_000_000_000 + self.0.load(Ordering::Relaxed))
    }
}

pub(crate) struct World {
    place: TestStore,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: ManualClock,
}

impl World {
    pub(crate) async fn new() -> Self {
        let place = TestStore::create().await;
        let store = place.open().await;
        Self { place, store, clock: ManualClock::default() }
    }

    pub(crate) async fn reopen(self) -> Self {
        let Self { place, store, clock } = self;
        drop(store);
        let store = place.open().await;
        Self { place, store, clock }
    }

    pub(crate) async fn service(&self) -> Service {
        let ids = Arc::new(RandomIds::default());
        let clock = Arc::new(self.clock.clone());
        Service::start(Arc::clone(&self.store), clock, ids, Settings::default()).await.unwrap().0
    }

    pub(crate) async fn timeline(&self, timeline: TimelineId) -> Vec<Event> {
        let head = self.store.head(timeline).await.unwrap();
        let events = self.store.read(timeline, 1..=head.length, usize::MAX).await.unwrap();
        events.iter().rev().map(|json| Event::from_json(json).unwrap()).collect()
    }

    pub(crate) async fn app(&self, id: AppId) -> Option<App> {
        self.store.get(key::App(id)).await.unwrap().map(|app| (*app).clone())
    }

    pub(crate) async fn account(&self, id: UserId) -> Option<Account> {
        self.store.get(key::Account(id)).await.unwrap().map(|account| (*account).clone())
    }
}

pub(crate) fn person(number: u8) -> Person {
    Person {
        username: format!("user-{number}"),
        email: format!("user-{number}@example.com"),
        id: UserId::from_bytes([number; 16]),
    }
}

pub(crate) fn request(actor: u8) -> Request {
    Request { actor: Some(person(actor)), ..Request::default() }
}

pub(crate) async fn new_app(world: &World, name: &str) -> Outcome {
    let action = CreateApp { name: name.to_owned(), ..CreateApp::default() };
    world.service().await.create_app(request(1), action).await.unwrap()
}

pub(crate) fn report(value: &serde_json::Value) -> Report {
    Report::parse(&value.to_string()).unwrap()
}

pub(crate) fn field_of(error: Error) -> String {
    match error {
        Error::Rejected(Rejection::Invalid(errors)) => errors.as_map().keys().next().unwrap().clone(),
        error => panic!("{error}"),
    }
}

pub(crate) async fn check_states(world: &World) {
    let mut live_names = BTreeMap::new();
    let commits = world.store.platform(0, usize::MAX).await.unwrap();
    let timelines: BTreeSet<_> =
        commits.iter().flat_map(|commit| commit.events.iter().map(|event| event.timeline)).collect();
    for timeline in timelines {
        let TimelineId::App(id) = timeline else { continue };
        let events = world.timeline(timeline).await;
        assert!(events.is_sorted_by_key(|event| event.created_at));
        let state = world.app(id).await;
        assert_eq!(App::fold(&events), state);
        let state = state.unwrap();
        for member in (1..=4).map(|number| person(number).id) {
            let listed = world.store.list(key::Member::of(member), 100).await.unwrap();
            let is_listed = listed.iter().any(|(key, ())| *key == key::Member(member, id));
            assert_eq!(is_listed, state.members().contains(&member));
        }
        if state.deleted_at.is_none() {
            live_names.entry(state.name).or_insert_with(Vec::new).push(id);
        }
    }
    for (name, holders) in live_names {
        let holder = world.store.get(key::AppName(name)).await.unwrap();
        assert!(holder.is_none_or(|holder| holders.contains(&holder)));
    }
    for user in (1..=4).map(|number| person(number).id) {
        let events = world.timeline(TimelineId::User(user)).await;
        assert!(events.is_sorted_by_key(|event| event.created_at));
        let Some(folded) = Account::fold(&events) else { continue };
        let state = world.account(user).await.unwrap();
        // An account may have been named, as an owner, before its first own event.
        assert_eq!(Account { created_at: state.created_at, ..folded }, state);
    }
}
