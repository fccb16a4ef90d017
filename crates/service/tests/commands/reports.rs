//! Reports: what they change, which are refused, and which app gets a name.

use std::sync::Arc;

use annals_model::Report;
use annals_model::app::{CreateApp, Scale, ScaledType};
use annals_model::report::Location;
use annals_service::Clock as _;
use annals_store::{TimelineId, TypedRows as _, key};
use annals_testing::{app, person, report};
use serde_json::json;

use super::world::{World, field_of, new_app, request};

#[tokio::test]
async fn an_action_starts_from_the_state_that_a_report_left() {
    let world = World::new().await;
    let app = new_app(&world, "my-app").await.app.id;
    let scaled = json!({
        "user": person(1), "app_id": app, "app_name": "my-app", "type": "scale",
        "type_data": {"previous_containers": {}, "containers": {"web": 3}},
    });
    assert_eq!(world.service().await.report(vec![report(&scaled)], None).await.unwrap(), 1);
    let containers = vec![ScaledType { name: "web".to_owned(), amount: 4, size: None }];
    world.service().await.act(request(1), app, Scale { containers }).await.unwrap();
    let last = world.timeline(TimelineId::App(app)).await.pop().unwrap();
    assert_eq!(last.data.sentence(), "scaled web 3 → 4");
}

#[tokio::test]
async fn reports_register_apps_and_users_and_a_name_belongs_to_the_app_that_got_it_last() {
    let world = World::new().await;
    let seen = |number: u8, event_type: &str, name: &str| {
        report(&json!({"user": person(2), "app_id": app(number), "app_name": name, "type": event_type}))
    };
    world
        .service()
        .await
        .report(vec![seen(7, "new_app", "seen-app"), seen(8, "restart", "seen-app")], None)
        .await
        .unwrap();
    let (owned, unowned) = (world.app(app(7)).await.unwrap(), world.app(app(8)).await.unwrap());
    assert_eq!((owned.owner, unowned.owner), (Some(person(2)), None));
    assert_eq!(world.account(person(2).id).await.unwrap().person, person(2));
    let holder = |name: &str| {
        let (store, key) = (Arc::clone(&world.store), key::AppName(name.to_owned()));
        async move { store.get(key).await.unwrap() }
    };
    assert_eq!(holder("seen-app").await, Some(app(8)));
    // Nobody reported the renaming, but the next event has the new name.
    world.service().await.report(vec![seen(7, "restart", "other-app")], None).await.unwrap();
    assert_eq!(holder("other-app").await, Some(app(7)));
    assert_eq!(holder("seen-app").await, Some(app(8)));
    let action = CreateApp { name: "other-app".to_owned(), ..CreateApp::default() };
    assert_eq!(field_of(world.service().await.create_app(request(1), action).await.unwrap_err()), "name");
}

#[tokio::test]
async fn a_report_with_one_invalid_event_is_refused_whole_and_the_error_names_its_index() {
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
    world.service().await.report(vec![with(json!({"id": id, "created_at": now}))], None).await.unwrap();
    let before = world.timeline(TimelineId::App(app)).await;
    let second = |more| Report { location: Location::Item(1), ..with(more) };
    for (more, field) in [
        (json!({"created_at": now.plus_millis(5 * 60 * 1000 + 1)}), "events[1].created_at"),
        (json!({ "id": id }), "events[1].id"),
        (json!({"id": before[0].id}), "events[1].id"),
    ] {
        let refused =
            world.service().await.report(vec![with(json!({})), second(more)], None).await.unwrap_err();
        assert_eq!(field_of(refused), field);
    }
    let twice = json!({"id": "6905bc8073636100011a0009"});
    let refused =
        world.service().await.report(vec![with(twice.clone()), second(twice)], None).await.unwrap_err();
    assert_eq!(field_of(refused), "events[1].id");
    assert_eq!(world.timeline(TimelineId::App(app)).await, before);
}

#[tokio::test]
async fn one_report_can_move_a_name_from_one_app_to_another() {
    let world = World::new().await;
    let event = |number: u8, event_type: &str, name: &str, data: serde_json::Value| {
        report(
            &json!({"user": person(2), "app_id": app(number), "app_name": name, "type": event_type, "type_data": data}),
        )
    };
    world.service().await.report(vec![event(1, "new_app", "wanted-name", json!({}))], None).await.unwrap();
    let renamed = |old: &str, new: &str| json!({"old_name": old, "new_name": new});
    let swap = vec![
        event(2, "new_app", "other-name", json!({})),
        event(1, "rename_app", "third-name", renamed("wanted-name", "third-name")),
        event(2, "rename_app", "wanted-name", renamed("other-name", "wanted-name")),
    ];
    world.service().await.report(swap, None).await.unwrap();
    for (name, holder) in [("wanted-name", Some(2)), ("third-name", Some(1)), ("other-name", None)] {
        let found = world.store.get(key::AppName(name.to_owned())).await.unwrap();
        assert_eq!(found, holder.map(app), "{name}");
    }
}

#[tokio::test]
async fn email_addresses_ignore_case() {
    let world = World::new().await;
    let spelled = |email: &str| {
        let user = json!({"username": "user-1", "email": email, "id": person(1).id});
        report(&json!({"user": user, "type": "login_success"}))
    };
    for email in ["User-1@Example.com", "user-1@example.com"] {
        world.service().await.report(vec![spelled(email)], None).await.unwrap();
        let holder = world.store.get(key::Email::of("USER-1@example.com")).await.unwrap();
        assert_eq!(holder, Some(person(1).id), "{email}");
    }
}
