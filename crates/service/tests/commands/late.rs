//! Events that are recorded later than others that happened after them.

use std::sync::Arc;
use std::time::Duration;

use annals_model::app::{NewValue, SetVariable};
use annals_model::{App, AppId, Event, Report, Time};
use annals_service::{AppReference, Clock as _, Credential, Service, Visibility};
use annals_store::{LateBlock, TimelineId};
use annals_testing::{START, app, events_since, person, report};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::world::{World, check_states, new_app, request};

/// Returns a report that a user restarted an app then.
fn restarted(actor: u8, app: AppId, at: Time) -> Report {
    report(&json!({
        "created_at": at, "user": person(actor), "app_id": app, "app_name": "some-app", "type": "restart",
        "type_data": {},
    }))
}

/// Returns a report that a user set a variable then.
fn variable_set(actor: u8, app: AppId, name: &str, value: &str, at: Time) -> Report {
    report(&json!({
        "created_at": at, "user": person(actor), "app_id": app, "app_name": "some-app", "type": "edit_variables",
        "type_data": {"new_vars": [{"name": name, "value": value}], "updated_vars": [], "deleted_vars": []},
    }))
}

async fn set_variable(service: &Service, actor: u8, app: AppId, value: &str) {
    let value = NewValue { name: "A".to_owned(), value: value.to_owned() };
    service.act(request(actor), app, SetVariable(value)).await.unwrap();
}

/// Returns the public state of an app at a time, or now, as the operator sees it, and the number of events in it.
async fn state(service: &Service, app: AppId, at: Option<Time>) -> (Value, u64) {
    let id = app.to_string();
    let access = service.authorize(&Credential::Operator, AppReference::App(&id)).await.unwrap();
    let found = match at {
        Some(at) => service.state_at(&access, at).await.unwrap(),
        None => service.state_now(&access),
    };
    (found.state, found.point.position)
}

#[tokio::test]
async fn a_report_may_be_behind_another_act_of_the_same_user() {
    let world = World::new().await;
    let service = world.service().await;
    service.report(vec![restarted(1, app(7), START)], None).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    new_app(&world, "my-app").await;
    let late = world.clock.now().minus_millis(200);
    let batch = vec![restarted(2, app(9), late), restarted(1, app(7), late)];
    assert_eq!(service.report(batch, None).await.unwrap(), 2);
    let timeline = world.timeline(TimelineId::User(person(1).id)).await;
    assert_eq!(timeline.last().unwrap().created_at, late);
    check_states(&world).await;
}

#[tokio::test]
async fn a_report_ahead_of_the_clock_moves_no_act_into_the_future() {
    let world = World::new().await;
    let service = world.service().await;
    let (va, vb) = (new_app(&world, "va-app").await.app.id, new_app(&world, "vb-app").await.app.id);
    let ahead = world.clock.now().plus_millis(30_000);
    service.report(vec![restarted(1, va, ahead)], None).await.unwrap();
    set_variable(&service, 1, vb, "1").await;
    let now = world.clock.now();
    assert_eq!(world.timeline(TimelineId::App(vb)).await.last().unwrap().created_at, now);
    assert_eq!(state(&service, vb, None).await.0["variables"]["A"], "1");
    assert_eq!(state(&service, vb, Some(now)).await, state(&service, vb, None).await);
    service.report(vec![restarted(1, vb, now)], None).await.unwrap();
    check_states(&world).await;
}

#[tokio::test]
async fn after_the_clock_was_ahead_apps_act_and_show_their_state() {
    const TWO_DAYS: Duration = Duration::from_secs(2 * 24 * 60 * 60);
    let mut world = World::new().await;
    world.clock.advance(TWO_DAYS);
    let old = new_app(&world, "old-app").await.app.id;
    set_variable(&world.service().await, 1, old, "ahead").await;
    world = world.reopen_at(START.plus_millis(5000)).await;
    let service = world.service().await;
    let new = new_app(&world, "new-app").await.app.id;
    for app in [old, new] {
        set_variable(&service, 1, app, "right").await;
        let last = world.timeline(TimelineId::App(app)).await.pop().unwrap();
        assert_eq!(last.created_at, world.clock.now());
        assert_eq!(state(&service, app, None).await.0["variables"]["A"], "right");
    }
    let last = world.timeline(TimelineId::App(old)).await.pop().unwrap();
    let found = service.recorded_event(old, last.id).await.unwrap();
    assert_eq!(found, Some(last), "an act that is late is found by its identifier");
    check_states(&world).await;
}

/// The naive fold: every event up to a time, in the order of recording.
fn naive_state(events: &[Event], at: Time) -> (Value, u64) {
    let mut state: Option<Arc<App>> = None;
    let mut count = 0;
    for event in events.iter().filter(|event| event.created_at <= at) {
        let app = event.app.as_ref().unwrap();
        let state = state.get_or_insert_with(|| Arc::new(App::first_seen(app, event.created_at)));
        App::apply(state, event);
        count += 1;
    }
    (state.map_or(Value::Null, |state| Visibility::ALL.state(&state)), count)
}

/// Compares states and spans at random times with what all events say.
async fn check_times(world: &World, service: &Service, app: AppId, random: &mut StdRng) {
    let events = world.timeline(TimelineId::App(app)).await;
    let earliest = events.iter().map(|event| event.created_at).min().unwrap().as_millis();
    let latest = events.iter().map(|event| event.created_at).max().unwrap().as_millis();
    for _ in 0..12 {
        let time = match random.random_range(0..3) {
            0 => events[random.random_range(0..events.len())].created_at,
            _ => Time::from_millis(random.random_range(earliest - 2..=latest + 2)),
        };
        assert_eq!(state(service, app, Some(time)).await, naive_state(&events, time), "at {time}");
        let bytes_max = [1, 500, 20_000][random.random_range(0..3)];
        let since = events_since(service, TimelineId::App(app), time, bytes_max).await;
        let expected = events.iter().rev().filter(|event| event.created_at >= time);
        assert!(since.iter().eq(expected), "since {time}");
    }
    assert_eq!(state(service, app, None).await, naive_state(&events, Time::MAX));
}

#[tokio::test]
async fn random_histories_with_late_reports_are_exact_at_every_time() {
    let seed = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..3 {
        let mut world = World::new().await;
        world.clock.advance(Duration::from_secs(100));
        let app = new_app(&world, "my-app").await.app.id;
        for _ in 0..8 {
            let service = world.service().await;
            let lateness = [0, 10, 3000, 90_000][random.random_range(0..4)];
            let late_of_ten = [1, 5, 10][random.random_range(0..3)];
            let reports = (0..random.random_range(1..900)).map(|number| {
                world.clock.advance(Duration::from_millis(random.random_range(0..4)));
                let is_late = random.random_range(0..10) < late_of_ten;
                let late = if is_late { random.random_range(0..=lateness) } else { 0 };
                let at = world.clock.now().minus_millis(late);
                variable_set(1, app, ["A", "B", "C"][number % 3], &number.to_string(), at)
            });
            let reports = reports.collect();
            service.report(reports, None).await.unwrap();
            set_variable(&service, 1, app, "live").await;
            check_times(&world, &service, app, &mut random).await;
            // Once more, from the states that are cached now.
            check_times(&world, &service, app, &mut random).await;
        }
        check_states(&world).await;
        world = world.reopen().await;
        check_times(&world, &world.service().await, app, &mut random).await;
    }
}

#[tokio::test]
async fn an_imported_history_of_ten_years_reads_little_of_itself_for_an_hour() {
    const YEAR_MILLIS: u64 = 365 * 24 * 60 * 60 * 1000;
    const EVENTS: u64 = 20 * LateBlock::EVENTS;
    let world = World::new().await;
    let service = world.service().await;
    let app = new_app(&world, "my-app").await.app.id;
    set_variable(&service, 1, app, "live").await;
    let began = world.clock.now().minus_millis(10 * YEAR_MILLIS);
    for first in (0..EVENTS).step_by(5000) {
        let part = first..(first + 5000).min(EVENTS);
        let at = |number: u64| began.plus_millis(number * 10 * YEAR_MILLIS / EVENTS);
        let reports = part.map(|number| variable_set(1, app, "OLD", &number.to_string(), at(number)));
        service.report(reports.collect(), None).await.unwrap();
    }
    let events = world.timeline(TimelineId::App(app)).await;
    let five_years_ago = began.plus_millis(5 * YEAR_MILLIS);
    assert_eq!(state(&service, app, Some(five_years_ago)).await, naive_state(&events, five_years_ago));

    let timeline = TimelineId::App(app);
    let (head, hour_ago) = (service.head(timeline).await.unwrap(), world.clock.now().minus_millis(3_600_000));
    let live: Vec<_> = events.iter().rev().filter(|event| event.created_at >= hour_ago).collect();
    assert!(events_since(&service, timeline, hour_ago, usize::MAX).await.iter().eq(live.iter().copied()));
    let span = service.since(timeline, head, hour_ago).await.unwrap();
    assert!(span.positions() <= 2 * LateBlock::EVENTS, "{} positions are to be read", span.positions());
}
