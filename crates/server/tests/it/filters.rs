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
