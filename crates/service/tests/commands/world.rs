//! A store and a clock that stands still, and helpers that read the store.

use std::collections::BTreeSet;
use std::sync::Arc;

use annals_model::app::CreateApp;
use annals_model::{Account, App, AppId, Event, RandomIds, Rejection, Time, UserId};
use annals_service::{Error, Outcome, Request, Service, Settings};
use annals_store::{Store, TimelineId, TypedRows as _, key};
use annals_testing::{ManualClock, NamesByEvents, START, TestStore, person};

pub(crate) struct World {
    test_store: TestStore,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: ManualClock,
    contract_only: bool,
}

impl World {
    pub(crate) async fn new() -> Self {
        let test_store = TestStore::create().await;
        let store = test_store.open().await;
        Self { test_store, store, clock: ManualClock::at(START), contract_only: false }
    }

    /// Returns a world that records only the event types of the contract.
    pub(crate) async fn contract_only() -> Self {
        Self { contract_only: true, ..Self::new().await }
    }

    pub(crate) async fn reopen(self) -> Self {
        let Self { test_store, store, clock, contract_only } = self;
        drop(store);
        let store = test_store.open().await;
        Self { test_store, store, clock, contract_only }
    }

    /// Reopens the store with the clock at that time.
    pub(crate) async fn reopen_at(self, time: Time) -> Self {
        Self { clock: ManualClock::at(time), ..self.reopen().await }
    }

    pub(crate) async fn service(&self) -> Service {
        let ids = Arc::new(RandomIds::default());
        let clock = Arc::new(self.clock.clone());
        let settings = Settings { contract_only: self.contract_only, ..Settings::default() };
        Service::start(Arc::clone(&self.store), clock, ids, settings).await.unwrap().0
    }

    pub(crate) async fn timeline(&self, timeline: TimelineId) -> Vec<Event> {
        annals_testing::timeline(&*self.store, timeline).await
    }

    pub(crate) async fn app(&self, id: AppId) -> Option<App> {
        self.store.get(key::App(id)).await.unwrap().map(|app| (*app).clone())
    }

    pub(crate) async fn account(&self, id: UserId) -> Option<Account> {
        self.store.get(key::Account(id)).await.unwrap().map(|account| (*account).clone())
    }
}

pub(crate) fn request(actor: u8) -> Request {
    Request { actor: Some(person(actor)), ..Request::default() }
}

pub(crate) async fn new_app(world: &World, name: &str) -> Outcome {
    let action = CreateApp { name: name.to_owned(), ..CreateApp::default() };
    world.service().await.create_app(request(1), action).await.unwrap()
}

pub(crate) fn field_of(error: Error) -> String {
    match error {
        Error::Rejected(Rejection::Invalid(errors)) => errors.as_map().keys().next().unwrap().clone(),
        error => panic!("{error}"),
    }
}

pub(crate) async fn check_states(world: &World) {
    if !world.contract_only {
        NamesByEvents::of(&*world.store).await.check_rows(&*world.store).await;
    }
    let commits = world.store.platform(0, usize::MAX).await.unwrap();
    let timelines: BTreeSet<_> =
        commits.iter().flat_map(|commit| commit.events.iter().map(|event| event.timeline)).collect();
    for timeline in timelines {
        let TimelineId::App(id) = timeline else { continue };
        let state = world.app(id).await;
        if !world.contract_only {
            assert_eq!(App::fold(&world.timeline(timeline).await), state);
        }
        let state = state.unwrap();
        for member in (1..=4).map(|number| person(number).id) {
            let listed = world.store.list(key::Member::of(member), 100).await.unwrap();
            let is_listed = listed.iter().any(|(key, ())| *key == key::Member(member, id));
            assert_eq!(is_listed, state.members().contains(&member));
        }
    }
    for user in (1..=4).map(|number| person(number).id).filter(|_| !world.contract_only) {
        let events = world.timeline(TimelineId::User(user)).await;
        let Some(folded) = Account::fold(&events) else { continue };
        let state = world.account(user).await.unwrap();
        // An account may have been named, as an owner, before its first own event.
        assert_eq!(Account { created_at: state.created_at, ..folded }, state);
    }
}
