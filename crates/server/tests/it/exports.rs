//! Exports: the whole timeline, in parts that fit together.

use annals_testing::EXAMPLES;
use http::StatusCode;
use serde_json::Value;

use crate::harness::{JOHNS_APP, OPERATOR, TestService};

async fn service() -> (TestService, String) {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    service.report_examples().await;
    (service, john)
}

#[tokio::test]
async fn an_export_has_every_event_with_its_position() {
    let (mut service, john) = service().await;
    for (list, token) in [("/v1/events", john.as_str()), (&format!("/v1/apps/{JOHNS_APP}/events"), OPERATOR)]
    {
        let page = service.get(&format!("{list}?from=72"), token).await.json();
        let page: Vec<_> = page["events"].as_array().unwrap().iter().rev().map(Value::to_string).collect();
        let export = service.get(&format!("{list}/export"), token).await;
        assert_eq!(export.headers["content-type"], "application/x-ndjson");
        let lines: Vec<_> = export.text().lines().collect();
        let expected: Vec<_> = (1..)
            .zip(&page)
            .map(|(position, event)| format!("{{\"position\":{position},{}", &event[1..]))
            .collect();
        assert_eq!(lines, expected);
    }
}

#[tokio::test]
async fn an_export_in_parts_equals_one_in_one() {
    let (mut service, _) = service().await;
    let list = format!("/v1/apps/{JOHNS_APP}/events/export");
    for query in
        ["format=jsonl", "format=csv", "format=jsonl&type=deployment,scale", "format=csv&q=-type:run"]
    {
        let whole = service.get(&format!("{list}?{query}"), OPERATOR).await.text().to_owned();
        let count = EXAMPLES.lines().filter(|line| line.contains(JOHNS_APP)).count();
        for after in [1, 2, count / 2, count - 1, count] {
            let rest =
                service.get(&format!("{list}?{query}&after={after}"), OPERATOR).await.text().to_owned();
            let position = |line: &str| {
                let line = line.strip_prefix("{\"position\":").unwrap_or(line);
                line.split(',').next().unwrap().parse::<usize>().unwrap_or(0)
            };
            let received = whole.lines().filter(|line| position(line) <= after);
            let both: String = received.chain(rest.lines()).map(|line| format!("{line}\n")).collect();
            assert_eq!(both, whole, "{query} {after}");
        }
    }
}

#[tokio::test]
async fn wrong_parameters_of_an_export_are_refused() {
    let (mut service, john) = service().await;
    for query in ["format=xml", "after=-1", "after=99999", "q=typ:scale", "page=2", "type=scale&type=run"] {
        let answer = service.get(&format!("/v1/events/export?{query}"), &john).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}: {}", answer.text());
    }
    service.transcript();
    service.get("/v1/events/export?format=csv&type=login_success,scale", &john).await;
    insta::assert_snapshot!(service.transcript());
}
