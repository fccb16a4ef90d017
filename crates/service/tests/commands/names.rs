//! Which app a name leads to, whatever reports and actions do with it, and who may take it.

use annals_model::app::{AddDomain, CreateApp, DeleteApp, RenameApp};
use annals_model::{AppId, Rejection, Report, UserId};
use annals_service::{AppReference, Credential, Error, NewUser, Outcome, Request};
use annals_store::{TypedRows as _, key};
use annals_testing::{NamesByEvents, app, person, report, user};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use super::world::{World, field_of, request};

const NAMES: [&str; 3] = ["first-name", "second-name", "third-name"];

fn about(number: u8, event_type: &str, name: &str) -> Report {
    let data = match event_type {
        "rename_app" => json!({"old_name": "some-name", "new_name": name}),
        _ => json!({}),
    };
    report(&json!({
        "user": person(1), "app_id": app(number), "app_name": name, "type": event_type, "type_data": data,
    }))
}

async fn report_all(world: &World, reports: Vec<Report>) {
    world.service().await.report(reports, None).await.unwrap();
}

/// Returns the app that a name leads to.
async fn found(world: &World, name: &str) -> Option<AppId> {
    match world.service().await.authorize(&Credential::Operator, AppReference::App(name)).await {
        Ok(access) => Some(access.app.id),
        Err(Error::Rejected(Rejection::NotFound(_))) => None,
        Err(error) => panic!("{error}"),
    }
}

fn dry(actor: u8) -> Request {
    Request { dry_run: true, ..request(actor) }
}

async fn create(world: &World, request: Request, name: &str) -> Result<Outcome<()>, Error> {
    let action = CreateApp { name: name.to_owned(), ..CreateApp::default() };
    world.service().await.create_app(request, action).await
}

/// Renames an app as the operator.
async fn rename(world: &World, dry_run: bool, id: AppId, name: &str) -> Result<Outcome<()>, Error> {
    let current_name = world.app(id).await.unwrap().name;
    let action = RenameApp { current_name, new_name: name.to_owned() };
    world.service().await.act(Request { dry_run, ..Request::default() }, id, action).await
}

async fn delete(world: &World, id: AppId) -> Result<Outcome<()>, Error> {
    let action = DeleteApp { current_name: Some(world.app(id).await.unwrap().name) };
    world.service().await.act(Request::default(), id, action).await
}

#[tokio::test]
async fn a_name_that_reports_gave_twice_belongs_to_the_app_that_got_it_last() {
    let world = World::new().await;
    report_all(&world, vec![about(1, "new_app", NAMES[0]), about(2, "new_app", NAMES[0])]).await;
    assert_eq!(found(&world, NAMES[0]).await, Some(app(2)));
    delete(&world, app(2)).await.unwrap();
    assert_eq!(found(&world, NAMES[0]).await, Some(app(1)));
    assert_eq!(field_of(create(&world, request(3), NAMES[0]).await.unwrap_err()), "name");
    report_all(&world, vec![about(3, "new_app", NAMES[0]), about(4, "new_app", NAMES[0])]).await;
    // The one in the middle goes first, then the first one.
    rename(&world, false, app(3), NAMES[1]).await.unwrap();
    report_all(&world, vec![about(1, "delete_app", NAMES[0])]).await;
    assert_eq!(found(&world, NAMES[0]).await, Some(app(4)));
    assert_eq!(field_of(rename(&world, false, app(3), NAMES[0]).await.unwrap_err()), "name");
    delete(&world, app(4)).await.unwrap();
    assert_eq!(found(&world, NAMES[0]).await, None);
    rename(&world, false, app(3), NAMES[0]).await.unwrap();
    assert_eq!(found(&world, NAMES[0]).await, Some(app(3)));
    NamesByEvents::of(&*world.store).await.check_rows(&*world.store).await;
}

#[tokio::test]
async fn within_a_report_the_last_event_decides() {
    let world = World::new().await;
    let seen = |number, name| about(number, "restart", name);
    report_all(&world, vec![seen(1, NAMES[1]), seen(2, NAMES[0]), seen(1, NAMES[0])]).await;
    assert_eq!(found(&world, NAMES[0]).await, Some(app(1)), "the first one in the report got it last");
    report_all(&world, vec![seen(2, NAMES[2]), seen(2, NAMES[0])]).await;
    assert_eq!(found(&world, NAMES[0]).await, Some(app(2)), "it gave the name up, and got it back");
    report_all(&world, vec![about(2, "delete_app", NAMES[0]), about(2, "new_app", NAMES[0])]).await;
    report_all(&world, vec![seen(1, NAMES[0])]).await;
    assert_eq!(
        found(&world, NAMES[0]).await,
        Some(app(2)),
        "an event with the name that an app has gives none"
    );
    NamesByEvents::of(&*world.store).await.check_rows(&*world.store).await;
}

/// Does something that a platform, or one of three takers, may do with names.
async fn do_something(world: &World, random: &mut StdRng, apps: &mut Vec<AppId>, before: &NamesByEvents) {
    let name = NAMES[random.random_range(0..NAMES.len())];
    let live: Vec<_> = NAMES.iter().flat_map(|name| before.holders(name)).collect();
    let picked = (!live.is_empty()).then(|| live[random.random_range(0..live.len().max(1))]);
    match (random.random_range(0..8), picked) {
        (0 | 1, _) => {
            let created = create(world, request(random.random_range(1..=3)), name).await;
            assert_eq!(created.is_err(), !before.holders(name).is_empty(), "{name}");
            apps.extend(created.map(|outcome| outcome.app.id));
        }
        (2 | 3, Some(id)) => {
            let renamed = rename(world, false, id, name).await;
            assert_eq!(renamed.is_err(), !before.holders(name).is_empty(), "{id} {name}");
        }
        (4, Some(id)) => drop(delete(world, id).await.unwrap()),
        _ => {
            let events = (0..random.random_range(1..6)).map(|_| {
                let types = ["new_app", "restart", "restart", "rename_app", "delete_app"];
                let event_type = types[random.random_range(0..types.len())];
                let mut event =
                    about(random.random_range(1..=4), event_type, NAMES[random.random_range(0..NAMES.len())]);
                if let (Some(reference), false) = (&mut event.app, apps.is_empty() || random.random()) {
                    reference.id = apps[random.random_range(0..apps.len())];
                }
                event
            });
            report_all(world, events.collect()).await;
        }
    }
}

#[tokio::test]
async fn paths_creation_and_renaming_agree_on_names_after_any_history() {
    let seed = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..3 {
        let (mut world, mut apps) = (World::new().await, Vec::new());
        let mut names = NamesByEvents::default();
        for step in 1..=50 {
            do_something(&world, &mut random, &mut apps, &names).await;
            if step % 10 == 0 {
                world = world.reopen().await;
            }
            names = NamesByEvents::of(&*world.store).await;
            names.check_rows(&*world.store).await;
            for name in NAMES {
                let holders = names.holders(name);
                assert_eq!(found(&world, name).await, holders.last().copied(), "{name}");
                let created = create(&world, dry(1), name).await;
                assert_eq!(created.map_err(field_of).err(), (!holders.is_empty()).then(|| "name".to_owned()));
                for other in NAMES.into_iter().filter(|other| *other != name) {
                    let Some(id) = names.holders(other).first().copied() else { continue };
                    let renamed = rename(&world, true, id, name).await;
                    assert_eq!(
                        renamed.map_err(field_of).err(),
                        (!holders.is_empty()).then(|| "name".to_owned())
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_domain_that_two_apps_have_is_taken_until_both_gave_it_up() {
    let world = World::new().await;
    let domain = |number: u8, event_type: &str| {
        report(&json!({
            "user": person(1), "app_id": app(number), "app_name": format!("my-app-{number}"), "type": event_type,
            "type_data": match event_type {
                "new_domain" => json!({"hostname": "example.com", "ssl": false}),
                _ => json!({"hostname": "example.com"}),
            },
        }))
    };
    let add = async || {
        let action = AddDomain {
            name: "example.com".to_owned(),
            certificate: None,
            canonical: false,
            letsencrypt_enabled: false,
        };
        let request = Request { dry_run: true, ..Request::default() };
        world.service().await.act(request, app(3), action).await
    };
    report_all(&world, vec![domain(1, "new_domain"), domain(2, "new_domain"), about(3, "new_app", NAMES[0])])
        .await;
    report_all(&world, vec![domain(1, "delete_domain")]).await;
    assert!(add().await.is_err(), "the second app has the domain");
    report_all(&world, vec![about(2, "delete_app", "my-app-2")]).await;
    add().await.unwrap();
}

fn signed_in(number: u8, username: &str, email: &str) -> Report {
    let person = json!({"username": username, "email": email, "id": user(number)});
    report(&json!({"user": person, "type": "login_success"}))
}

#[tokio::test]
async fn usernames_and_addresses_that_reports_gave_twice_follow_the_same_rule() {
    const TEXTS: [&str; 3] = ["one", "two", "three"];
    let seed = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut world = World::new().await;
    // In the order in which they got it: the user, whether it is an address, and the text.
    let mut claims: Vec<(u8, bool, &str)> = Vec::new();
    for step in 1..=60 {
        let mut events = Vec::new();
        for _ in 0..random.random_range(1..4) {
            let number = random.random_range(1..=4);
            let texts = [false, true].map(|_| TEXTS[random.random_range(0..TEXTS.len())]);
            let email = if random.random() { texts[1].to_owned() } else { texts[1].to_uppercase() };
            events.push(signed_in(number, texts[0], &format!("{email}@example.com")));
            for (is_email, text) in [(false, texts[0]), (true, texts[1])] {
                if !claims.contains(&(number, is_email, text)) {
                    claims.retain(|claim| (claim.0, claim.1) != (number, is_email));
                    claims.push((number, is_email, text));
                }
            }
        }
        report_all(&world, events).await;
        if step % 20 == 0 {
            world = world.reopen().await;
        }
        for text in TEXTS {
            let last = |is_email: bool| -> Option<UserId> {
                let held = claims.iter().rev().find(|claim| (claim.1, claim.2) == (is_email, text));
                held.map(|(number, ..)| user(*number))
            };
            let with_username = world.store.get(key::Username(text.to_owned())).await.unwrap();
            let with_email = world.store.get(key::Email::of(&format!("{text}@example.com"))).await.unwrap();
            assert_eq!((with_username, with_email), (last(false), last(true)), "{text}");
        }
    }
}

#[tokio::test]
async fn a_username_that_a_reported_user_still_has_cannot_be_registered() {
    let world = World::new().await;
    let both = vec![signed_in(1, "jane", "a@example.com"), signed_in(2, "jane", "b@example.com")];
    report_all(&world, both).await;
    report_all(&world, vec![signed_in(1, "joan", "a@example.com")]).await;
    let new_user = |username: &str, email: &str| NewUser {
        id: None,
        username: username.to_owned(),
        email: email.to_owned(),
        password: None,
        signs_up: false,
    };
    let service = world.service().await;
    let refused = service.register_user(new_user("jane", "c@example.com"), None).await.map(drop).unwrap_err();
    assert_eq!(field_of(refused), "username");
    let (account, _) = service.register_user(new_user("jane", "b@example.com"), None).await.unwrap();
    assert_eq!(account.id(), user(2));
}
