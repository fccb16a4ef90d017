//! Repeated, refused and dry requests, and the registration of users.

use std::time::Duration;

use annals_model::app::{CreateApp, RenameApp, Scale, ScaledType};
use annals_model::{Person, Rejection, UserId};
use annals_service::{Clock as _, Error, Idempotency, NewUser, Request};
use annals_store::TimelineId;
use annals_testing::{app, person, report};
use serde_json::json;

use super::world::{World, field_of, new_app, request};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn a_repeat_with_the_same_key_gets_the_first_response_and_records_nothing() {
    let mut world = World::new().await;
    let app = new_app(&world, "my-app").await.app.id;
    let restart =
        || report(&json!({"user": person(1), "app_id": app, "app_name": "my-app", "type": "restart"}));
    let idempotency = |key: &str, fingerprint: &str| {
        Some(Idempotency { key: key.to_owned(), fingerprint: fingerprint.to_owned() })
    };
    for _ in 0..2 {
        for _ in 0..2 {
            let answer = world
                .service()
                .await
                .report(vec![restart(), restart()], idempotency("k", "f"))
                .await
                .unwrap();
            assert_eq!(answer, 2);
            let other =
                world.service().await.report(vec![restart()], idempotency("k", "g")).await.unwrap_err();
            assert!(matches!(other, Error::Rejected(Rejection::Conflict(_))));
        }
        world = world.reopen().await;
    }
    assert_eq!(world.timeline(TimelineId::App(app)).await.len(), 3);

    let scale =
        |amount| Scale { containers: vec![ScaledType { name: "web".to_owned(), amount, size: None }] };
    let with_key = || Request { idempotency: idempotency("k", "scale"), ..request(1) };
    let first = world.service().await.act(with_key(), app, scale(1)).await.unwrap();
    world.service().await.act(request(1), app, scale(2)).await.unwrap();
    let repeated = world.service().await.act(with_key(), app, scale(1)).await.unwrap();
    assert_eq!(first.recorded, repeated.recorded, "a user's key and the operator's are different keys");
    assert_eq!(repeated.app.formation["web"].amount, 1, "the app is as it was then");
    assert_eq!(world.timeline(TimelineId::App(app)).await.len(), 5);

    // A key expires after a day: its stored response is removed, but not the response to a later use of the key.
    assert_eq!(world.service().await.forget_expired_answers().await.unwrap(), 0);
    world.clock.advance(DAY);
    world.service().await.report(vec![restart()], idempotency("k", "g")).await.unwrap();
    assert_eq!(world.timeline(TimelineId::App(app)).await.len(), 6);
    assert_eq!(
        world.service().await.forget_expired_answers().await.unwrap(),
        2,
        "one of the operator's and one of the user's"
    );
    assert_eq!(world.service().await.forget_expired_answers().await.unwrap(), 0);
    world.clock.advance(Duration::from_secs(1));
    world.service().await.report(vec![restart()], idempotency("k", "g")).await.unwrap();
    assert_eq!(world.timeline(TimelineId::App(app)).await.len(), 6);
    world.clock.advance(DAY);
    assert_eq!(world.service().await.forget_expired_answers().await.unwrap(), 1);
}

#[tokio::test]
async fn a_refused_action_and_a_dry_run_change_nothing() {
    let world = World::new().await;
    let app = new_app(&world, "my-app").await.app.id;
    new_app(&world, "taken-app").await;
    let before = (world.timeline(TimelineId::App(app)).await, world.app(app).await);
    let service = world.service().await;
    let rename =
        |current: &str, new: &str| RenameApp { current_name: current.to_owned(), new_name: new.to_owned() };
    assert_eq!(
        field_of(service.act(request(1), app, rename("wrong", "new-name")).await.unwrap_err()),
        "current_name"
    );
    assert_eq!(
        field_of(service.act(request(1), app, rename("my-app", "taken-app")).await.unwrap_err()),
        "name"
    );
    assert_eq!(field_of(service.act(request(1), app, rename("my-app", "my-app")).await.unwrap_err()), "name");
    let stranger = service.act(request(2), app, rename("my-app", "new-name")).await.unwrap_err();
    assert!(matches!(stranger, Error::Rejected(Rejection::NotFound("app"))));
    let accepted = json!({
        "user": person(2), "app_id": app, "app_name": "my-app", "type": "accept_collaborator",
        "type_data": {"collaborator": {"id": person(2).id, "email": "u", "username": "u", "inviter": {"email": "e", "username": "u"}}},
    });
    service.report(vec![report(&accepted)], None).await.unwrap();
    let collaborator = service.act(request(2), app, rename("my-app", "new-name")).await.unwrap_err();
    assert!(
        matches!(collaborator, Error::Rejected(Rejection::Forbidden(text)) if text == "this needs the role of owner")
    );
    let dry = Request { dry_run: true, ..request(1) };
    let outcome = service
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
async fn users_named_in_reports_can_be_registered_once() {
    let world = World::new().await;
    let service = world.service().await;
    let restart = json!({"user": person(1), "app_id": app(7), "app_name": "my-app", "type": "restart"});
    service.report(vec![report(&restart)], None).await.unwrap();
    let user = |id: Option<UserId>, number: u8| {
        let Person { username, email, .. } = person(number);
        NewUser { id, username, email, password: None, signs_up: false }
    };
    let (account, issued) = service.register_user(user(None, 1), None).await.unwrap();
    assert_eq!(account.person, person(1), "the user that the report named");
    let again = service.register_user(user(None, 1), None).await.unwrap_err();
    assert_eq!(field_of(again), "email");
    let with_id = service.register_user(user(Some(person(1).id), 3), None).await.unwrap_err();
    assert_eq!(field_of(with_id), "id");
    let (other, _) = service.register_user(user(Some(person(2).id), 2), None).await.unwrap();
    assert_eq!(other.person, person(2));

    let id = issued.token.id;
    let renewed = service.renew_token(person(1).id, id, None).await.unwrap();
    assert_ne!(renewed.token.hash, issued.token.hash);
    assert!(matches!(service.exchange(&issued.secret.unwrap()).await, Err(Error::InvalidCredentials)));
    service.exchange(&renewed.secret.unwrap()).await.unwrap();
    let tokens = service.tokens_of(person(1).id).await.unwrap();
    assert_eq!((tokens[0].id, tokens[0].last_used_at), (id, Some(world.clock.now())));
    service.revoke_token(person(1).id, id, None).await.unwrap();
    let gone = service.revoke_token(person(1).id, id, None).await.unwrap_err();
    assert!(matches!(gone, Error::Rejected(Rejection::NotFound("token"))));
    let nameless = service.create_token(person(1).id, String::new(), None).await.unwrap_err();
    assert_eq!(field_of(nameless), "name");
}
