//! Reading events from files, and sending them to a server in batches.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use annals_model::report::{EVENTS_MAX, Report};
use annals_model::{EventId, Time};
use anyhow::{Context as _, anyhow};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::api::{Api, Query};

/// The most events and about the most bytes of one request.
const BATCH_EVENTS: usize = if EVENTS_MAX < 5_000 { EVENTS_MAX } else { 5_000 };
const BATCH_BYTES: usize = 8 << 20;

/// An event as it is in a file.
pub(super) struct FoundEvent {
    /// The file, and the number of the event in it, from 1.
    pub(super) at: String,
    pub(super) event_type: String,
    pub(super) id: Option<EventId>,
    pub(super) created_at: Option<Time>,
    /// The event as a line of JSON.
    pub(super) line: String,
    /// Why annals would refuse it; `None` if it would not.
    pub(super) wrong: Option<String>,
}

/// Reads the events of a file, oldest first: lines of JSON, or pages saved from an Events API. `-` is standard input.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<FoundEvent>> {
    let name = path.display().to_string();
    let mut text = String::new();
    let read = match path == Path::new("-") {
        true => std::io::stdin().lock().read_to_string(&mut text),
        false => File::open(path).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.with_context(|| format!("cannot read {name}"))?;
    let mut events = Vec::new();
    let text = text.trim_start_matches('\u{feff}');
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let value = value.map_err(|error| anyhow!("{name}: is not JSON: {error}"))?;
        match value {
            Value::Object(mut page) if page.get("events").is_some_and(Value::is_array) => {
                let is_newest_first = page.contains_key("meta");
                let Some(Value::Array(mut page)) = page.remove("events") else { continue };
                if is_newest_first {
                    page.reverse();
                }
                events.extend(page);
            }
            Value::Array(list) => events.extend(list),
            event => events.push(event),
        }
    }
    Ok(events
        .into_iter()
        .enumerate()
        .map(|(index, event)| check(format!("{name}, event {}", index + 1), event))
        .collect())
}

fn check(at: String, mut event: Value) -> FoundEvent {
    if let Some(fields) = event.as_object_mut() {
        // What an export adds to an event.
        fields.shift_remove("position");
        fields.shift_remove("recorded_at");
    }
    let line = event.to_string();
    let event_type = event["type"].as_str().unwrap_or("without a type").to_owned();
    match Report::parse(&line) {
        Ok(report) => {
            FoundEvent { at, event_type, id: report.id, created_at: report.created_at, line, wrong: None }
        }
        Err(errors) => {
            let wrong = errors.as_map().iter().map(|(field, errors)| match field.is_empty() {
                true => errors.join(", "),
                false => format!("{field} {}", errors.join(", ")),
            });
            FoundEvent {
                at,
                event_type,
                id: None,
                created_at: None,
                line,
                wrong: Some(wrong.collect::<Vec<_>>().join("; ")),
            }
        }
    }
}

/// Cuts events into batches that one request can have.
pub(super) fn batches(events: &[FoundEvent]) -> impl Iterator<Item = &[FoundEvent]> {
    let mut left = events;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fitting = left.iter().take(BATCH_EVENTS).take_while(|event| {
            bytes += event.line.len() + 1;
            bytes <= BATCH_BYTES
        });
        let count = fitting.count().max(1).min(left.len());
        let (batch, rest) = left.split_at(count);
        left = rest;
        (count > 0).then_some(batch)
    })
}

/// What a server did with a batch.
pub(super) struct Sent {
    pub(super) accepted: u64,
    pub(super) skipped: u64,
}

/// What makes sending a batch again harmless.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// The server remembers the batch for a day, and gives the first answer.
    IsRemembered,
    /// The server skips what it has. Only a batch that has an event without an identifier is remembered.
    IsSkipped,
}

/// Sends a batch.
pub(super) async fn send(api: &Api, again: Again, batch: &[&FoundEvent]) -> anyhow::Result<Sent> {
    let mut lines = String::new();
    for event in batch {
        lines.push_str(&event.line);
        lines.push('\n');
    }
    let is_remembered = again == Again::IsRemembered || batch.iter().any(|event| event.id.is_none());
    let key = is_remembered.then(|| hex::encode(Sha256::digest(&lines)));
    let query = match again {
        Again::IsRemembered => Query::new(),
        Again::IsSkipped => vec![("repeats", "skip".to_owned())],
    };
    let answer = api.report(&query, key, &lines).await?;
    let number = |field: &str| answer[field].as_u64().unwrap_or_default();
    Ok(Sent { accepted: number("accepted"), skipped: number("skipped") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u8) -> String {
        format!(
            r#"{{"id":"6905bc8073636100011a00{number:02x}","created_at":"2026-11-01T08:00:{number:02}Z","app_id":"5343eccd646173000a140000","app_name":"a","type":"restart","type_data":{{}}}}"#
        )
    }

    #[test]
    fn every_form_of_file_gives_its_events_oldest_first() {
        let directory = tempfile::tempdir().expect("a directory");
        let (one, two) = (event(1), event(2));
        for (name, text) in [
            ("lines", format!("{one}\n\n{two}")),
            ("list", format!("[{one},{two}]")),
            ("body", format!("{{\"events\":[{one},{two}]}}")),
            ("page", format!("\u{feff}{{\"events\":[{two},{one}],\"meta\":{{}}}}")),
            (
                "export",
                format!(
                    "{}\n{two}\n",
                    one.replacen('{', r#"{"position":7,"recorded_at":"2026-11-01T08:00:00Z","#, 1)
                ),
            ),
        ] {
            let path = directory.path().join(name);
            std::fs::write(&path, text).expect("a file");
            let read = read(&path).expect("events");
            let ids: Vec<_> =
                read.iter().map(|event| event.id.map(|id| id.to_string()).unwrap_or_default()).collect();
            assert_eq!(ids, ["6905bc8073636100011a0001", "6905bc8073636100011a0002"], "{name}");
            assert!(read[0].at.ends_with(&format!("{name}, event 1")), "{}", read[0].at);
        }
    }

    #[test]
    fn what_is_wrong_with_an_event_is_said() {
        let wrong = |event: &str| check("at".to_owned(), serde_json::from_str(event).expect("JSON")).wrong;
        assert_eq!(wrong(&event(1)), None);
        let unknown = wrong(&event(1).replace("restart", "restrat")).expect("it is wrong");
        assert!(unknown.contains("did you mean restart?"), "{unknown}");
        assert_eq!(wrong("7").as_deref(), Some("must be an object"));
    }

    #[test]
    fn batches_have_every_event_once() {
        let events: Vec<_> = (0..12_345u32)
            .map(|number| FoundEvent {
                at: String::new(),
                event_type: String::new(),
                id: None,
                created_at: None,
                line: number.to_string(),
                wrong: None,
            })
            .collect();
        let lengths: Vec<_> = batches(&events).map(<[FoundEvent]>::len).collect();
        assert_eq!(lengths, [5_000, 5_000, 2_345]);
        assert_eq!(batches(&[]).count(), 0);
    }
}
