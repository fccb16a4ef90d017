//! `--contract-only`: states that events do not tell are kept like any other.

use annals_model::app::{ChangeRole, DeleteApp, EditApp, NewValue, SetVariable, collaborator_id};
use annals_model::catalogue::AppOperations;
use annals_model::{AppId, Person, Role, TypeData};
use annals_service::{Access, AppReference, NewUser};
use annals_store::TimelineId;
use annals_testing::{app, person, report};
use serde_json::json;

use super::world::{World, check_states, new_app, request};

/// Registers a user, and returns their token.
async fn register(world: &World, number: u8) -> String {
    let Person { username, email, id } = person(number);
    let user = NewUser { id: Some(id), username, email, password: None, signs_up: false };
    world.service().await.register_user(user, None).await.unwrap().1.secret.unwrap()
}

/// Returns what the holder of a token may do with an app; `None` if they cannot access it.
async fn access(world: &World, token: &str, id: AppId) -> Option<Access> {
    let service = world.service().await;
    let credential = service.authenticate(token, None).await.unwrap();
    service.authorize(&credential, AppReference::App(&id.to_string())).await.ok()
}

#[tokio::test]
async fn what_no_event_tells_survives_restarts() {
    let mut world = World::contract_only().await;
    let (owner, other) = (register(&world, 1).await, register(&world, 2).await);
    let kept = new_app(&world, "kept-app").await.app.id;
    let deleted = new_app(&world, "deleted-app").await.app.id;
    let service = world.service().await;
    let secret = NewValue { name: "SECRET".to_owned(), value: "s3cr3t".to_owned() };
    for id in [kept, deleted] {
        service.act(request(1), id, SetVariable(secret.clone())).await.unwrap();
        let collaborator = json!({
            "id": person(2).id, "email": person(2).email, "username": person(2).username,
            "inviter": {"email": person(1).email, "username": person(1).username},
        });
        let accepted = report(&json!({
            "user": person(2), "app_id": id, "app_name": world.app(id).await.unwrap().name,
            "type": "accept_collaborator", "type_data": {"collaborator": collaborator},
        }));
        service.report(vec![accepted], None).await.unwrap();
    }
    assert_eq!(access(&world, &other, kept).await.unwrap().role, Role::Collaborator);

    // None of these is recorded.
    let limit = ChangeRole { id: collaborator_id(kept, &person(2).email), is_limited: true };
    service.act(request(1), kept, limit).await.unwrap();
    let settings = EditApp { force_https: Some(true), ..EditApp::default() };
    service.act(request(1), kept, settings).await.unwrap();
    let delete = DeleteApp { current_name: Some("deleted-app".to_owned()) };
    service.delete_app(request(1), deleted, delete).await.unwrap();
    drop(service);
    assert_eq!(world.timeline(TimelineId::App(kept)).await.len(), 3);
    assert_eq!(world.timeline(TimelineId::App(deleted)).await.len(), 3);

    // Without further events, with a few, and with so many that the state is written again.
    for further in [0, 1, 3, 40] {
        let run = json!({"user": person(1), "app_id": kept, "app_name": "kept-app", "type": "run",
            "type_data": {"command": "c"}});
        world.service().await.report(vec![report(&run); further], None).await.unwrap();
        world = world.reopen().await;
        let limited = access(&world, &other, kept).await.unwrap();
        assert_eq!(limited.role, Role::LimitedCollaborator, "after {further} events");
        assert!(limited.app.force_https);
        let shown = world.service().await.state_now(&limited).state;
        assert_eq!((&shown["force_https"], &shown["variables"]["SECRET"]), (&json!(true), &json!(null)));
        assert!(access(&world, &other, deleted).await.is_none(), "after {further} events");
        assert!(access(&world, &owner, deleted).await.unwrap().live().is_err(), "after {further} events");
        check_states(&world).await;
    }
    let timeline = world.timeline(TimelineId::App(kept)).await;
    let is_run = |data: &TypeData| matches!(data, TypeData::AppOperations(AppOperations::Run(_)));
    assert!(timeline[3..].iter().all(|event| is_run(&event.data)));
    assert_eq!(timeline.len(), 3 + 44);
}

#[tokio::test]
async fn an_app_whose_only_event_is_not_recorded_survives_a_restart() {
    let mut world = World::contract_only().await;
    let edited = report(&json!({
        "user": person(1), "app_id": app(7), "app_name": "some-app", "type": "edit_app",
        "type_data": {"force_https": true},
    }));
    world.service().await.report(vec![edited], None).await.unwrap();
    for _ in 0..2 {
        assert!(world.timeline(TimelineId::App(app(7))).await.is_empty());
        assert!(world.app(app(7)).await.unwrap().force_https);
        world = world.reopen().await;
    }
    let scaled = report(&json!({
        "user": person(1), "app_id": app(7), "app_name": "some-app", "type": "scale",
        "type_data": {"previous_containers": {}, "containers": {"web": 1}},
    }));
    world.service().await.report(vec![scaled], None).await.unwrap();
    for _ in 0..2 {
        let state = world.app(app(7)).await.unwrap();
        assert!(state.force_https && state.formation.contains_key("web"));
        world = world.reopen().await;
    }
}
