//! Pages of timelines: exact bytes, totals, order, and who may read them.

use annals_server::Config;
use annals_testing::EXAMPLES;
use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{JOHN, JOHNS_APP, OPERATOR, TestService};

/// Returns the examples that satisfy this, newest first.
fn examples(wanted: impl Fn(&Value) -> bool) -> Vec<&'static str> {
    EXAMPLES.lines().rev().filter(|line| wanted(&serde_json::from_str(line).unwrap())).collect()
}

/// Returns the body of a page that has all events of its timeline.
fn one_page(events: &[&str]) -> String {
    let count = events.len();
    assert!(count > 1, "too few examples to test with");
    let pagination = format!(
        r#"{{"current_page":1,"next_page":null,"prev_page":null,"total_pages":1,"total_count":{count}}}"#
    );
    format!(r#"{{"events":[{}],"meta":{{"pagination":{pagination}}}}}"#, events.join(","))
}

#[tokio::test]
async fn the_examples_come_back_byte_for_byte_from_both_timelines() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    service.report_examples().await;

    let of_app = examples(|event| event["app_id"] == JOHNS_APP);
    let answer = service.get(&format!("/v1/apps/{JOHNS_APP}/events?per_page=100"), OPERATOR).await;
    assert_eq!(answer.text(), one_page(&of_app));

    // The creation of this app was not reported, so it has no known members.
    let other = examples(|event| event["app_id"] == "649e9d0389bca600016ea61b");
    let answer = service.get("/v1/apps/649e9d0389bca600016ea61b/events?per_page=100", OPERATOR).await;
    assert_eq!(answer.text(), one_page(&other));
    let answer = service.get("/v1/apps/649e9d0389bca600016ea61b/events", &john).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);

    let of_john = examples(|event| event["user"]["id"] == JOHN);
    let answer = service.get("/v1/events?per_page=100", &john).await;
    assert_eq!(answer.text(), one_page(&of_john));

    // Paging through returns the same events, and so does each event's own route.
    let mut paged = Vec::new();
    for number in 1..=of_john.len().div_ceil(7) {
        let answer = service.get(&format!("/v1/events?page={number}&per_page=7"), &john).await;
        let events =
            answer.json()["events"].as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>();
        paged.extend(events);
    }
    assert_eq!(paged, of_john);
    for event in of_app {
        let id = &event[7..31];
        let answer = service.get(&format!("/v1/apps/{JOHNS_APP}/events/{id}"), OPERATOR).await;
        assert_eq!(answer.text(), format!(r#"{{"event":{event}}}"#));
    }
}

#[tokio::test]
async fn each_page_says_where_it_is() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    let empty = service.get("/v1/events", &john).await;
    assert_eq!(empty.json()["events"], json!([]));
    service.report_examples().await;
    let mut seen = String::new();
    for query in
        ["", "page=2&per_page=20", "page=3", "page=4", "page=999999999999&per_page=101", "per_page=45"]
    {
        let answer = service.get(&format!("/v1/events?{query}"), &john).await;
        let count = answer.json()["events"].as_array().unwrap().len();
        seen.push_str(&format!("{query}: {count} events, {}\n", answer.json()["meta"]));
    }
    insta::assert_snapshot!("where_pages_are_in_a_timeline", seen);
    service.transcript();
    service.get("/v1/events?page=3&per_page=44", &john).await;
    service.get("/v1/events?page=2&per_page=44", &john).await;
    insta::assert_snapshot!(service.transcript());
}

#[tokio::test]
async fn invalid_query_parameters_are_refused_by_name() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    for query in [
        "page=0",
        "page=x",
        "per_page=-1",
        "per_page=",
        "from=0",
        "from=73",
        "from=1.5",
        "page=99999999999999999999",
    ] {
        service.get(&format!("/v1/events?{query}"), &john).await;
    }
    insta::assert_snapshot!(service.transcript());
}

#[tokio::test]
async fn from_returns_the_last_hours_whole_and_ignores_pages() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    service.report_examples().await;
    // The examples lie between 08:00 and 11:12, and it is 12:00.
    let since = |time: &str| {
        examples(|event| event["user"]["id"] == JOHN && event["created_at"].as_str().unwrap() >= time).len()
    };
    let [of_one, of_two, of_four] = ["2026-11-01T11:00", "2026-11-01T10:00", "2026-11-01T08:00"].map(since);
    assert!(0 < of_one && of_one < of_two && of_two < of_four);
    for (hours, expected) in [(1, of_one), (2, of_two), (4, of_four), (72, of_four)] {
        let answer = service.get(&format!("/v1/events?from={hours}&page=7&per_page=2"), &john).await;
        assert_eq!(answer.json()["events"].as_array().unwrap().len(), expected, "{hours}");
        assert_eq!(
            answer.json()["meta"]["pagination"],
            json!({"current_page": 1, "next_page": null, "prev_page": null, "total_pages": 1, "total_count": expected})
        );
    }
}

#[tokio::test]
async fn a_long_timeline_is_streamed_whole_and_in_order() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    let mut sent = Vec::new();
    for batch in 0..3 {
        let events = (0..1000).map(|index| {
            json!({
                "user": {"username": "johndoe", "email": "john@doe.com", "id": JOHN},
                "app_id": JOHNS_APP, "app_name": "my-app",
                "type": if batch + index == 0 { "new_app" } else { "run" },
                "type_data": if batch + index == 0 { json!({}) } else { json!({"command": format!("{batch} {index} {}", "x".repeat(300))}) },
            })
        });
        let events: Vec<_> = events.collect();
        sent.extend(events.iter().map(|event| event["type_data"]["command"].clone()));
        service.post("/v1/events", OPERATOR, &json!({ "events": events }).to_string()).await;
    }
    for path in [format!("/v1/apps/{JOHNS_APP}/events?from=1"), "/v1/events?from=1".to_owned()] {
        let answer = service.get(&path, &john).await;
        assert!(answer.body.len() > 1_000_000, "the body is too short to need several reads");
        let answer = answer.json();
        assert_eq!(answer["meta"]["pagination"]["total_count"], 3000);
        let received: Vec<_> = answer["events"]
            .as_array()
            .unwrap()
            .iter()
            .rev()
            .map(|event| event["type_data"]["command"].clone())
            .collect();
        assert_eq!(received, sent);
    }
}

#[tokio::test]
async fn a_page_of_huge_events_is_complete() {
    let mut service = TestService::start().await;
    let event = |command: &str| json!({"app_id": JOHNS_APP, "app_name": "my-app", "type": "run", "type_data": {"command": command}});
    let commands: Vec<_> = (0..10).map(|index| format!("{index}").repeat(200_000)).collect();
    let events: Vec<_> = commands.iter().map(|command| event(command)).collect();
    let answer = service.post("/v1/events", OPERATOR, &json!({ "events": events }).to_string()).await;
    assert_eq!(answer.text(), r#"{"accepted":10}"#);
    let answer = service.get(&format!("/v1/apps/{JOHNS_APP}/events?per_page=10"), OPERATOR).await.json();
    let received: Vec<_> = answer["events"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|event| event["type_data"]["command"].as_str().unwrap().to_owned())
        .collect();
    assert!(received == commands);
}

#[tokio::test]
async fn missing_and_inaccessible_things_are_both_404() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    let stranger = service.register("stranger", None).await;
    service.report_examples().await;
    service.get(&format!("/v1/apps/{JOHNS_APP}/events"), "").await;
    service.get(&format!("/v1/apps/{JOHNS_APP}/events"), "nonsense").await;
    service.get(&format!("/v1/apps/{JOHNS_APP}/events"), &stranger).await;
    service.get("/v1/apps/no-such-app/events", &stranger).await;
    service.get("/v1/apps/ffffffffffffffffffffffff/events", &john).await;
    service.get(&format!("/v1/apps/{JOHNS_APP}/events/ffffffffffffffffffffffff"), OPERATOR).await;
    service.get(&format!("/v1/apps/{JOHNS_APP}/events/nonsense"), OPERATOR).await;
    service.get(&format!("/v1/users/{JOHN}/events?per_page=1"), &stranger).await;
    service.get(&format!("/v1/users/{JOHN}/events?per_page=1"), OPERATOR).await;
    service.get("/v1/users/us-00000000-0000-4000-8000-ffffffffffff/events", OPERATOR).await;
    service.get("/v1/users/nonsense/events", OPERATOR).await;
    service.get("/v1/events", OPERATOR).await;
    service.get("/v1/nothing", "").await;
    service.play("PATCH", "/v1/events", "", "", "").await;
    insta::assert_snapshot!(service.transcript());
}

#[tokio::test]
async fn members_read_an_app_and_former_members_do_not() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    service.report_examples().await;
    let new_owner = service.register_as(json!({
        "id": "us-51e6bc62-6edf-40bb-b000-000000000002", "username": "new-johndoe", "email": "new-john@doe.com",
    })).await;
    let accepted = service.register_as(json!({
        "id": "us-51e6bc62-6edf-40bb-b000-000000000001", "username": "test-example", "email": "test@example.com",
    })).await;
    let path = format!("/v1/apps/{JOHNS_APP}/events");
    // The app was transferred: the new owner reads it, and so does the old one, who became a collaborator.
    for token in [&new_owner, &john, &accepted] {
        assert_eq!(service.get(&path, token).await.status, StatusCode::OK);
    }
    let user = json!({"username": "new-johndoe", "email": "new-john@doe.com", "id": "us-51e6bc62-6edf-40bb-b000-000000000002"});
    let removed = json!({"events": [{
        "user": user, "app_id": JOHNS_APP, "app_name": "new-app-name", "type": "delete_collaborator",
        "type_data": {"collaborator": {"id": JOHN, "email": "john@doe.com"}},
    }]});
    assert_eq!(service.post("/v1/events", OPERATOR, &removed.to_string()).await.status, StatusCode::CREATED);
    assert_eq!(service.get(&path, &john).await.status, StatusCode::NOT_FOUND);
    assert_eq!(service.get(&path, &new_owner).await.status, StatusCode::OK);
}

#[tokio::test]
async fn clients_that_expect_amounts_as_strings_get_strings() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    service.report_examples().await;
    let id = "6905bc8073636100011a0004";
    let path = format!("/v1/apps/{JOHNS_APP}/events/{id}");
    service.play("GET", &path, &john, "user-agent: Scalingo CLI v1.48.0", "").await;
    service.play("GET", &path, &john, "user-agent: Scalingo Javascript Client", "").await;
    let answer =
        service.play("GET", "/v1/events?per_page=100", &john, "user-agent: go-scalingo/v11", "").await;
    let events = answer.json()["events"].clone();
    let scale = events.as_array().unwrap().iter().find(|event| event["type"] == "scale").unwrap();
    assert_eq!(scale["type_data"]["containers"], json!({"web": "2:M", "worker": "1:M"}));
    let others: Vec<_> = events
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["type"] != "scale")
        .map(Value::to_string)
        .collect();
    assert_eq!(others, examples(|event| event["user"]["id"] == JOHN && event["type"] != "scale"));

    let mut plain = TestService::start_with(Config { scale_strings: false, ..Config::default() }).await;
    plain.report_examples().await;
    plain.play("GET", &path, OPERATOR, "user-agent: Scalingo CLI v1.48.0", "").await;
    let page = service.transcript();
    let page = &page[..page.find("GET /v1/events").unwrap()];
    insta::assert_snapshot!(format!("{page}{}", plain.transcript()));
}

#[tokio::test]
async fn new_events_only_shift_page_numbers() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    service.report_examples().await;
    let before = service.get("/v1/events?page=2&per_page=10", &john).await.json()["events"].clone();
    let act = r#"{"app":{"name":"another-app"}}"#;
    for number in 0..10 {
        let act = act.replace("another", &format!("another-{number}"));
        assert_eq!(service.post("/v1/apps", &john, &act).await.status, StatusCode::CREATED);
    }
    let after = service.get("/v1/events?page=3&per_page=10", &john).await.json()["events"].clone();
    assert_eq!(before, after, "ten newer events move every page of ten by one");
}
