//! Signing in to an account that is locked.

use std::time::Duration;

use annals_model::catalogue::Sessions;
use annals_model::{Person, TypeData};
use annals_service::{NewUser, Request, SignInOutcome};
use annals_store::TimelineId;
use annals_testing::person;

use super::world::{World, check_states};

const PASSWORD: &str = "correct horse battery";

async fn try_to_sign_in(world: &World, password: &str) -> SignInOutcome {
    let service = world.service().await;
    service.sign_in(None, "user-1", password.to_owned(), "laptop".to_owned(), None).await.unwrap()
}

#[tokio::test]
async fn attempts_on_a_locked_account_are_counted_and_its_timeline_does_not_grow() {
    const MORE: u64 = 30;
    let mut world = World::new().await;
    let Person { username, email, id } = person(1);
    let user =
        NewUser { id: Some(id), username, email, password: Some(PASSWORD.to_owned()), signs_up: false };
    world.service().await.register_user(user, None).await.unwrap();
    for round in 0..2 {
        let before = world.timeline(TimelineId::User(id)).await.len();
        for attempt in 1..=10 {
            let outcome = try_to_sign_in(&world, "wrong password").await;
            assert_eq!(matches!(outcome, SignInOutcome::Locked), attempt == 10, "{round} {attempt}");
        }
        for attempt in 0..MORE {
            // The right password is refused too.
            let password = if attempt % 3 == 0 { PASSWORD } else { "wrong password" };
            assert!(matches!(try_to_sign_in(&world, password).await, SignInOutcome::Locked));
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
