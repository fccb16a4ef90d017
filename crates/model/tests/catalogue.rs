//! The catalogue against the contract's examples, and the document generated from the catalogue.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use annals_model::Event;
use annals_model::catalogue::{self, EventType, Origin};
use annals_model::report::{InvalidReports, parse_json, parse_ndjson};

const EXAMPLES: &str = include_str!("../../../docs/examples.ndjson");

#[test]
fn every_example_is_written_as_it_was_read() {
    for line in EXAMPLES.lines() {
        let event = Event::from_json(line.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(event.to_json()).unwrap(), line);
        assert_eq!(annals_model::event::id_in(line.as_bytes()), Some(event.id));
        assert_eq!(annals_model::event::type_in(line.as_bytes()), Some(event.data.event_type().name));
    }
}

#[test]
fn every_type_has_an_example_and_the_contract_has_46() {
    let examples: Vec<_> = EXAMPLES.lines().map(|line| Event::from_json(line.as_bytes()).unwrap()).collect();
    let in_examples: Vec<_> = examples.iter().map(|event| event.data.event_type()).collect();
    let names =
        |types: &mut dyn Iterator<Item = &EventType>| types.map(|it| it.name).collect::<BTreeSet<_>>();
    assert_eq!(
        names(&mut in_examples.iter().copied()),
        names(&mut catalogue::all().iter().copied()),
        "types with an example, and all types"
    );
    assert_eq!(in_examples.len(), catalogue::all().len(), "one example of each");
    assert_eq!(names(&mut catalogue::contract_types()).len(), 46);
    assert!(in_examples[..46].iter().all(|event_type| event_type.origin == Origin::Contract));
}

/// go-scalingo 11.3 decodes these types. A type that it does not know is printed as an unknown event.
#[test]
fn the_catalogue_has_every_type_that_official_clients_decode() {
    let known = include_str!("go_scalingo_types.txt");
    let missing: Vec<_> = known.lines().filter(|name| catalogue::find(name).is_none()).collect();
    assert_eq!((known.lines().count(), missing), (96, Vec::new()));
}

#[test]
fn event_type_names_are_unique_and_every_type_is_described() {
    let names: BTreeSet<_> = catalogue::all().iter().map(|event_type| event_type.name).collect();
    assert_eq!(names.len(), catalogue::all().len());
    for event_type in catalogue::all() {
        assert!(event_type.when.trim().ends_with('.'), "{}", event_type.name);
        assert!(!event_type.display_name.is_empty(), "{}", event_type.name);
        assert_eq!(catalogue::find(event_type.name).unwrap().name, event_type.name);
    }
}

#[test]
fn sentences_never_show_a_value_or_a_token() {
    let sentences: String = parse_ndjson(EXAMPLES)
        .unwrap()
        .iter()
        .map(|report| format!("{}: {}\n", report.data.event_type().name, report.data.sentence()))
        .collect();
    insta::assert_snapshot!(sentences);
    assert!(!sentences.contains("VAL1") && !sentences.contains("tcp+tls"));
}

/// Reads `type_data` of that type, and returns the errors as `field: message`.
fn refusal(event_type: &str, type_data: &str) -> String {
    let scope = r#""app_id":"5343eccd646173000a140000","app_name":"my-app""#;
    let user = r#""user":{"username":"j","email":"j@d.io","id":"us-0e6d8e46-5cd0-42a4-acba-372b2be605ac"}"#;
    let scope = match catalogue::find(event_type).map(|found| found.scope) {
        Some(catalogue::Scope::Account) => user.to_owned(),
        Some(catalogue::Scope::Project) => format!(r#"{user},"project_id":"prj-1","project_name":"shop""#),
        _ => scope.to_owned(),
    };
    match parse_json(&format!(r#"{{"events":[{{{scope},"type":"{event_type}","type_data":{type_data}}}]}}"#))
    {
        Ok(_) => "accepted".to_owned(),
        Err(InvalidReports::Malformed(text)) => text,
        Err(InvalidReports::Invalid(errors)) => {
            let fields: Vec<_> = errors
                .as_map()
                .iter()
                .map(|(field, messages)| format!("{field}: {}", messages.join(", ")))
                .collect();
            fields.join("; ")
        }
    }
}

#[test]
fn invalid_type_data_is_refused_by_field() {
    let mut failures = Vec::new();
    for (event_type, type_data, refused) in [
        ("scale", r#"{"previous_containers":{},"containers":{"web":1}}"#, "accepted"),
        (
            "scale",
            r#"{"previous_containers":{},"containers":{"web":"one"}}"#,
            "events[0].type_data.containers.web: must be a whole number from 0 to 4294967295",
        ),
        (
            "scale",
            r#"{"previous_containers":{},"containers":{"web":-1}}"#,
            "events[0].type_data.containers.web: must be a whole number from 0 to 4294967295",
        ),
        ("scale", r#"{"containers":{}}"#, "events[0].type_data: missing field `previous_containers`"),
        (
            "scale",
            r#"{"previous_containers":{},"containers":{},"color":"red"}"#,
            "events[0].type_data.color: unknown field `color`, expected one of `previous_containers`, `containers`, `previous_sizes`, `sizes`",
        ),
        ("new_event", "{}", "events[0].type: unknown event type new_event; list: /v1/event_types"),
        (
            "delete domain",
            "{}",
            "events[0].type: unknown event type delete domain; did you mean delete_domain? list: /v1/event_types",
        ),
        ("new_domain", r#"{"name":"a.io","ssl":false}"#, "accepted"),
        ("new_domain", r#"{"ssl":false}"#, "events[0].type_data.hostname: is missing"),
        (
            "new_domain",
            r#"{"hostname":"a.io","name":"b.io","ssl":false}"#,
            "events[0].type_data.name: must equal hostname",
        ),
        ("add_credit", r#"{"payment_method":"paypal","value":50.0}"#, "accepted"),
        ("add_credit", r#"{"payment_method":"paypal"}"#, "events[0].type_data.amount: is missing"),
        (
            "add_credit",
            r#"{"payment_method":"paypal","amount":1.0,"value":2.0}"#,
            "events[0].type_data.value: must equal amount",
        ),
        ("add_payment_method", r#"{"billing_profile":{"payment_method_type":"sepa"}}"#, "accepted"),
        (
            "add_payment_method",
            r#"{"payment_method_type":"stripe","stripe":{"brand":"v","last4":"4242424242424242","exp":"01/2027"}}"#,
            "events[0].type_data.stripe.last4: must be exactly the last four digits of the card",
        ),
        (
            "add_payment_method",
            r#"{"company":"a","billing_profile":{"company":"b","payment_method_type":"sepa"}}"#,
            "events[0].type_data.billing_profile: must equal the top-level fields",
        ),
        ("add_payment_method", "{}", "events[0].type_data.payment_method_type: is missing"),
        (
            "login_success",
            r#"{"remote_ip":"1.2.3"}"#,
            "events[0].type_data.remote_ip: invalid IP address syntax",
        ),
        (
            "deployment",
            r#"{"deployment_id":"1","pusher":"j","status":"success","duration":1,"last_commits":{"remaining":0,"commits":[
                {"id":"1"},{"id":"2","author":{"name":"j","name":"k"}}]}}"#,
            "events[0].type_data.last_commits.commits[1].author: duplicate field `name`",
        ),
        (
            "new_notifier",
            r#"{"notifier_name":"n","notifier_type_data":{"url":1,"url":2}}"#,
            "events[0].type_data.notifier_type_data: duplicate field `url`",
        ),
        (
            "new_notifier",
            r#"{"notifier_name":"n","notifier_type_data":[]}"#,
            "events[0].type_data.notifier_type_data: must be an object",
        ),
        (
            "restart",
            r#"{"reason":"boredom"}"#,
            "events[0].type_data.reason: unknown variant `boredom`, expected one of `user_restart`, `unexpected_failure`, `rebalancing_operation`, `security_maintenance`",
        ),
        ("delete_project", "{}", "accepted"),
        ("new_project_transfer_invitation", "{}", "events[0].type_data.invitation_id: is missing"),
        (
            "accept_project_transfer_invitation",
            r#"{"invitation_id":"1","transfer_invitation_id":"2"}"#,
            "events[0].type_data.transfer_invitation_id: must equal invitation_id",
        ),
        (
            "new_autoscaler",
            r#"{"container_type":"web","min_containers":1,"max_containers":"2","metric":"cpu","target":1}"#,
            "accepted",
        ),
        ("restart", "null", "accepted"),
    ] {
        let got = refusal(event_type, type_data);
        if got != refused {
            failures.push(format!("{event_type} {type_data}\n  expected: {refused}\n  got:      {got}"));
        }
    }
    assert!(failures.is_empty(), "{} failed\n\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn the_document_of_event_types_is_up_to_date() {
    let example = |name: &str| {
        let wanted =
            EXAMPLES.lines().find(|line| annals_model::event::type_in(line.as_bytes()) == Some(name))?;
        let value: serde_json::Value = serde_json::from_str(wanted).ok()?;
        serde_json::to_string_pretty(&value).ok()
    };
    let document = catalogue::events_document(example);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/events.md");
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == document,
        "docs/events.md is out of date: run UPDATE_DOCUMENTS=1 cargo test -p annals-model"
    );
}
