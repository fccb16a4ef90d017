//! Reports: events that a trusted component states have happened.
//!
//! A report is a fact, not a request. It is checked against the catalogue, never against the state.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::catalogue::{self, Scope};
use crate::field_errors::within;
use crate::json::plain_message;
use crate::limits::NAME_BYTES_MAX;
use crate::{AppId, AppRef, Event, EventId, FieldErrors, Person, Time, TypeData, nearest};

/// The most events one request may report.
pub const EVENTS_MAX: usize = 10_000;

/// The most bytes one reported event may have.
pub const EVENT_BYTES_MAX: usize = 1 << 20;

/// How far ahead of the clock a reported event may be: clocks differ, but an event far in the future would hold up the
/// times of its timelines until then.
pub const AHEAD_MILLIS_MAX: u64 = 60 * 60 * 1000;

/// One reported event, checked against the catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Its identifier, where it has one already; assigned otherwise.
    pub id: Option<EventId>,
    /// When it was, where that is not now.
    pub created_at: Option<Time>,
    /// Who did it.
    pub user: Option<Person>,
    /// The app it belongs to.
    pub app: Option<AppRef>,
    /// What happened.
    pub data: TypeData,
}

/// Why a request body is no list of reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidReports {
    /// It is no JSON of the form asked for; the text says where it stops being that.
    Malformed(String),
    /// Some events are not what the catalogue says; fields are named as `events[3].type_data.name`.
    Invalid(FieldErrors),
}

/// The envelope as it is reported; `type_data` is read once the type is known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    id: Option<EventId>,
    created_at: Option<Time>,
    user: Option<Person>,
    app_id: Option<AppId>,
    app_name: Option<String>,
    #[serde(borrow, rename = "type")]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    type_data: Option<&'a RawValue>,
}

impl Report {
    /// Reads one event, reported or stored. A refusal names the field.
    pub fn parse(json: &str) -> Result<Self, FieldErrors> {
        require_object(json)?;
        let Envelope { id, created_at, user, app_id, app_name, event_type, type_data } =
            serde_json::from_str(json).or_else(|_| {
                serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(json)).map_err(
                    |error: serde_path_to_error::Error<serde_json::Error>| {
                        let path = error.path().to_string();
                        let field = if path == "." { String::new() } else { path };
                        FieldErrors::one(field, plain_message(error.inner()))
                    },
                )
            })?;
        let event_type = catalogue::find(&event_type)
            .ok_or_else(|| FieldErrors::one("type", unknown_type(&event_type)))?;
        let empty = RawValue::from_string("{}".to_owned()).expect("an empty object is JSON");
        let type_data = type_data.unwrap_or(&empty);
        let data = require_object(type_data.get())
            .and_then(|()| event_type.parse(type_data))
            .map_err(|errors| within("type_data", &errors))?;
        let app = match (event_type.scope, app_id, app_name) {
            (Scope::App, Some(id), Some(name)) if !name.is_empty() => Some(AppRef { id, name }),
            (Scope::App, None, _) => {
                return Err(FieldErrors::one(
                    "app_id",
                    format!("is missing: {} belongs to an app", event_type.name),
                ));
            }
            (Scope::App, Some(_), _) => {
                return Err(FieldErrors::one(
                    "app_name",
                    format!("is missing: {} belongs to an app", event_type.name),
                ));
            }
            (Scope::Account, None, None) => None,
            (Scope::Account, app_id, _) => {
                let field = if app_id.is_some() { "app_id" } else { "app_name" };
                return Err(FieldErrors::one(
                    field,
                    format!("must be absent: {} belongs to no app", event_type.name),
                ));
            }
        };
        if event_type.scope == Scope::Account && user.is_none() {
            return Err(FieldErrors::one(
                "user",
                format!("is missing: {} belongs to an account", event_type.name),
            ));
        }
        Ok(Self { id, created_at, user, app, data })
    }
}

impl Event {
    /// The event of that canonical form; `None` if these bytes are no such form.
    pub fn from_json(json: &[u8]) -> Option<Self> {
        let Report { id, created_at, user, app, data } =
            Report::parse(std::str::from_utf8(json).ok()?).ok()?;
        Some(Self { id: id?, created_at: created_at?, user, app, data })
    }
}

/// What is said of a type that is not in the catalogue.
fn unknown_type(name: &str) -> String {
    let known = nearest(name, catalogue::all().iter().map(|event_type| event_type.name));
    let meant = known.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
    let separator = if meant.is_empty() { ";" } else { "" };
    format!("unknown event type {name}{meant}{separator} list: /v1/event_types")
}

/// Refuses what is no object; serde would read an array as the fields in their order.
fn require_object(json: &str) -> Result<(), FieldErrors> {
    if json.trim_start().starts_with('{') {
        return Ok(());
    }
    Err(FieldErrors::one("", "must be an object"))
}

/// Reads `{"events":[…]}`.
pub fn parse_json(body: &str) -> Result<Vec<Report>, InvalidReports> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body<'a> {
        #[serde(borrow)]
        events: Vec<&'a RawValue>,
    }
    let body: Body<'_> =
        serde_json::from_str(body).map_err(|error| InvalidReports::Malformed(error.to_string()))?;
    parse_all(body.events.len(), body.events.into_iter().map(RawValue::get))
}

/// Reads one event a line; empty lines do not count.
pub fn parse_ndjson(body: &str) -> Result<Vec<Report>, InvalidReports> {
    let lines = || body.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (number, line) in lines() {
        if let Err(error) = serde_json::from_str::<&RawValue>(line) {
            let column = error.column();
            return Err(InvalidReports::Malformed(format!(
                "{} at line {} column {column}",
                plain_message(&error),
                number + 1
            )));
        }
    }
    parse_all(lines().count(), lines().map(|(_, line)| line))
}

fn parse_all<'a>(count: usize, events: impl Iterator<Item = &'a str>) -> Result<Vec<Report>, InvalidReports> {
    if count > EVENTS_MAX {
        let message = format!("must not be more than {EVENTS_MAX}, and are {count}");
        return Err(InvalidReports::Invalid(FieldErrors::one("events", message)));
    }
    events
        .enumerate()
        .map(|(index, json)| {
            parse_bounded(json)
                .map_err(|errors| InvalidReports::Invalid(within(&format!("events[{index}]"), &errors)))
        })
        .collect()
}

/// As [`Report::parse`], for an event that comes from outside.
fn parse_bounded(json: &str) -> Result<Report, FieldErrors> {
    if json.len() > EVENT_BYTES_MAX {
        return Err(FieldErrors::one("", format!("must not be longer than {EVENT_BYTES_MAX} bytes")));
    }
    let report = Report::parse(json)?;
    if let Some(user) = &report.user {
        user.check().map_err(|errors| within("user", &errors))?;
    }
    match &report.app {
        Some(app) if app.name.len() > NAME_BYTES_MAX => {
            Err(FieldErrors::one("app_name", format!("must not be longer than {NAME_BYTES_MAX} bytes")))
        }
        _ => Ok(report),
    }
}
