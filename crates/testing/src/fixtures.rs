//! The identifiers, events and commits that tests are written with.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_model::{AppId, Event, IdSource, Person, RandomIds, Report, Time, UserId};
use annals_service::{Reader, Service, Settings, SystemClock, Visibility};
use annals_store::{
    CommandError, CommitError, Head, NewEvent, RowWrites, Snapshot, Store, TimelineId, WriteSet,
};
use serde_json::Value;

/// The time of the first event.
pub const START: Time = Time::from_millis(1_762_000_000_000);

/// Example events: one of each type of the catalogue, one a line. The types of the contract come first.
pub const EXAMPLES: &str = include_str!("../../../docs/examples.ndjson");

/// Returns the identifier of an app, by number.
pub const fn app(number: u8) -> AppId {
    AppId::from_bytes([number; 12])
}

/// Returns the identifier of a user, by number.
pub const fn user(number: u8) -> UserId {
    UserId::from_bytes([number; 16])
}

/// Returns the user of that number with a name and an address.
pub fn person(number: u8) -> Person {
    Person {
        username: format!("user-{number}"),
        email: format!("user-{number}@example.com"),
        id: user(number),
    }
}

/// Returns an event that the store does not have yet.
pub fn event(ids: &RandomIds, app: Option<AppId>, user: Option<UserId>, time: Time) -> NewEvent {
    let id = ids.event_id(time);
    let json =
        format!(r#"{{"id":"{id}","created_at":"{time}","type":"restart","type_data":{{}}}}"#).into_bytes();
    NewEvent { id, is_indexed: false, created_at: time, event_type: "restart", app, user, json }
}

/// Reads an event as `POST /v1/events` takes it.
pub fn report(event: &Value) -> Report {
    Report::parse(&event.to_string()).expect("the event is valid")
}

/// Commits what a closure decides.
///
/// # Errors
///
/// Returns the reason why the closure or the store refused.
pub async fn commit(
    store: &dyn Store,
    decide: impl FnMut(&dyn Snapshot) -> Result<WriteSet, CommandError> + Send + 'static,
) -> Result<(), CommitError> {
    store.commit(Box::new(decide)).await
}

/// Commits the rows that a closure writes.
pub async fn write_rows(store: &dyn Store, write: impl Fn(&mut RowWrites) + Send + 'static) {
    let decide = move |_: &dyn Snapshot| {
        let mut writes = WriteSet::default();
        write(&mut writes.rows);
        Ok(writes)
    };
    commit(store, decide).await.expect("the rows can be written");
}

/// Reads the events of a timeline, oldest first.
pub async fn timeline(store: &dyn Store, timeline: TimelineId) -> Vec<Event> {
    let length = store.head(timeline).await.expect("the timeline can be read").length;
    let events = store.read(timeline, 1..=length, usize::MAX).await.expect("the timeline can be read");
    events.iter().rev().map(|json| Event::from_json(json).expect("stored events are valid")).collect()
}

/// Counts the events on the platform timeline up to that position, by type.
pub async fn count_by_type(store: &dyn Store, up_to: u64) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for commit in store.platform(0, usize::MAX).await.expect("the platform timeline can be read") {
        for (event, _) in commit.events.iter().zip(commit.first..=up_to) {
            *counts.entry(commit.type_of(event).to_owned()).or_default() += 1;
        }
    }
    counts
}

/// Starts a service over the store, with the machine's clock and the default settings.
pub async fn serve(store: Arc<dyn Store>) -> Service {
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(RandomIds::default()));
    let started = Service::start(store, clock, ids, Settings::default()).await;
    started.expect("the service can start").0
}

/// Reads the events of a timeline at or after a time, newest first, about `bytes_max` bytes at once.
pub async fn events_since(
    service: &Service,
    timeline: TimelineId,
    since: Time,
    bytes_max: usize,
) -> Vec<Event> {
    let head = service.head(timeline).await.expect("the timeline can be read");
    let mut span = service.since(timeline, head, since).await.expect("the timeline can be read");
    let mut all = Vec::new();
    while !span.is_empty() {
        let reader = Reader::Seeing(Visibility::ALL);
        let events = service.next_events(reader, timeline, &mut span, bytes_max).await;
        all.extend(events.expect("the timeline can be read"));
    }
    all.iter().map(|json| Event::from_json(json).expect("stored events are valid")).collect()
}

/// Returns the head of a timeline with these events, oldest first, by comparing each with all before it.
pub fn head_of(events: &[Event]) -> Head {
    let times: Vec<_> = events.iter().map(|event| event.created_at).collect();
    let is_late = |index: &usize| times[..*index].iter().any(|before| *before > times[*index]);
    Head {
        length: times.len() as u64,
        latest: times.iter().copied().max().unwrap_or_default(),
        last_late: (0..times.len()).rev().find(is_late).map_or(0, |index| index as u64 + 1),
    }
}
