//! One event, and its canonical JSON.

use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::json::write_json;
use crate::{AppId, EventId, Person, Time, TypeData};

/// An app as an event names it. A later rename does not change the name here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppRef {
    /// The app's permanent identifier.
    pub id: AppId,
    /// Its name at that moment; the new name if the event is a rename.
    pub name: String,
}

/// A project as an event names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectRef {
    /// The project's identifier on the platform.
    pub id: String,
    /// Its name at that moment.
    pub name: String,
}

/// One immutable record of who did what, to which app, when.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Unique over all timelines.
    pub id: EventId,
    /// When it happened. Events before it in a timeline may have happened later: reports may come late.
    pub created_at: Time,
    /// Who did it; `None` if an add-on or the platform did.
    pub user: Option<Person>,
    /// The app it belongs to; `None` if it concerns only an account.
    pub app: Option<AppRef>,
    /// The project that it names; `None` if none.
    pub project: Option<ProjectRef>,
    /// What happened.
    pub data: TypeData,
}

impl Event {
    /// Returns the canonical JSON: the bytes that are stored and served, and never change.
    ///
    /// `id` and `created_at` come first and have fixed lengths, so both can be read from stored bytes without parsing.
    pub fn to_json(&self) -> Vec<u8> {
        // Most events have a shorter tail.
        let mut tail = Vec::with_capacity(512);
        self.write_tail_to(&mut tail);
        Self::json_with_tail(self.id, self.created_at, &tail)
    }

    /// Appends the canonical JSON after `created_at`: the part that can be written before the identifier and the time
    /// are known.
    pub fn write_tail_to(&self, out: &mut Vec<u8>) {
        if let Some(user) = &self.user {
            out.extend_from_slice(b",\"user\":");
            write_json(user, out);
        }
        if let Some(app) = &self.app {
            out.extend_from_slice(b",\"app_id\":\"");
            out.extend_from_slice(&app.id.to_hex());
            out.extend_from_slice(b"\",\"app_name\":");
            write_json(&app.name, out);
        }
        if let Some(project) = &self.project {
            out.extend_from_slice(b",\"project_id\":");
            write_json(&project.id, out);
            out.extend_from_slice(b",\"project_name\":");
            write_json(&project.name, out);
        }
        out.extend_from_slice(b",\"type\":\"");
        out.extend_from_slice(self.data.event_type().name.as_bytes());
        out.extend_from_slice(b"\",\"type_data\":");
        self.data.write_to(out);
        out.push(b'}');
    }

    /// Returns the canonical JSON of an event with this identifier, time and tail (see [`Event::write_tail_to`]).
    pub fn json_with_tail(id: EventId, created_at: Time, tail: &[u8]) -> Vec<u8> {
        let head_bytes =
            ID_OPENING.len() + EventId::BYTES * 2 + CREATED_AT_OPENING.len() + Time::TEXT_BYTES + 1;
        let mut out = Vec::with_capacity(head_bytes + tail.len());
        out.extend_from_slice(ID_OPENING);
        out.extend_from_slice(&id.to_hex());
        out.extend_from_slice(CREATED_AT_OPENING);
        created_at.write_to(&mut out);
        out.push(b'"');
        out.extend_from_slice(tail);
        out
    }
}

const ID_OPENING: &[u8] = b"{\"id\":\"";
const CREATED_AT_OPENING: &[u8] = b"\",\"created_at\":\"";
const TYPE_OPENING: &[u8] = b",\"type\":\"";

/// Reads the identifier from canonical JSON; `None` if the bytes are not canonical.
pub fn id_in(json: &[u8]) -> Option<EventId> {
    let text = json.strip_prefix(ID_OPENING)?.get(..EventId::BYTES * 2)?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Reads the time from canonical JSON; `None` if the bytes are not canonical.
pub fn created_at_in(json: &[u8]) -> Option<Time> {
    let rest = json.strip_prefix(ID_OPENING)?.get(EventId::BYTES * 2..)?;
    let text = rest.strip_prefix(CREATED_AT_OPENING)?.get(..Time::TEXT_BYTES)?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Reads the app's identifier from canonical JSON; `None` if the event has no app or the bytes are not canonical.
pub fn app_id_in(json: &[u8]) -> Option<AppId> {
    // `app_id` comes before the type. `type_data` comes after the type, and may have a key of the same name.
    let end = memmem::find(json, TYPE_OPENING)?;
    text_of(json.get(..end)?, b",\"app_id\":\"")?.parse().ok()
}

/// Reads the type's name from canonical JSON; `None` if the bytes are not canonical.
///
/// Text within an event cannot be mistaken for the key, because quotation marks in it are escaped.
pub fn type_in(json: &[u8]) -> Option<&str> {
    text_of(json, TYPE_OPENING)
}

/// Returns the text after the first occurrence of the key, up to the next quotation mark.
fn text_of<'a>(json: &'a [u8], key: &[u8]) -> Option<&'a str> {
    let start = memmem::find(json, key)? + key.len();
    let rest = json.get(start..)?;
    let end = rest.iter().position(|&byte| byte == b'"')?;
    std::str::from_utf8(&rest[..end]).ok()
}
