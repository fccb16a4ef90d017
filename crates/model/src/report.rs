//! Reports: events that a trusted component says have happened.
//!
//! A report is a fact, not a request. It is checked against the catalogue, never against the state.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::catalogue::{self, EventType, Scope};
use crate::json::plain_message;
use crate::limits::NAME_BYTES_MAX;
use crate::{AppId, AppRef, Event, EventId, FieldErrors, Person, ProjectRef, Time, TypeData, nearest};

/// The most events in one request.
pub const EVENTS_MAX: usize = 10_000;

/// The largest reported event, in bytes.
pub const EVENT_BYTES_MAX: usize = 1 << 20;

/// The most invalid events that an error names.
const INVALID_EVENTS_MAX: usize = 100;

/// How far ahead of the server's clock a reported event may be, in milliseconds: as far as clocks differ.
pub const AHEAD_MILLIS_MAX: u64 = 5 * 60 * 1000;

/// Where an event is in the body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// The number of the event in a list, from 0.
    Item(usize),
    /// The number of its line, from 1, as an editor counts it.
    Line(usize),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(index) => write!(f, "events[{index}]"),
            Self::Line(number) => write!(f, "line {number}"),
        }
    }
}

/// One reported event, checked against the catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Where it is in the request, so that errors can name it.
    pub location: Location,
    /// The event's identifier; `None` if it is still to be assigned.
    pub id: Option<EventId>,
    /// When it happened; `None` for now.
    pub created_at: Option<Time>,
    /// Who did it; `None` if an add-on or the platform did.
    pub user: Option<Person>,
    /// The app it belongs to; `None` if it concerns only an account.
    pub app: Option<AppRef>,
    /// The project that it names; `None` if none.
    pub project: Option<ProjectRef>,
    /// What happened.
    pub data: TypeData,
}

/// The error for a request body that is not a valid list of reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidReports {
    /// The body is not JSON of the expected form. The text says where.
    Malformed(String),
    /// Some events do not match the catalogue. Fields are named like `events[3].type_data.name` or `line 4.type_data.name`.
    Invalid(FieldErrors),
}

/// A reported event, whose `type_data` is parsed once the type is known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    id: Option<EventId>,
    created_at: Option<Time>,
    user: Option<Person>,
    app_id: Option<AppId>,
    app_name: Option<String>,
    project_id: Option<String>,
    project_name: Option<String>,
    #[serde(borrow, rename = "type")]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    type_data: Option<&'a RawValue>,
}

impl Report {
    /// Parses one event, reported or stored.
    ///
    /// # Errors
    ///
    /// Returns the fields that do not match the catalogue; an empty name stands for the event itself.
    pub fn parse(json: &str) -> Result<Self, FieldErrors> {
        require_object(json)?;
        let envelope: Envelope<'_> = serde_json::from_str(json).or_else(|_| {
            serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(json)).map_err(
                |error: serde_path_to_error::Error<serde_json::Error>| {
                    let path = error.path().to_string();
                    let field = if path == "." { String::new() } else { path };
                    FieldErrors::one(field, plain_message(error.inner()))
                },
            )
        })?;
        let Envelope {
            id,
            created_at,
            user,
            app_id,
            app_name,
            project_id,
            project_name,
            event_type,
            type_data,
        } = envelope;
        let event_type = catalogue::find(&event_type)
            .ok_or_else(|| FieldErrors::one("type", unknown_type(&event_type)))?;
        let empty = RawValue::from_string("{}".to_owned()).expect("an empty object is JSON");
        let type_data = type_data.unwrap_or(&empty);
        let data = require_object(type_data.get())
            .and_then(|()| event_type.parse(type_data))
            .map_err(|errors| errors.within("type_data"))?;
        let app = app_of(event_type, app_id, app_name)?;
        let project = project_of(event_type, project_id, project_name)?;
        if event_type.scope != Scope::App && user.is_none() {
            let message = format!("is missing: {} belongs to an account", event_type.name);
            return Err(FieldErrors::one("user", message));
        }
        Ok(Self { location: Location::Item(0), id, created_at, user, app, project, data })
    }
}

/// Returns the app that an event names: every event of an app names one, and no other does.
fn app_of(
    event_type: &EventType,
    id: Option<AppId>,
    name: Option<String>,
) -> Result<Option<AppRef>, FieldErrors> {
    let is_missing = || format!("is missing: {} belongs to an app", event_type.name);
    let must_be_absent = || format!("must be absent: {} belongs to no app", event_type.name);
    match (event_type.scope == Scope::App, id, name) {
        (true, Some(id), Some(name)) if !name.is_empty() => Ok(Some(AppRef { id, name })),
        (true, None, _) => Err(FieldErrors::one("app_id", is_missing())),
        (true, Some(_), _) => Err(FieldErrors::one("app_name", is_missing())),
        (false, None, None) => Ok(None),
        (false, Some(_), _) => Err(FieldErrors::one("app_id", must_be_absent())),
        (false, None, Some(_)) => Err(FieldErrors::one("app_name", must_be_absent())),
    }
}

/// Returns the project that an event names. Every event of a project names one, and any other event may.
fn project_of(
    event_type: &EventType,
    id: Option<String>,
    name: Option<String>,
) -> Result<Option<ProjectRef>, FieldErrors> {
    let (id, name) = (id.unwrap_or_default(), name.unwrap_or_default());
    if id.is_empty() && name.is_empty() && event_type.scope != Scope::Project {
        return Ok(None);
    }
    for (field, text) in [("project_id", &id), ("project_name", &name)] {
        if text.is_empty() {
            return Err(FieldErrors::one(field, "is missing: an event names a project with both"));
        }
        catalogue::check_length(field, text)?;
    }
    Ok(Some(ProjectRef { id, name }))
}

impl Event {
    /// Parses an event from its canonical JSON; `None` if the bytes are not canonical JSON of an event.
    pub fn from_json(json: &[u8]) -> Option<Self> {
        let Report { id, created_at, user, app, project, data, .. } =
            Report::parse(std::str::from_utf8(json).ok()?).ok()?;
        Some(Self { id: id?, created_at: created_at?, user, app, project, data })
    }
}

/// Returns the message for a type that is not in the catalogue.
fn unknown_type(name: &str) -> String {
    let known = nearest(name, catalogue::all().iter().map(|event_type| event_type.name));
    let meant = known.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
    let separator = if meant.is_empty() { ";" } else { "" };
    format!("unknown event type {name}{meant}{separator} list: /v1/event_types")
}

/// Refuses anything but an object. Serde would accept an array and read it as the fields in order.
fn require_object(json: &str) -> Result<(), FieldErrors> {
    if json.trim_start().starts_with('{') {
        return Ok(());
    }
    Err(FieldErrors::one("", "must be an object"))
}

/// Parses a body of the form `{"events":[…]}`. With `meta` besides, it is a page of a timeline, as an Events API serves it: its
/// events come newest first, and are returned oldest first.
///
/// # Errors
///
/// Fails if the body has another form, has more than [`EVENTS_MAX`] events, or contains an invalid event.
pub fn parse_json(body: &str) -> Result<Vec<Report>, InvalidReports> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body<'a> {
        #[serde(borrow)]
        events: Vec<&'a RawValue>,
        meta: Option<IgnoredAny>,
    }
    let body: Body<'_> =
        serde_json::from_str(body).map_err(|error| InvalidReports::Malformed(error.to_string()))?;
    let events = body.events.iter().enumerate();
    let mut reports = parse_all(events.map(|(index, json)| (Location::Item(index), json.get())))
        .map_err(InvalidReports::Invalid)?;
    if body.meta.is_some() {
        reports.reverse();
    }
    Ok(reports)
}

/// Parses a body with one event per line; empty lines are ignored.
///
/// # Errors
///
/// Fails if there are more than [`EVENTS_MAX`] events, or if a line is not JSON or no valid event.
pub fn parse_ndjson(body: &str) -> Result<Vec<Report>, FieldErrors> {
    let lines = body.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    parse_all(lines.map(|(index, line)| (Location::Line(index + 1), line)))
}

fn parse_all<'a>(
    events: impl Iterator<Item = (Location, &'a str)> + Clone,
) -> Result<Vec<Report>, FieldErrors> {
    let count = events.clone().count();
    if count > EVENTS_MAX {
        let message = format!("must have at most {EVENTS_MAX} events, has {count}");
        return Err(FieldErrors::one("events", message));
    }
    let mut reports = Vec::with_capacity(count);
    let mut invalid = Vec::new();
    for (location, json) in events {
        match parse_bounded(json) {
            Ok(report) => reports.push(Report { location, ..report }),
            Err(errors) => invalid.push(errors.within(&location.to_string())),
        }
        if invalid.len() == INVALID_EVENTS_MAX {
            break;
        }
    }
    FieldErrors::all(invalid).map_or(Ok(reports), Err)
}

/// Returns what makes a text no JSON; `None` if it is JSON.
fn not_json(text: &str) -> Option<FieldErrors> {
    let error = serde_json::from_str::<&RawValue>(text).err()?;
    let message = format!("is not JSON: {} at column {}", plain_message(&error), error.column());
    Some(FieldErrors::one("", message))
}

/// Does the same as [`Report::parse`], and checks the limits for events from outside.
fn parse_bounded(json: &str) -> Result<Report, FieldErrors> {
    if json.len() > EVENT_BYTES_MAX {
        return Err(FieldErrors::one("", format!("must not be longer than {EVENT_BYTES_MAX} bytes")));
    }
    // What is wrong with a field of what is no JSON does not matter.
    let report = Report::parse(json).map_err(|errors| not_json(json).unwrap_or(errors))?;
    if let Some(user) = &report.user {
        user.check().map_err(|errors| errors.within("user"))?;
    }
    match &report.app {
        Some(app) if app.name.len() > NAME_BYTES_MAX => {
            Err(FieldErrors::one("app_name", format!("must not be longer than {NAME_BYTES_MAX} bytes")))
        }
        _ => Ok(report),
    }
}
