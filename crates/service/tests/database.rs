//! Services that share a database with each other and with readers that use SQL.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use annals_model::app::{CreateApp, Scale, ScaledType};
use annals_model::catalogue::AppOperations;
use annals_model::{App, AppRef, Person, Rejection, Report, TypeData};
use annals_service::{Error, NewUser, Request, Service};
use annals_store::{Portable, Store, TimelineId};
use annals_testing::{NamesByEvents, TestDatabase, app, report, serve, timeline, user};
use serde_json::json;

/// Reports that many events of forty apps. Each event changes its app's state.
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
    events.map(|event| report(&event)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_process_reads_current_states_although_large_reports_rarely_write_them() {
    let database = TestDatabase::create().await;
    let stores = [database.open().await, database.open().await];
    let services = [serve(stores[0].clone()).await, serve(stores[1].clone()).await];
    let client = database.connect().await;
    let lag = async || -> i64 {
        let text = "SELECT max(length - position) FROM apps JOIN timelines ON timeline = id";
        client.query_one(text, &[]).await.unwrap().get(0)
    };
    let mut lagged = 0;
    for turn in 0..12 {
        // Large reports write states only now and then. The processes take turns with the same apps.
        services[usize::from(turn % 3 == 0)].report(scaling(turn, 270), None).await.unwrap();
        services[0].report(scaling(turn, 257 + turn), None).await.unwrap();
        lagged = lagged.max(lag().await);
        for number in [1, 17, 40] {
            let app = app(number);
            let events = timeline(&*stores[0], TimelineId::App(app)).await;
            let folded = App::fold(&events).unwrap();
            let fresh = database.open().await;
            for store in [&stores[0], &stores[1], &fresh] {
                let (state, head) = store.app(app).await.unwrap().unwrap();
                assert_eq!((&*state, head.length), (&folded, events.len() as u64));
            }
        }
    }
    assert!((1..16).contains(&lagged), "some are behind, none far: {lagged}");
    let rows = stores[0].rows(None, 1000).await.unwrap();
    for (key, row) in rows {
        assert_eq!(stores[1].row(&key).await.unwrap(), Some(row), "{key:?}");
    }
    services[1].report(scaling(99, 40), None).await.unwrap();
    assert_eq!(lag().await, 0, "after a small report, the states in SQL are current");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_action_of_several_processes_starts_from_the_state_before_it() {
    let database = TestDatabase::create().await;
    let person = Person { username: "jane".to_owned(), email: "jane@example.com".to_owned(), id: user(1) };
    let about = |event_type: &str, index: u8| {
        json!({"user": person, "app_id": app(1 + index % 40), "app_name": format!("my-app-{}", index % 40),
               "type": event_type, "type_data": if event_type == "new_app" { json!({"git_source": null}) } else { json!({}) }})
    };
    let reports = |event_type: &str, count: u16| -> Vec<_> {
        let events = (0..count).map(|index| about(event_type, (index % 40) as u8));
        events.map(|event| report(&event)).collect()
    };
    let mut services = Vec::new();
    for _ in 0..3 {
        services.push(serve(database.open().await).await);
    }
    services[0].report(reports("new_app", 40), None).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for (process, service) in services.iter().enumerate() {
        for task in 0..4 {
            let (service, person) = (service.clone(), person.clone());
            tasks.spawn(async move {
                for turn in 0..20_u8 {
                    let name = format!("type-{process}-{task}");
                    let containers = vec![ScaledType { name, amount: 1 + i64::from(turn % 9), size: None }];
                    let request = Request { actor: Some(person.clone()), ..Request::default() };
                    service.act(request, app(1 + turn % 2), Scale { containers }).await.unwrap();
                }
            });
        }
        let (service, large) = (service.clone(), reports("restart", 300));
        tasks.spawn(async move {
            for _ in 0..8 {
                service.report(large.clone(), None).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let store = database.open().await;
    for number in [1, 2] {
        let (mut formation, mut scales) = (BTreeMap::new(), 0);
        for event in timeline(&*store, TimelineId::App(app(number))).await {
            if let TypeData::AppOperations(AppOperations::Scale(scale)) = event.data {
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
async fn only_one_of_two_processes_gives_out_a_name() {
    let database = TestDatabase::create().await;
    let services = [serve(database.open().await).await, serve(database.open().await).await];
    let jane = NewUser {
        id: None,
        username: "jane".to_owned(),
        email: "jane@example.com".to_owned(),
        password: None,
        signs_up: false,
    };
    let registered =
        tokio::join!(services[0].register_user(jane.clone(), None), services[1].register_user(jane, None),);
    let accounts: Vec<_> = [registered.0, registered.1].into_iter().flatten().collect();
    assert_eq!(accounts.len(), 1, "an address and a username belong to one user");
    let person: Person = accounts[0].0.person.clone();
    for round in 0..10 {
        let create = |service: &Service| {
            let request = Request { actor: Some(person.clone()), ..Request::default() };
            let action = CreateApp { name: format!("my-app-{round}"), ..CreateApp::default() };
            let service = service.clone();
            tokio::spawn(async move { service.create_app(request, action).await })
        };
        let (first, second) = tokio::join!(create(&services[0]), create(&services[1]));
        let outcomes = [first.unwrap(), second.unwrap()];
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        let refused = outcomes.into_iter().find_map(Result::err).unwrap();
        assert!(matches!(refused, Error::Rejected(Rejection::Invalid(_))), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_give_and_free_one_name_at_the_same_time_agree_who_has_it() {
    let database = TestDatabase::create().await;
    let mut services = Vec::new();
    for _ in 0..2 {
        services.push(serve(database.open().await).await);
    }
    let person = Person { username: "jane".to_owned(), email: "jane@example.com".to_owned(), id: user(1) };
    for round in 0..10_u8 {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 1..=6_u8 {
            let service = services[usize::from(number % 2)].clone();
            let events = (0..4_u8).map(|turn| {
                let event_type = ["new_app", "restart", "delete_app"][usize::from((number + turn + round) % 3)];
                let name = ["some-name", "other-name"][usize::from((number * turn + round) % 5 / 4)];
                json!({
                    "user": person, "app_id": app(number), "app_name": name, "type": event_type, "type_data": {},
                })
            });
            let events: Vec<_> = events.collect();
            tasks.spawn(async move {
                for event in events {
                    service.report(vec![report(&event)], None).await.unwrap();
                }
            });
        }
        tasks.join_all().await;
        let store = database.open().await;
        NamesByEvents::of(&*store).await.check_rows(&*store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apps_events_and_accounts_can_be_queried_in_sql() {
    let database = TestDatabase::create().await;
    let service = serve(database.open().await).await;
    let person = json!({"username": "jane", "email": "jane@example.com", "id": user(1)});
    let app = AppRef { id: app(1), name: "my-app".to_owned() };
    let created = json!({
        "user": person, "app_id": app.id, "app_name": app.name, "type": "new_app", "type_data": {"git_source": null}
    });
    service.report(vec![report(&created)], None).await.unwrap();
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
