//! Reports: whatever is accepted can be written, and is read back as the same event.

#![no_main]

use annals_model::{Account, App, Event, EventId, Report, Time, report};
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &str| {
    _ = Report::parse(body);
    for parsed in [report::parse_json(body), report::parse_ndjson(body)] {
        parsed.into_iter().flatten().for_each(check);
    }
});

fn check(report: Report) {
    let created_at = report.created_at.unwrap_or(Time::EPOCH);
    let event = Event {
        id: report.id.unwrap_or(EventId::assigned(created_at, 0, 0)),
        created_at,
        user: report.user,
        app: report.app,
        data: report.data,
    };
    let json = event.to_json();
    let read = Event::from_json(&json).expect("what was written is read");
    assert_eq!(read, event);
    assert_eq!(read.to_json(), json);
    if let Some(app) = &event.app {
        App::apply(&mut Arc::new(App::first_seen(app, created_at)), &event);
    }
    if let Some(user) = &event.user {
        Account::apply(&mut Arc::new(Account::first_seen(user, created_at)), &event);
    }
}
