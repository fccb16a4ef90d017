//! What is recorded, over a real store: states are what their timelines fold to, and a refused request changes nothing.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and tells its seed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annals_model::app::{
    CreateApp, DeleteApp, DeleteVariables, NewValue, RenameApp, Scale, ScaledType, SetVariable, SetVariables,
    variable_id,
};
use annals_model::{Account, App, AppId, Event, Person, RandomIds, Rejection, Report, Time, UserId};
use annals_store::{
    Clock, CommitError, Idempotency, Listing, NewUser, Outcome, Recorder, Request, Row, RowKey, Setting,
    Settings, Store, TimelineId,
};
use annals_testing::TestStore;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

#[derive(Clone, Default)]
struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    fn advance(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time::from_millis(1_762_000_000_000 + self.0.load(Ordering::Relaxed))
    }
}

struct World {
    place: TestStore,
    store: Arc<dyn Store>,
    clock: ManualClock,
}

impl World {
    async fn new() -> Self {
        let place = TestStore::create().await;
        let store = place.open().await;
        Self { place, store, clock: ManualClock::default() }
    }

    async fn reopen(self) -> Self {
        let Self { place, store, clock } = self;
        drop(store);
        let store = place.open().await;
        Self { place, store, clock }
    }

    fn recorder(&self) -> Recorder {
        let ids = Arc::new(RandomIds::default());
        Recorder::new(Arc::clone(&self.store), Arc::new(self.clock.clone()), ids, Settings::default())
    }

    async fn timeline(&self, timeline: TimelineId) -> Vec<Event> {
        let head = self.store.head(timeline).await.unwrap();
        let events = self.store.read(timeline, 1..=head.length, usize::MAX).await.unwrap();
        events.iter().rev().map(|json| Event::from_json(json).unwrap()).collect()
    }

    async fn app(&self, id: AppId) -> Option<App> {
        match self.store.row(&RowKey::App(id)).await.unwrap() {
            Some(Row::App(app)) => Some((*app).clone()),
            _ => None,
        }
    }

    async fn account(&self, id: UserId) -> Option<Account> {
        match self.store.row(&RowKey::Account(id)).await.unwrap() {
            Some(Row::Account(account)) => Some((*account).clone()),
            _ => None,
        }
    }
}

fn person(number: u8) -> Person {
    Person {
        username: format!("user-{number}"),
        email: format!("user-{number}@example.com"),
        id: UserId::from_bytes([number; 16]),
    }
}

fn request(actor: u8) -> Request {
    Request { actor: Some(person(actor)), ..Request::default() }
}

async fn new_app(world: &World, name: &str) -> Outcome {
    let action = CreateApp { name: name.to_owned(), ..CreateApp::default() };
    world.recorder().create_app(request(1), action).await.unwrap()
}

fn report(value: &serde_json::Value) -> Report {
    Report::parse(&value.to_string()).unwrap()
}

fn field_of(error: CommitError) -> String {
    match error {
        CommitError::Rejected(Rejection::Invalid(errors)) => errors.as_map().keys().next().unwrap().clone(),
        error => panic!("{error}"),
    }
}

/// Something that people or a platform may do, sensible or not.
async fn do_something(world: &World, random: &mut StdRng, apps: &mut Vec<AppId>) {
    let recorder = world.recorder();
    world.clock.advance(random.random_range(0..50));
    let actor = random.random_range(1..=3);
    let names = ["first-app", "second-app", "third-app", "bad--name"];
    let name = names[random.random_range(0..names.len())].to_owned();
    let picked = apps.get(random.random_range(0..=apps.len())).copied();
    let id = picked.unwrap_or(AppId::from_bytes([random.random_range(0..3); 12]));
    let current_name = world.app(id).await.map_or_else(|| name.clone(), |app| app.name);
    let value = |random: &mut StdRng| NewValue {
        name: ["A", "B", "C"][random.random_range(0..3)].to_owned(),
        value: ["1", "2", ""][random.random_range(0..3)].to_owned(),
    };
    let done = match random.random_range(0..9) {
        0 => recorder.create_app(request(actor), CreateApp { name, ..CreateApp::default() }).await,
        1 => recorder.act(request(actor), id, RenameApp { current_name, new_name: name }).await,
        2 if random.random_range(0..3) == 0 => {
            recorder.act(request(actor), id, DeleteApp { current_name }).await
        }
        3 => {
            let containers = vec![ScaledType {
                name: "web".to_owned(),
                amount: random.random_range(-1..=11),
                size: random.random::<bool>().then(|| "L".to_owned()),
            }];
            recorder.act(request(actor), id, Scale { containers }).await
        }
        4 => recorder.act(request(actor), id, SetVariable(value(random))).await,
        5 => recorder.act(request(actor), id, SetVariables(vec![value(random), value(random)])).await,
        6 => recorder.act(request(actor), id, DeleteVariables(vec![variable_id(id, "A")])).await,
        _ => {
            let examples = include_str!("../../../docs/examples.ndjson");
            let reports = (0..random.random_range(1..100)).map(|_| {
                let line = examples.lines().nth(random.random_range(0..46)).unwrap();
                let mut report = Report::parse(line).unwrap();
                (report.id, report.created_at) = (None, None);
                report.user = report.user.map(|_| person(random.random_range(1..=4)));
                if let Some(app) = &mut report.app {
                    app.id = id;
                    app.name.clone_from(&current_name);
                }
                report
            });
            let reports = reports.collect();
            recorder.report(reports, None).await.unwrap();
            return;
        }
    };
    match done {
        Ok(outcome) if !apps.contains(&outcome.app.id) => apps.push(outcome.app.id),
        Ok(_) => {}
        Err(CommitError::Rejected(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

async fn check_states(world: &World) {
    let mut live_names = std::collections::BTreeMap::new();
    let feed = world.store.feed(0, usize::MAX).await.unwrap();
    let timelines: std::collections::BTreeSet<_> =
        feed.iter().flat_map(|entry| entry.ranges.iter().map(|(timeline, _)| *timeline)).collect();
    for timeline in timelines {
        let TimelineId::App(id) = timeline else { continue };
        let events = world.timeline(timeline).await;
        assert!(events.is_sorted_by_key(|event| event.created_at));
        let state = world.app(id).await;
        assert_eq!(App::fold(&events), state);
        let state = state.unwrap();
        for member in (1..=4).map(|number| person(number).id) {
            let listed = world.store.list(Listing::AppsOf(member), 100).await.unwrap();
            let is_listed = listed.iter().any(|(key, _)| *key == RowKey::Member(member, id));
            assert_eq!(is_listed, state.members().contains(&member));
        }
        if state.deleted_at.is_none() {
            live_names.entry(state.name).or_insert_with(Vec::new).push(id);
        }
    }
    for (name, holders) in live_names {
        let Some(Row::AppWithName(holder)) = world.store.row(&RowKey::AppName(name)).await.unwrap() else {
            continue;
        };
        assert!(holders.contains(&holder));
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

#[tokio::test]
async fn after_any_history_states_are_what_timelines_fold_to() {
    let seed = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..8 {
        let mut world = World::new().await;
        let mut apps = Vec::new();
        for _ in 0..4 {
            for _ in 0..15 {
                do_something(&world, &mut random, &mut apps).await;
            }
            check_states(&world).await;
            world = world.reopen().await;
            check_states(&world).await;
        }
    }
}

#[tokio::test]
async fn concurrent_actions_chain_without_a_gap() {
    let world = World::new().await;
    let app = new_app(&world, "my-app").await.app.id;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..64_u32 {
        let recorder = world.recorder();
        let clock = world.clock.clone();
        tasks.spawn(async move {
            clock.advance(3);
            let containers = vec![ScaledType {
                name: format!("type-{}", number % 7),
                amount: i64::from(number % 10),
                size: None,
            }];
            recorder.act(request(1), app, Scale { containers }).await.unwrap();
        });
    }
    tasks.join_all().await;
    let events = world.timeline(TimelineId::App(app)).await;
    let mut formation = std::collections::BTreeMap::new();
    for event in &events[1..] {
        let annals_model::TypeData::AppOperations(annals_model::catalogue::AppOperations::Scale(scale)) =
            &event.data
        else {
            panic!("{event:?}");
        };
        assert_eq!(scale.previous_containers, formation);
        formation.clone_from(&scale.containers);
    }
    assert!(events.is_sorted_by_key(|event| (event.created_at, event.id)));
    check_states(&world).await;
}

#[tokio::test]
async fn a_report_changes_what_the_next_action_finds() {
    let world = World::new().await;
    let app = new_app(&world, "my-app").await.app.id;
    let scaled = json!({
        "user": person(1), "app_id": app, "app_name": "my-app", "type": "scale",
        "type_data": {"previous_containers": {}, "containers": {"web": 3}},
    });
    assert_eq!(world.recorder().report(vec![report(&scaled)], None).await.unwrap(), 1);
    let containers = vec![ScaledType { name: "web".to_owned(), amount: 4, size: None }];
    world.recorder().act(request(1), app, Scale { containers }).await.unwrap();
    let last = world.timeline(TimelineId::App(app)).await.pop().unwrap();
    assert_eq!(last.data.sentence(), "scaled web 3 → 4");
}

#[tokio::test]
async fn reports_register_apps_and_users_and_a_name_stays_with_its_first_holder() {
    let world = World::new().await;
    let id = |number: u8| AppId::from_bytes([number; 12]);
    let seen = |app: u8, event_type: &str, name: &str| {
        report(&json!({"user": person(2), "app_id": id(app), "app_name": name, "type": event_type}))
    };
    world
        .recorder()
        .report(vec![seen(7, "new_app", "seen-app"), seen(8, "restart", "seen-app")], None)
        .await
        .unwrap();
    let (owned, unowned) = (world.app(id(7)).await.unwrap(), world.app(id(8)).await.unwrap());
    assert_eq!((owned.owner, unowned.owner), (Some(person(2)), None));
    assert_eq!(world.account(person(2).id).await.unwrap().person, person(2));
    let holder = |name: &str| {
        let (store, key) = (Arc::clone(&world.store), RowKey::AppName(name.to_owned()));
        async move { store.row(&key).await.unwrap() }
    };
    assert_eq!(holder("seen-app").await, Some(Row::AppWithName(id(7))));
    // A renaming that nobody reported shows in the next event.
    world.recorder().report(vec![seen(7, "restart", "other-app")], None).await.unwrap();
    assert_eq!(holder("other-app").await, Some(Row::AppWithName(id(7))));
    assert_eq!(holder("seen-app").await, None);
    let action = CreateApp { name: "other-app".to_owned(), ..CreateApp::default() };
    assert_eq!(field_of(world.recorder().create_app(request(1), action).await.unwrap_err()), "name");
}

#[tokio::test]
async fn reports_are_all_or_nothing_and_the_refusal_names_the_index() {
    let world = World::new().await;
    let app = new_app(&world, "my-app").await.app.id;
    let base = json!({"user": person(1), "app_id": app, "app_name": "my-app", "type": "restart"});
    let with = |more: serde_json::Value| {
        let mut value = base.clone();
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        report(&value)
    };
    let now = world.clock.now();
    let id = "6905bc8073636100011a0003";
    world.recorder().report(vec![with(json!({"id": id, "created_at": now}))], None).await.unwrap();
    let before = world.timeline(TimelineId::App(app)).await;
    for (second, field) in [
        (json!({"created_at": now.minus_millis(1)}), "events[1].created_at"),
        (json!({"created_at": now.plus_millis(60 * 60 * 1000 + 1)}), "events[1].created_at"),
        (json!({ "id": id }), "events[1].id"),
        (json!({"id": before[0].id}), "events[1].id"),
    ] {
        let refused = world.recorder().report(vec![with(json!({})), with(second)], None).await.unwrap_err();
        assert_eq!(field_of(refused), field);
    }
    let twice = json!({"id": "6905bc8073636100011a0009"});
    let refused = world.recorder().report(vec![with(twice.clone()), with(twice)], None).await.unwrap_err();
    assert_eq!(field_of(refused), "events[1].id");
    assert_eq!(world.timeline(TimelineId::App(app)).await, before);
}

#[tokio::test]
async fn a_repeat_with_its_key_gets_the_same_answer_and_records_nothing_also_after_reopening() {
    let mut world = World::new().await;
    let app = new_app(&world, "my-app").await.app.id;
    let restart =
        || report(&json!({"user": person(1), "app_id": app, "app_name": "my-app", "type": "restart"}));
    let idempotency = |key: &str, fingerprint: &str| {
        Some(Idempotency { key: key.to_owned(), fingerprint: fingerprint.to_owned() })
    };
    for _ in 0..2 {
        for _ in 0..2 {
            let answer =
                world.recorder().report(vec![restart(), restart()], idempotency("k", "f")).await.unwrap();
            assert_eq!(answer, 2);
            let other = world.recorder().report(vec![restart()], idempotency("k", "g")).await.unwrap_err();
            assert!(matches!(other, CommitError::Rejected(Rejection::Conflict(_))));
        }
        world = world.reopen().await;
    }
    assert_eq!(world.timeline(TimelineId::App(app)).await.len(), 3);

    let scale =
        |amount| Scale { containers: vec![ScaledType { name: "web".to_owned(), amount, size: None }] };
    let with_key = || Request { idempotency: idempotency("k", "scale"), ..request(1) };
    let first = world.recorder().act(with_key(), app, scale(1)).await.unwrap();
    world.recorder().act(request(1), app, scale(2)).await.unwrap();
    let repeated = world.recorder().act(with_key(), app, scale(1)).await.unwrap();
    assert_eq!(first.recorded, repeated.recorded, "a user's key is not the operator's");
    assert_eq!(repeated.app.formation["web"].amount, 2, "what is kept is what was recorded, not the app");
    assert_eq!(world.timeline(TimelineId::App(app)).await.len(), 5);

    // After a day the key is free again, and what was kept of it goes; not what it was used for since.
    assert_eq!(world.recorder().forget_expired_answers().await.unwrap(), 0);
    world.clock.advance(24 * 60 * 60 * 1000);
    world.recorder().report(vec![restart()], idempotency("k", "g")).await.unwrap();
    assert_eq!(world.timeline(TimelineId::App(app)).await.len(), 6);
    assert_eq!(world.recorder().forget_expired_answers().await.unwrap(), 2, "the operator's and the user's");
    assert_eq!(world.recorder().forget_expired_answers().await.unwrap(), 0);
    world.clock.advance(1000);
    world.recorder().report(vec![restart()], idempotency("k", "g")).await.unwrap();
    assert_eq!(world.timeline(TimelineId::App(app)).await.len(), 6);
    world.clock.advance(24 * 60 * 60 * 1000);
    assert_eq!(world.recorder().forget_expired_answers().await.unwrap(), 1);
}

#[tokio::test]
async fn a_refused_action_and_a_dry_run_change_nothing() {
    let world = World::new().await;
    let app = new_app(&world, "my-app").await.app.id;
    new_app(&world, "taken-app").await;
    let before = (world.timeline(TimelineId::App(app)).await, world.app(app).await);
    let recorder = world.recorder();
    let rename =
        |current: &str, new: &str| RenameApp { current_name: current.to_owned(), new_name: new.to_owned() };
    assert_eq!(
        field_of(recorder.act(request(1), app, rename("wrong", "new-name")).await.unwrap_err()),
        "current_name"
    );
    assert_eq!(
        field_of(recorder.act(request(1), app, rename("my-app", "taken-app")).await.unwrap_err()),
        "name"
    );
    assert_eq!(
        field_of(recorder.act(request(1), app, rename("my-app", "my-app")).await.unwrap_err()),
        "name"
    );
    let stranger = recorder.act(request(2), app, rename("my-app", "new-name")).await.unwrap_err();
    assert!(matches!(stranger, CommitError::Rejected(Rejection::NotFound("app"))));
    let accepted = json!({
        "user": person(2), "app_id": app, "app_name": "my-app", "type": "accept_collaborator",
        "type_data": {"collaborator": {"id": person(2).id, "email": "u", "username": "u", "inviter": {"email": "e", "username": "u"}}},
    });
    recorder.report(vec![report(&accepted)], None).await.unwrap();
    let collaborator = recorder.act(request(2), app, rename("my-app", "new-name")).await.unwrap_err();
    assert!(
        matches!(collaborator, CommitError::Rejected(Rejection::Forbidden(text)) if text == "this needs the role of owner")
    );
    let dry = Request { dry_run: true, ..request(1) };
    let outcome = recorder
        .create_app(dry, CreateApp { name: "dry-app".to_owned(), ..CreateApp::default() })
        .await
        .unwrap();
    assert_eq!(outcome.app.name, "dry-app");
    assert_eq!(world.app(outcome.app.id).await, None);
    let after = world.timeline(TimelineId::App(app)).await;
    assert_eq!(after[..before.0.len()], before.0);
    assert_eq!(after.len(), before.0.len() + 1);
}

#[tokio::test]
async fn people_named_in_reports_can_be_registered_and_nobody_twice() {
    let world = World::new().await;
    let recorder = world.recorder();
    let app = AppId::from_bytes([7; 12]);
    let restart = json!({"user": person(1), "app_id": app, "app_name": "my-app", "type": "restart"});
    recorder.report(vec![report(&restart)], None).await.unwrap();
    let user = |id: Option<UserId>, number: u8| {
        let Person { username, email, .. } = person(number);
        NewUser { id, username, email, password_hash: None, signs_up: false }
    };
    let (account, issued) = recorder.register_user(user(None, 1), "secret-1".to_owned()).await.unwrap();
    assert_eq!(account.person, person(1), "the person that the report named");
    let again = recorder.register_user(user(None, 1), "secret-2".to_owned()).await.unwrap_err();
    assert_eq!(field_of(again), "email");
    let with_id =
        recorder.register_user(user(Some(person(1).id), 3), "secret-3".to_owned()).await.unwrap_err();
    assert_eq!(field_of(with_id), "id");
    let (other, _) =
        recorder.register_user(user(Some(person(2).id), 2), "secret-4".to_owned()).await.unwrap();
    assert_eq!(other.person, person(2));

    let id = issued.token.id;
    let renewed = recorder.renew_token(person(1).id, id, "secret-5".to_owned()).await.unwrap();
    assert_ne!(renewed.token.hash, issued.token.hash);
    recorder.token_used(person(1).id, &renewed.token).await.unwrap();
    let Some(Row::Token(used)) = world.store.row(&RowKey::Token(person(1).id, id)).await.unwrap() else {
        panic!()
    };
    assert_eq!(used.last_used_at, Some(world.clock.now()));
    recorder.revoke_token(person(1).id, id).await.unwrap();
    let gone = recorder.revoke_token(person(1).id, id).await.unwrap_err();
    assert!(matches!(gone, CommitError::Rejected(Rejection::NotFound("token"))));
    let nameless =
        recorder.create_token(person(1).id, String::new(), "secret-6".to_owned()).await.unwrap_err();
    assert_eq!(field_of(nameless), "name");
}

#[tokio::test]
async fn a_setting_keeps_its_first_value() {
    let world = World::new().await;
    assert_eq!(world.recorder().setting(Setting::SigningKey, "a".to_owned()).await.unwrap(), "a");
    let world = world.reopen().await;
    assert_eq!(world.recorder().setting(Setting::SigningKey, "b".to_owned()).await.unwrap(), "a");
}

#[tokio::test]
async fn a_state_is_rebuilt_from_any_number_and_size_of_events() {
    let mut world = World::new().await;
    let app = new_app(&world, "my-app").await.app.id;
    let values = |digit: &str| {
        (0..15)
            .map(|index| NewValue { name: format!("V{index}"), value: digit.repeat(32_000) })
            .collect::<Vec<_>>()
    };
    // Its event holds the values before and after, and is longer than any that may be reported.
    for digit in ["1", "\n"] {
        world.recorder().act(request(1), app, SetVariables(values(digit))).await.unwrap();
    }
    let run = json!({"user": person(1), "app_id": app, "app_name": "my-app", "type": "run", "type_data": {"command": "c"}});
    for _ in 0..5 {
        world.recorder().report(vec![report(&run); 50], None).await.unwrap();
    }
    for _ in 0..2 {
        check_states(&world).await;
        world = world.reopen().await;
    }
    let timeline = world.timeline(TimelineId::App(app)).await;
    assert!(timeline.iter().any(|event| event.to_json().len() > annals_model::report::EVENT_BYTES_MAX));
}

#[tokio::test]
async fn a_name_that_one_app_gives_up_another_takes_in_the_same_report() {
    let world = World::new().await;
    let id = |number: u8| AppId::from_bytes([number; 12]);
    let event = |app: u8, event_type: &str, name: &str, data: serde_json::Value| {
        report(
            &json!({"user": person(2), "app_id": id(app), "app_name": name, "type": event_type, "type_data": data}),
        )
    };
    world.recorder().report(vec![event(1, "new_app", "wanted-name", json!({}))], None).await.unwrap();
    let renamed = |old: &str, new: &str| json!({"old_name": old, "new_name": new});
    let swap = vec![
        event(2, "new_app", "other-name", json!({})),
        event(1, "rename_app", "third-name", renamed("wanted-name", "third-name")),
        event(2, "rename_app", "wanted-name", renamed("other-name", "wanted-name")),
    ];
    world.recorder().report(swap, None).await.unwrap();
    for (name, holder) in [("wanted-name", Some(2)), ("third-name", Some(1)), ("other-name", None)] {
        let found = world.store.row(&RowKey::AppName(name.to_owned())).await.unwrap();
        assert_eq!(found, holder.map(|number| Row::AppWithName(id(number))), "{name}");
    }
}

#[tokio::test]
async fn an_address_is_the_same_however_it_is_spelled() {
    let world = World::new().await;
    let spelled = |email: &str| {
        let user = json!({"username": "user-1", "email": email, "id": person(1).id});
        report(&json!({"user": user, "type": "login_success"}))
    };
    for email in ["User-1@Example.com", "user-1@example.com"] {
        world.recorder().report(vec![spelled(email)], None).await.unwrap();
        let holder = world.store.row(&RowKey::email("USER-1@example.com")).await.unwrap();
        assert_eq!(holder, Some(Row::UserWithName(person(1).id)), "{email}");
    }
}
