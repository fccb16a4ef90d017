//! One event.

use crate::json::write_json;
use crate::{AppId, EventId, Person, Time, TypeData};

/// An app as an event shows it: the name is frozen, whatever the app is called later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppRef {
    /// Its lasting identifier.
    pub id: AppId,
    /// Its name at that moment; where the event is a renaming, the new one.
    pub name: String,
}

/// One immutable record of who did what, to which app, when.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Unique over all timelines.
    pub id: EventId,
    /// When it was; never before the event at the previous position of a timeline.
    pub created_at: Time,
    /// Who did it; absent where an add-on or the platform did.
    pub user: Option<Person>,
    /// The app it belongs to; absent for what concerns an account alone.
    pub app: Option<AppRef>,
    /// What happened.
    pub data: TypeData,
}

impl Event {
    /// The canonical form, the bytes that are stored and served for good.
    ///
    /// `id` and `created_at` come first and have fixed lengths, so that both can be read from stored bytes without
    /// parsing them.
    pub fn to_json(&self) -> Vec<u8> {
        // Most tails of the catalogue's events are shorter.
        let mut tail = Vec::with_capacity(512);
        self.write_tail_to(&mut tail);
        Self::json_with_tail(self.id, self.created_at, &tail)
    }

    /// Appends the canonical form from behind `created_at` on: what can be written before identifier and time are known.
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
        out.extend_from_slice(b",\"type\":\"");
        out.extend_from_slice(self.data.event_type().name.as_bytes());
        out.extend_from_slice(b"\",\"type_data\":");
        self.data.write_to(out);
        out.push(b'}');
    }

    /// The canonical form of an event of that identifier and time, with a tail that was written before.
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

/// The identifier in an event's canonical form; `None` if these bytes are no such form.
pub fn id_in(json: &[u8]) -> Option<EventId> {
    let text = json.strip_prefix(ID_OPENING)?.get(..EventId::BYTES * 2)?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The app in an event's canonical form; `None` if it has none, or if these bytes are no such form.
pub fn app_id_in(json: &[u8]) -> Option<AppId> {
    // It stands before the type, and what comes after that may have such a key of its own.
    let end = json.windows(TYPE_OPENING.len()).position(|window| window == TYPE_OPENING)?;
    text_of(json.get(..end)?, b",\"app_id\":\"")?.parse().ok()
}

/// The type's name in an event's canonical form; `None` if these bytes are no such form.
///
/// No text inside an event can be taken for the key: a quotation mark in one is always escaped.
pub fn type_in(json: &[u8]) -> Option<&str> {
    text_of(json, TYPE_OPENING)
}

/// The text behind the first such key, up to the next quotation mark.
fn text_of<'a>(json: &'a [u8], key: &[u8]) -> Option<&'a str> {
    let start = json.windows(key.len()).position(|window| window == key)? + key.len();
    let rest = json.get(start..)?;
    let end = rest.iter().position(|&byte| byte == b'"')?;
    std::str::from_utf8(&rest[..end]).ok()
}
