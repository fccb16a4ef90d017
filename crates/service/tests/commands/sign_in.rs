//! Signing in, locked accounts, mailed tokens, and what a new password ends.

use std::time::Duration;

use annals_model::catalogue::Sessions;
use annals_model::limits::TOKENS_MAX;
use annals_model::{Person, Rejection, TypeData};
use annals_service::{Error, IssuedToken, NewUser, Request, RevokedTokens, Service, SignInOutcome};
use annals_store::TimelineId;
use annals_testing::person;

use super::world::{World, check_states};

const PASSWORD: &str = "correct horse battery";

async fn try_to_sign_in(world: &World, password: &str) -> SignInOutcome {
    let service = world.service().await;
    // Names differ by more than case.
    service.sign_in(None, "User-1", password.to_owned(), "laptop".to_owned(), None).await.unwrap()
}

async fn register(world: &World) -> IssuedToken {
    let Person { username, email, id } = person(1);
    let user =
        NewUser { id: Some(id), username, email, password: Some(PASSWORD.to_owned()), signs_up: false };
    world.service().await.register_user(user, None).await.unwrap().1
}

/// Returns the tokens after `name=` in the mails to the user, oldest first.
async fn mailed(service: &Service, name: &str) -> Vec<String> {
    let mails = service.waiting_mail(person(1).id).await.unwrap();
    let tokens =
        mails.iter().filter_map(|mail| mail.text.split_once(name)?.1.lines().next().map(str::to_owned));
    tokens.collect()
}

#[tokio::test]
async fn requests_of_others_neither_invalidate_a_mailed_token_nor_send_more_than_a_few() {
    let world = World::new().await;
    register(&world).await;
    let service = world.service().await;
    let email = person(1).email;
    for _ in 0..30 {
        world.clock.advance(Duration::from_secs(1));
        service.request_reset(Request::default(), &email).await.unwrap();
        service.request_unlock(Request::default(), &email).await.unwrap();
    }
    let resets = mailed(&service, "reset_password_token=").await;
    assert_eq!(resets.len(), 5);
    assert_eq!(mailed(&service, "unlock_token=").await.len(), 0, "the account is not locked");
    let queries = world.timeline(TimelineId::User(person(1).id)).await;
    assert_eq!(queries.len(), 5, "anybody can ask, so the timeline does not grow with that");
    for _ in 0..10 {
        try_to_sign_in(&world, "wrong password").await;
    }
    assert_eq!(mailed(&service, "unlock_token=").await.len(), 1, "the lock itself sends a mail");
    for _ in 0..30 {
        world.clock.advance(Duration::from_secs(1));
        service.request_unlock(Request::default(), &email).await.unwrap();
    }
    let unlocks = mailed(&service, "unlock_token=").await;
    assert_eq!(unlocks.len(), 5);
    service.unlock(Request::default(), unlocks[0].clone()).await.unwrap();
    for token in unlocks {
        service.unlock(Request::default(), token).await.unwrap_err();
    }
    // The first reset is as good as the last one, and only one of them is used.
    let reset = async |token: &String| {
        let password = "another long password".to_owned();
        service.reset_password(Request::default(), token.clone(), password, RevokedTokens::OfPassword).await
    };
    reset(&resets[0]).await.unwrap();
    for token in &resets {
        reset(token).await.unwrap_err();
    }
    // There is room for others once they expire.
    service.request_reset(Request::default(), &email).await.unwrap();
    world.clock.advance(Duration::from_secs(6 * 60 * 60));
    for _ in 0..5 {
        service.request_reset(Request::default(), &email).await.unwrap();
    }
    assert_eq!(service.account_private_state(person(1).id).await.unwrap().resets.len(), 5);
    check_states(&world).await;
}

#[tokio::test]
async fn a_new_password_ends_the_tokens_that_the_old_one_gave() {
    for (revoked, remaining) in
        [(RevokedTokens::OfPassword, &["by-hand", "default"][..]), (RevokedTokens::All, &[])]
    {
        let world = World::new().await;
        register(&world).await;
        let service = world.service().await;
        let id = person(1).id;
        let SignInOutcome::SignedIn(signed_in) = try_to_sign_in(&world, PASSWORD).await else {
            panic!("the password is right")
        };
        let by_hand = service.create_token(id, "by-hand".to_owned(), None).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
        service.request_reset(Request::default(), &person(1).email).await.unwrap();
        let token = mailed(&service, "reset_password_token=").await.pop().unwrap();
        let password = "another long password".to_owned();
        service.reset_password(Request::default(), token, password, revoked).await.unwrap();

        let mut names: Vec<_> =
            service.tokens_of(id).await.unwrap().iter().map(|token| token.name.clone()).collect();
        // They were issued within one millisecond.
        names.sort();
        assert_eq!(names, remaining);
        service.exchange(&signed_in.secret.unwrap()).await.unwrap_err();
        assert_eq!(
            service.exchange(&by_hand.secret.unwrap()).await.is_ok(),
            revoked == RevokedTokens::OfPassword
        );
        let deleted = world.timeline(TimelineId::User(id)).await;
        let deleted = deleted.iter().filter(|event| event.data.event_type().name == "delete_token").count();
        assert_eq!(deleted, 3 - remaining.len());
    }
}

#[tokio::test]
async fn the_limit_of_tokens_holds_for_requests_at_once() {
    let world = World::new().await;
    register(&world).await;
    let service = world.service().await;
    let id = person(1).id;
    let create = async |number: usize| service.create_token(id, format!("token-{number}"), None).await;
    for number in 0..TOKENS_MAX - 2 {
        create(number).await.unwrap();
    }
    let outcomes = futures_util::future::join_all((0..64).map(create)).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(matches!(try_to_sign_in_to(&service).await, Err(Error::Rejected(Rejection::Invalid(_)))));
    let listed = service.tokens_of(id).await.unwrap();
    assert_eq!(listed.len(), TOKENS_MAX);
    service.revoke_token(id, listed[0].id, None).await.unwrap();
    create(0).await.unwrap();
    create(1).await.unwrap_err();
}

async fn try_to_sign_in_to(service: &Service) -> Result<SignInOutcome, Error> {
    service.sign_in(None, "user-1", PASSWORD.to_owned(), "laptop".to_owned(), None).await
}

#[tokio::test]
async fn attempts_on_a_locked_account_are_counted_and_its_timeline_does_not_grow() {
    const MORE: u64 = 30;
    let mut world = World::new().await;
    let id = person(1).id;
    register(&world).await;
    for round in 0..2 {
        let before = world.timeline(TimelineId::User(id)).await.len();
        for attempt in 1..=10 {
            let outcome = try_to_sign_in(&world, "wrong password").await;
            assert!(matches!(outcome, SignInOutcome::Refused), "{round} {attempt}");
        }
        for attempt in 0..MORE {
            // The right password is refused too.
            let password = if attempt % 3 == 0 { PASSWORD } else { "wrong password" };
            assert!(matches!(try_to_sign_in(&world, password).await, SignInOutcome::Refused));
        }
        let events = world.timeline(TimelineId::User(id)).await.split_off(before);
        let of_type = |name: &str| events.iter().filter(|event| event.data.event_type().name == name).count();
        assert_eq!((of_type("login_failure"), of_type("login_lock"), events.len()), (10, 1, 11));
        assert!(matches!(events.last().unwrap().data, TypeData::Sessions(Sessions::LoginLock(_))));
        check_states(&world).await;
        world = world.reopen().await;
        let service = world.service().await;
        assert_eq!(service.account_private_state(id).await.unwrap().refused_logins, MORE);

        // Mails are in the order of their times.
        world.clock.advance(Duration::from_secs(1));
        service.request_unlock(Request::default(), &person(1).email).await.unwrap();
        let mail = service.waiting_mail(id).await.unwrap().pop().unwrap();
        let reason = "is locked because ten attempts to sign in failed. There were 30 more attempts since.";
        assert!(mail.text.contains(reason), "{}", mail.text);
        let token = mail.text.split_once("unlock_token=").unwrap().1.lines().next().unwrap();
        service.unlock(Request::default(), token.to_owned()).await.unwrap();
        assert_eq!(service.account_private_state(id).await.unwrap().refused_logins, 0);
        assert!(matches!(try_to_sign_in(&world, PASSWORD).await, SignInOutcome::SignedIn(_)));
        check_states(&world).await;
    }
}
