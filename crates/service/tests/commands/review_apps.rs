//! Review apps: commands that change two apps at once.

use annals_model::Report;
use annals_model::app::{DeleteApp, PullChange, PullRequest, RenameApp};
use annals_service::{Clock as _, Request};
use annals_store::TimelineId;
use annals_testing::{app, person, report};
use serde_json::json;

use super::world::{World, check_states, new_app, request};

/// Reports that the second app is the first app's review app for that pull request.
fn review_app(parent: u8, child: u8, number: u64) -> Report {
    let data = json!({
        "review_app_name": format!("app-number-{child}"), "source_repo_name": "a/b",
        "source_repo_url": "https://github.com/a/b", "pr_name": "a change", "pr_number": number,
        "pr_url": "https://github.com/a/b/pull/1", "pr_comes_from_a_fork": false, "app_id": app(child),
    });
    report(&json!({
        "user": person(1), "app_id": app(parent), "app_name": format!("app-number-{parent}"),
        "type": "create_review_app", "type_data": data,
    }))
}

#[tokio::test]
async fn deleting_an_app_deletes_all_its_reported_review_apps_even_in_a_cycle() {
    let world = World::new().await;
    let new_app = |number: u8| {
        report(&json!({
            "user": person(1), "app_id": app(number), "app_name": format!("app-number-{number}"),
            "type": "new_app", "type_data": {},
        }))
    };
    let reports = vec![
        new_app(1),
        new_app(2),
        new_app(3),
        review_app(1, 2, 1),
        review_app(2, 3, 1),
        // It cannot be its own review app, so this has no effect. But they are review apps of each other.
        review_app(1, 1, 2),
        review_app(3, 1, 1),
        review_app(3, 2, 2),
    ];
    world.service().await.report(reports, None).await.unwrap();
    let action = DeleteApp { current_name: Some("app-number-1".to_owned()) };
    let outcome = world.service().await.delete_app(request(1), app(1), action).await.unwrap();
    let deleted = outcome.recorded.iter().filter(|event| event.event_type == "delete_app").count();
    let destroyed = outcome.recorded.iter().filter(|event| event.event_type == "destroy_review_app").count();
    assert_eq!((deleted, destroyed), (3, 4));
    for number in 1..=3 {
        assert!(world.app(app(number)).await.unwrap().deleted_at.is_some(), "{number}");
    }
}

#[tokio::test]
async fn links_that_contradict_the_state_have_no_effect_on_it() {
    let world = World::new().await;
    let new_app = |number: u8, parent: u8| {
        report(&json!({
            "user": person(1), "app_id": app(number), "app_name": format!("app-number-{number}"),
            "type": "new_app", "type_data": {"parent_app_id": app(parent)},
        }))
    };
    let reports = vec![
        // Its own parent, and the parent of its parent.
        new_app(1, 1),
        new_app(2, 1),
        review_app(1, 2, 1),
        review_app(1, 1, 2),
        review_app(2, 1, 1),
        new_app(1, 2),
    ];
    world.service().await.report(reports, None).await.unwrap();
    let (first, second) = (world.app(app(1)).await.unwrap(), world.app(app(2)).await.unwrap());
    assert_eq!((first.parent, second.parent), (None, Some(app(1))));
    assert_eq!(first.review_apps.keys().collect::<Vec<_>>(), ["app-number-2"]);
    assert!(second.review_apps.is_empty());
    assert_eq!(world.timeline(TimelineId::App(app(1))).await.len(), 4, "facts are recorded all the same");
    check_states(&world).await;
    let action = DeleteApp { current_name: Some("app-number-2".to_owned()) };
    world.service().await.delete_app(request(1), app(2), action).await.unwrap();
    assert!(world.app(app(1)).await.unwrap().review_apps.is_empty());
    assert!(world.app(app(1)).await.unwrap().deleted_at.is_none());
    let action = DeleteApp { current_name: Some("app-number-1".to_owned()) };
    world.service().await.delete_app(request(1), app(1), action).await.unwrap();
    check_states(&world).await;
}

#[tokio::test]
async fn a_chain_of_any_length_is_deleted() {
    const LENGTH: u32 = 3_000;
    let world = World::new().await;
    let id = |number: u32| format!("{number:024x}");
    let reports = (1..LENGTH).flat_map(|number| {
        let new_app = json!({
            "user": person(1), "app_id": id(number), "app_name": format!("app-{number}"), "type": "new_app",
        });
        let data = json!({
            "review_app_name": format!("app-{}", number + 1), "source_repo_name": "a/b",
            "source_repo_url": "https://github.com/a/b", "pr_name": "a change", "pr_number": 1,
            "pr_url": "https://github.com/a/b/pull/1", "pr_comes_from_a_fork": false,
            "app_id": id(number % (LENGTH - 1) + 1),
        });
        let review_app = json!({
            "user": person(1), "app_id": id(number), "app_name": format!("app-{number}"),
            "type": "create_review_app", "type_data": data,
        });
        [report(&new_app), report(&review_app)]
    });
    let reports: Vec<_> = reports.collect();
    for part in reports.chunks(2_000) {
        world.service().await.report(part.to_vec(), None).await.unwrap();
    }
    let action = DeleteApp { current_name: Some("app-1".to_owned()) };
    let first = id(1).parse().unwrap();
    let outcome = world.service().await.delete_app(request(1), first, action).await.unwrap();
    let deleted = outcome.recorded.iter().filter(|event| event.event_type == "delete_app").count();
    assert_eq!(deleted, LENGTH as usize - 1);
}

#[tokio::test]
async fn a_review_app_that_cannot_be_deployed_is_not_created() {
    let world = World::new().await;
    let parent = new_app(&world, "parent-app").await.app.id;
    let link = json!({
        "repo_name": "a/b", "linker_username": person(1).username, "source": "https://github.com/a/b",
        "auto_deploy": false, "auto_deploy_review_apps": true, "delete_on_close": false, "delete_stale": true,
        "hours_before_delete_on_close": 0, "hours_before_delete_stale": 1, "creation_from_forks_allowed": false,
    });
    let linked = report(&json!({
        "user": person(1), "app_id": parent, "app_name": "parent-app", "type": "link_scm", "type_data": link,
    }));
    world.service().await.report(vec![linked], None).await.unwrap();
    let now = world.clock.now();
    let opened = |number: u64, head: &str| PullRequest {
        id: number,
        number,
        title: "a change".to_owned(),
        html_url: "https://github.com/a/b/pull/1".to_owned(),
        source_repo_name: "a/b".to_owned(),
        source_repo_url: "https://github.com/a/b".to_owned(),
        comes_from_a_fork: false,
        branch: "a-change".to_owned(),
        base_branch: "main".to_owned(),
        head: head.to_owned(),
        opened_at: now,
        closed_at: None,
        active_at: now,
        delete_at: None,
    };
    // Only a valid Git reference can be deployed.
    for (number, head, made) in [(1, "a b", 0), (2, "0123abcd", 2), (3, "", 2)] {
        let service = world.service().await;
        let pull = opened(number, head);
        let outcome =
            service.pull_request_received(Request::default(), parent, pull, PullChange::Opened, None).await;
        let outcome = outcome.unwrap();
        assert_eq!(outcome.recorded.len(), made, "{head}");
        assert_eq!(
            outcome.app.review_apps.contains_key(&format!("parent-app-pr{number}")),
            made > 0,
            "{head}"
        );
        let pull = &outcome.private.pull_requests[&number];
        assert_eq!(pull.delete_at.is_some(), made > 0, "there is nothing to delete: {head}");
    }
}

#[tokio::test]
async fn a_renamed_review_app_is_destroyed_under_its_new_name() {
    let world = World::new().await;
    let new_app = |number: u8| {
        report(&json!({
            "user": person(1), "app_id": app(number), "app_name": format!("app-number-{number}"),
            "type": "new_app", "type_data": if number == 1 { json!({}) } else { json!({"parent_app_id": app(1)}) },
        }))
    };
    let service = world.service().await;
    service.report(vec![new_app(1), new_app(2), review_app(1, 2, 1)], None).await.unwrap();
    let rename = RenameApp { current_name: "app-number-2".to_owned(), new_name: "trial-app".to_owned() };
    let outcome = service.rename_app(request(1), app(2), rename).await.unwrap();
    let types: Vec<_> = outcome.recorded.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(types, ["rename_app", "rename_review_app"]);
    let parent = world.app(app(1)).await.unwrap();
    assert_eq!(parent.review_apps.keys().collect::<Vec<_>>(), ["trial-app"]);
    assert_eq!(parent.review_apps["trial-app"].app_id, Some(app(2)));
    check_states(&world).await;

    // The parent does not hear of a rename that is only reported.
    let renamed = report(&json!({
        "user": person(1), "app_id": app(2), "app_name": "third-name", "type": "rename_app",
        "type_data": {"old_name": "trial-app", "new_name": "third-name"},
    }));
    service.report(vec![renamed], None).await.unwrap();
    let action = DeleteApp { current_name: Some("third-name".to_owned()) };
    service.delete_app(request(1), app(2), action).await.unwrap();
    let last = world.timeline(TimelineId::App(app(1))).await.pop().unwrap();
    let last: serde_json::Value = serde_json::from_slice(&last.to_json()).unwrap();
    assert_eq!(last["type"], "destroy_review_app");
    assert_eq!(last["type_data"]["review_app_name"], "third-name");
    assert!(world.app(app(1)).await.unwrap().review_apps.is_empty());
    check_states(&world).await;
}
