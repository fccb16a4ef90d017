//! Every event type of the contract by its own action: the exact event, who may cause it, and which bodies are refused.
//!
//! `table` has a row for each type, `world` the platform that a row is tried on. The test reports every row that fails.
//! `histories` plays the actions in any order, among reports, and compares the states with those of `independent_fold`.

mod histories;
mod independent_fold;
mod table;
mod world;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use annals_model::catalogue::{self, Origin};
use annals_testing::Failures;
use futures_util::FutureExt as _;
use http::StatusCode;
use serde_json::json;

use table::{Call, Row, Who, table};
use world::World;

#[tokio::test]
async fn every_action_of_the_contract_records_exactly_its_events() {
    let mut failures = Failures::default();
    let in_table: Vec<_> = table().iter().map(|row| row.event_type).collect();
    let in_contract = catalogue::all().iter().filter(|event_type| event_type.origin == Origin::Contract);
    let in_contract: BTreeSet<_> = in_contract.map(|event_type| event_type.name).collect();
    failures.check("the number of rows", in_contract.len(), in_table.len());
    failures.check("the types with a row", in_contract, in_table.into_iter().collect::<BTreeSet<_>>());

    let mut transcript = String::new();
    for row in table() {
        // A row that panics must not hide the rows after it.
        match AssertUnwindSafe(try_row(&row, &mut failures)).catch_unwind().await {
            Ok(recorded) => transcript.push_str(&recorded),
            Err(panic) => {
                let message = panic.downcast::<String>().map_or("the panic above".to_owned(), |text| *text);
                failures.add(row.event_type, "no panic", message);
            }
        }
    }
    failures.report();
    insta::assert_snapshot!(transcript);
}

/// Tries a row on a new platform, and returns the action with the events it recorded.
async fn try_row(row: &Row, failures: &mut Failures) -> String {
    let mut world = World::new().await;
    for (who, call) in &row.before {
        if call.path.ends_with("/start") {
            world.wait_for_window().await;
        }
        world.must(*who, call).await;
    }
    match row.hours {
        0 => world.wait_for_window().await,
        hours => world.service.clock.advance(Duration::from_hours(hours)),
    }
    check_refused_callers(row, &mut world, failures).await;
    check_invalid_bodies(row, &mut world, failures).await;

    let caller = if row.event_type == "accept_collaborator" { Who::Stranger } else { row.may.example() };
    let known = world.events().await;
    let (status, answer) = world.ask(caller, &row.call).await;
    if status.as_u16() != row.status {
        failures.add(format!("{} by {caller:?}", row.event_type), row.status, format!("{status} {answer}"));
    }
    let new: Vec<_> = world.events().await.into_iter().filter(|event| !known.contains(event)).collect();
    if !new.iter().any(|event| event["type"] == row.event_type) {
        failures.add(format!("{}: recorded events", row.event_type), row.event_type, json!(new));
    }
    let mut recorded = format!("{} {}\n", row.call.method, row.call.path);
    for event in new {
        _ = writeln!(recorded, "{event}");
    }
    recorded + "\n"
}

async fn check_refused_callers(row: &Row, world: &mut World, failures: &mut Failures) {
    let before = world.all().await;
    for (who, expected) in row.may.refused() {
        let (status, answer) = world.ask(who, &row.call).await;
        if status.as_u16() != expected {
            failures.add(format!("{} by {who:?}", row.event_type), expected, format!("{status} {answer}"));
        }
    }
    let is_unchanged = world.all().await == before;
    failures.check(format!("{}: unchanged after refused callers", row.event_type), true, is_unchanged);
}

async fn check_invalid_bodies(row: &Row, world: &mut World, failures: &mut Failures) {
    let before = world.all().await;
    for (body, field) in &row.invalid {
        let call = Call { body: (*body).to_owned(), ..row.call.clone() };
        let (status, answer) = world.ask(row.may.example(), &call).await;
        let expected =
            if field.is_empty() { StatusCode::BAD_REQUEST } else { StatusCode::UNPROCESSABLE_ENTITY };
        let named = answer["errors"].as_object().and_then(|errors| errors.keys().next());
        if status != expected || named.map_or("", String::as_str) != *field {
            let case = format!("{} with {body}", row.event_type);
            failures.add(case, format!("{expected} {field}"), format!("{status} {answer}"));
        }
    }
    let is_unchanged = world.all().await == before;
    failures.check(format!("{}: unchanged after invalid bodies", row.event_type), true, is_unchanged);
}
