//! Filtered timelines: exact pages and totals, and nothing that their reader may not see.

use annals_model::{Filter, Time};
use annals_testing::EXAMPLES;
use http::StatusCode;
use serde_json::Value;

use crate::harness::{JOHN, JOHNS_APP, OPERATOR, TestService};

fn encoded(filter: &str) -> String {
    url::form_urlencoded::byte_serialize(filter.as_bytes()).collect()
}

fn lines(answer: &Value) -> Vec<String> {
    answer["events"].as_array().unwrap().iter().map(Value::to_string).collect()
}

/// Going from event to event gives what pages give, in both directions.
#[tokio::test]
async fn pages_beside_an_event_cover_the_timeline() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    service.report_examples().await;
    let app = format!("/v1/apps/{JOHNS_APP}/events");
    let events_of = |answer: &Value| {
        let events = answer["events"].as_array().unwrap();
        events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for filter in ["", "&type=scale,deployment,run,restart", "&q=category:addons%20OR%20web"] {
        let all = service.get(&format!("{app}?per_page=100{filter}"), &john).await.json();
        let ids = events_of(&all);
        let (mut older, mut at) = (vec![ids[0].clone()], ids[0].clone());
        loop {
            let answer = service.get(&format!("{app}?per_page=3&before={at}{filter}"), &john).await;
            let link = answer.headers.get("link").unwrap().to_str().unwrap().to_owned();
            let answer = answer.json();
            assert_eq!(answer["meta"]["pagination"]["total_count"], ids.len());
            older.extend(events_of(&answer));
            assert_eq!(link.contains("rel=\"next\""), older.len() < ids.len(), "{link}");
            match link.contains("rel=\"next\"") {
                true => at = older.last().unwrap().clone(),
                false => break,
            }
        }
        assert_eq!(older, ids, "{filter}");
        let (mut newer, mut at) = (vec![ids.last().unwrap().clone()], ids.last().unwrap().clone());
        loop {
            let answer = service.get(&format!("{app}?per_page=3&after={at}{filter}"), &john).await;
            let link = answer.headers.get("link").unwrap().to_str().unwrap().to_owned();
            let mut page = events_of(&answer.json());
            page.extend(newer);
            newer = page;
            at = newer[0].clone();
            if !link.contains("rel=\"prev\"") {
                break;
            }
        }
        assert_eq!(newer, ids, "{filter}");
    }
    // Positions name events too, also of a user's timeline.
    for path in [app.as_str(), "/v1/events"] {
        let newest = service.get(&format!("{path}?per_page=2"), &john).await.json();
        let length = newest["meta"]["pagination"]["total_count"].as_u64().unwrap();
        let before = service.get(&format!("{path}?per_page=1&before={length}"), &john).await.json();
        assert_eq!(events_of(&before)[0], events_of(&newest)[1]);
        let after = service.get(&format!("{path}?after={}", length - 2), &john).await.json();
        assert_eq!(events_of(&after), events_of(&newest));
        assert!(events_of(&service.get(&format!("{path}?after={length}"), &john).await.json()).is_empty());
        assert!(events_of(&service.get(&format!("{path}?before=1"), &john).await.json()).is_empty());
        let beyond = service.get(&format!("{path}?per_page=2&before=999999999"), &john).await.json();
        assert_eq!(events_of(&beyond), events_of(&newest));
    }
    for query in [
        "before=x",
        "before=1&after=2",
        "before=1&page=2",
        "after=1&from=72",
        "after=1&as_of=3",
        "before=6905bc8073636100011affff",
    ] {
        let refused = service.get(&format!("{app}?{query}"), &john).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}: {}", refused.text());
    }
}

#[tokio::test]
async fn pages_and_totals_of_a_filter_equal_a_scan() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    service.report_examples().await;
    let now: Time = "2026-11-01T12:00:00Z".parse().unwrap();
    let of_john: Vec<&str> = EXAMPLES
        .lines()
        .rev()
        .filter(|line| serde_json::from_str::<Value>(line).unwrap()["user"]["id"] == JOHN)
        .collect();
    for text in [
        "type:scale",
        "type:scale,restart OR category:addons",
        "-type:login_success",
        "martini",
        "created:>=2026-11-01T09:00:00Z -category:domains",
        "created:..2026-11-01T09:00:00Z",
        "nothing-has-this",
    ] {
        let filter = Filter::parse(text, now).unwrap();
        let expected: Vec<&str> =
            of_john.iter().copied().filter(|line| filter.matches(line.as_bytes(), line.as_bytes())).collect();
        let mut found = Vec::new();
        for page in 1..=expected.len().div_ceil(3).max(1) {
            let path = format!("/v1/events?q={}&page={page}&per_page=3", encoded(text));
            let answer = service.get(&path, &john).await;
            assert_eq!(answer.json()["meta"]["pagination"]["total_count"], expected.len(), "{text}");
            found.extend(lines(&answer.json()));
        }
        assert_eq!(found, expected, "{text}");
    }
}

#[tokio::test]
async fn pages_that_are_pinned_do_not_shift() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    service.report_examples().await;
    for query in ["", "q=-type:run&"] {
        let path = format!("/v1/events?{query}per_page=7");
        let first = service.get(&path, &john).await;
        let second = service.get(&format!("{path}&page=2"), &john).await;
        let links = first.headers["link"].to_str().unwrap().to_owned();
        let next = links.split_once('<').unwrap().1.split_once('>').unwrap().0;
        assert!(links.contains("; rel=\"next\"") && links.contains("; rel=\"last\""), "{links}");

        let added = service.post("/v1/tokens", &john, r#"{"token":{"name":"later"}}"#).await;
        assert!(added.status.is_success(), "{}", added.text());
        let pinned = service.get(next, &john).await;
        assert_eq!(lines(&pinned.json()), lines(&second.json()));
        assert_eq!(pinned.json()["meta"]["pagination"], second.json()["meta"]["pagination"]);
    }
}

#[tokio::test]
async fn hours_can_be_filtered_too() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    service.report_examples().await;
    let all = service.get("/v1/events?from=72", &john).await.json();
    let some = service.get("/v1/events?from=72&type=restart,scale", &john).await.json();
    let expected: Vec<_> = lines(&all)
        .into_iter()
        .filter(|line| line.contains("\"type\":\"restart\"") || line.contains("\"type\":\"scale\""))
        .collect();
    assert!(!expected.is_empty());
    assert_eq!(lines(&some), expected);
    assert_eq!(some["meta"]["pagination"]["total_count"], expected.len());
}

#[tokio::test]
async fn a_filter_that_cannot_be_read_is_refused_with_the_reason() {
    let mut service = TestService::start().await;
    service.register_john().await;
    service.report_examples().await;
    for query in
        ["q=typ:scale", "type=scal", "since=today", "as_of=99999", "q=type:scale&as_of=9", "colour=red"]
    {
        let answer = service.get(&format!("/v1/apps/{JOHNS_APP}/events?{query}"), OPERATOR).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}: {}", answer.text());
    }
    insta::assert_snapshot!(service.transcript());
}
