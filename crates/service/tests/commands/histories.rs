//! Random, concurrent and long histories.

use std::collections::BTreeMap;
use std::time::Duration;

use annals_model::app::{
    ChangeRole, CreateApp, DeleteApp, DeleteVariables, EditApp, NewValue, RenameApp, Scale, ScaledType,
    SetVariable, SetVariables, variable_id,
};
use annals_model::catalogue::AppOperations;
use annals_model::{AppId, Report, TypeData};
use annals_service::{Error, Outcome};
use annals_store::TimelineId;
use annals_testing::{EXAMPLES, app, person, report};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use super::world::{World, check_states, new_app, request};

/// Does something that users or a platform may do, sensible or not.
async fn do_something(world: &World, random: &mut StdRng, apps: &mut Vec<AppId>) {
    let service = world.service().await;
    world.clock.advance(Duration::from_millis(random.random_range(0..50)));
    let actor = random.random_range(1..=3);
    let names = ["first-app", "second-app", "third-app", "bad--name"];
    let name = names[random.random_range(0..names.len())].to_owned();
    let picked = apps.get(random.random_range(0..=apps.len())).copied();
    let id = picked.unwrap_or(app(random.random_range(0..3)));
    let current_name = world.app(id).await.map_or_else(|| name.clone(), |app| app.name);
    let value = |random: &mut StdRng| NewValue {
        name: ["A", "B", "C"][random.random_range(0..3)].to_owned(),
        value: ["1", "2", ""][random.random_range(0..3)].to_owned(),
    };
    let done = match random.random_range(0..12) {
        0 => done(service.create_app(request(actor), CreateApp { name, ..CreateApp::default() }).await),
        1 => done(service.act(request(actor), id, RenameApp { current_name, new_name: name }).await),
        2 if random.random_range(0..3) == 0 => {
            done(service.act(request(actor), id, DeleteApp { current_name: Some(current_name) }).await)
        }
        3 => {
            let containers = vec![ScaledType {
                name: "web".to_owned(),
                amount: random.random_range(-1..=11),
                size: random.random::<bool>().then(|| "L".to_owned()),
            }];
            done(service.act(request(actor), id, Scale { containers }).await)
        }
        4 => done(service.act(request(actor), id, SetVariable(value(random))).await),
        5 => done(service.act(request(actor), id, SetVariables(vec![value(random), value(random)])).await),
        6 => done(service.act(request(actor), id, DeleteVariables(vec![variable_id(id, "A")])).await),
        7 => {
            let force_https = Some(random.random());
            done(service.act(request(actor), id, EditApp { force_https, ..EditApp::default() }).await)
        }
        8 => {
            let app = world.app(id).await;
            let collaborator = app.as_ref().and_then(|app| Some(app.collaborators.values().next()?.id(id)));
            let Some(collaborator) = collaborator else { return };
            let action = ChangeRole { id: collaborator, is_limited: random.random() };
            done(service.act(request(actor), id, action).await)
        }
        _ => {
            let examples: Vec<_> = EXAMPLES.lines().collect();
            let reports = (0..random.random_range(1..100)).map(|_| {
                let mut report = Report::parse(examples[random.random_range(0..examples.len())]).unwrap();
                (report.id, report.created_at) = (None, None);
                report.user = report.user.map(|_| person(random.random_range(1..=4)));
                if let Some(app) = &mut report.app {
                    app.id = id;
                    app.name.clone_from(&current_name);
                }
                report
            });
            let reports = reports.collect();
            service.report(reports, None).await.unwrap();
            return;
        }
    };
    if let Some(app) = done
        && !apps.contains(&app)
    {
        apps.push(app);
    }
}

/// Returns the app of an action, or `None` if the rules refused it.
fn done<C>(outcome: Result<Outcome<C>, Error>) -> Option<AppId> {
    match outcome {
        Ok(outcome) => Some(outcome.app.id),
        Err(Error::Rejected(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn after_a_random_history_every_state_equals_its_folded_timeline() {
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

/// Reopens the store, and checks that all states are as they were.
async fn reopen_unchanged(world: World, apps: &[AppId]) -> World {
    let ids: Vec<_> = (0..3).map(app).chain(apps.iter().copied()).collect();
    let states = async |world: &World| {
        let (mut apps, mut accounts) = (Vec::new(), Vec::new());
        for id in &ids {
            apps.push(world.app(*id).await);
        }
        for number in 1..=4 {
            accounts.push(world.account(person(number).id).await);
        }
        (apps, accounts)
    };
    let before = states(&world).await;
    let world = world.reopen().await;
    assert_eq!(states(&world).await, before);
    world
}

#[tokio::test]
async fn after_a_random_history_of_the_contract_only_every_state_survives_a_restart() {
    let seed = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..8 {
        let mut world = World::contract_only().await;
        let mut apps = Vec::new();
        for _ in 0..8 {
            for _ in 0..random.random_range(1..15) {
                do_something(&world, &mut random, &mut apps).await;
            }
            check_states(&world).await;
            world = reopen_unchanged(world, &apps).await;
            check_states(&world).await;
        }
    }
}

#[tokio::test]
async fn each_of_many_concurrent_actions_starts_from_the_state_before_it() {
    let world = World::new().await;
    let app = new_app(&world, "my-app").await.app.id;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..64_u32 {
        let service = world.service().await;
        let clock = world.clock.clone();
        tasks.spawn(async move {
            clock.advance(Duration::from_millis(3));
            let containers = vec![ScaledType {
                name: format!("type-{}", number % 7),
                amount: i64::from(number % 10),
                size: None,
            }];
            service.act(request(1), app, Scale { containers }).await.unwrap();
        });
    }
    tasks.join_all().await;
    let events = world.timeline(TimelineId::App(app)).await;
    let mut formation = BTreeMap::new();
    for event in &events[1..] {
        let TypeData::AppOperations(AppOperations::Scale(scale)) = &event.data else {
            panic!("{event:?}");
        };
        assert_eq!(scale.previous_containers, formation);
        formation.clone_from(&scale.containers);
    }
    assert!(events.is_sorted_by_key(|event| event.created_at));
    check_states(&world).await;
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
    // The event holds the values before and after, so it is longer than a report may be.
    for digit in ["1", "\n"] {
        world.service().await.act(request(1), app, SetVariables(values(digit))).await.unwrap();
    }
    let run = json!({"user": person(1), "app_id": app, "app_name": "my-app", "type": "run", "type_data": {"command": "c"}});
    for _ in 0..5 {
        world.service().await.report(vec![report(&run); 50], None).await.unwrap();
    }
    for _ in 0..2 {
        check_states(&world).await;
        world = world.reopen().await;
    }
    let timeline = world.timeline(TimelineId::App(app)).await;
    assert!(timeline.iter().any(|event| event.to_json().len() > annals_model::report::EVENT_BYTES_MAX));
}
