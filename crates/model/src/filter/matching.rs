//! What a filter means: which events match.

use memchr::memmem;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Actor, Filter, Text};
use crate::event;

/// The parts of an event that filters ask for.
#[derive(Deserialize, Default)]
struct Parts<'a> {
    user: Option<User>,
    app_id: Option<String>,
    app_name: Option<String>,
    project_name: Option<String>,
    #[serde(borrow)]
    type_data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct User {
    username: Option<String>,
    email: Option<String>,
    id: Option<String>,
}

impl Filter {
    /// Returns whether an event matches. `stored` is its canonical JSON, and `seen` that JSON without the fields that are hidden
    /// from the reader. Hidden fields never make an event match.
    pub fn matches(&self, stored: &[u8], seen: &[u8]) -> bool {
        Candidate { stored, seen, parts: None }.matches(self)
    }
}

struct Candidate<'a> {
    stored: &'a [u8],
    seen: &'a [u8],
    parts: Option<Parts<'a>>,
}

impl<'a> Candidate<'a> {
    fn matches(&mut self, filter: &Filter) -> bool {
        match filter {
            Filter::All(all) => all.iter().all(|part| self.matches(part)),
            Filter::Any(any) => any.iter().any(|part| self.matches(part)),
            Filter::Not(not) => !self.matches(not),
            Filter::Type(types) => {
                event::type_in(self.seen).is_some_and(|name| types.iter().any(|of| of.name == name))
            }
            Filter::Category(categories) => event::type_in(self.seen)
                .and_then(crate::catalogue::find)
                .is_some_and(|event_type| categories.contains(&event_type.category)),
            Filter::Created(created) => {
                event::created_at_in(self.seen).is_some_and(|time| created.contains(time))
            }
            Filter::Actor(actors) => {
                let user = self.parts().user.as_ref();
                actors.iter().any(|actor| match (actor, user) {
                    (Actor::None, user) => user.is_none(),
                    (Actor::Named(name), Some(user)) => [&user.username, &user.email, &user.id]
                        .into_iter()
                        .flatten()
                        .any(|has| is_same(has, name)),
                    (Actor::Named(_), None) => false,
                })
            }
            Filter::App(apps) => {
                let parts = self.parts();
                let names = [&parts.app_id, &parts.app_name];
                apps.iter().any(|app| names.into_iter().flatten().any(|has| is_same(has, app)))
            }
            Filter::Text(texts) => texts.iter().any(|text| self.contains(text)),
        }
    }

    fn parts(&mut self) -> &Parts<'a> {
        let seen = self.seen;
        self.parts.get_or_insert_with(|| serde_json::from_slice(seen).unwrap_or_default())
    }

    fn contains(&mut self, text: &Text) -> bool {
        let (stored, seen) = (self.stored, self.seen);
        self.is_in_fields(text) || sentence(stored, seen).is_some_and(|sentence| text.is_in(&sentence))
    }

    fn is_in_fields(&mut self, text: &Text) -> bool {
        if text.is_certainly_not_in(self.seen) {
            return false;
        }
        let parts = self.parts();
        let people = parts.user.iter().flat_map(|user| [&user.username, &user.email]);
        let mut names = people.chain([&parts.app_name, &parts.project_name]).flatten();
        if names.any(|name| text.is_in(name)) {
            return true;
        }
        let data = parts.type_data.and_then(|data| serde_json::from_str::<Value>(data.get()).ok());
        data.is_some_and(|data| text.is_in_values(&data))
    }
}

pub(super) fn is_same(name: &str, asked: &str) -> bool {
    match name.is_ascii() && asked.is_ascii() {
        true => name.eq_ignore_ascii_case(asked),
        false => name.to_lowercase() == asked.to_lowercase(),
    }
}

/// Returns the event's sentence. It has only public fields, so it is made from all of them.
fn sentence(stored: &[u8], seen: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Data<'a> {
        #[serde(borrow)]
        type_data: &'a RawValue,
    }
    let event_type = event::type_in(seen).and_then(crate::catalogue::find)?;
    let Data { type_data } = serde_json::from_slice(stored).ok()?;
    Some(event_type.parse(type_data).ok()?.sentence())
}

impl Text {
    fn is_in(&self, value: &str) -> bool {
        value.to_lowercase().contains(&self.lower)
    }

    /// Returns whether a search of the bytes shows that no field of an event has the text. That is quicker than parsing. It shows
    /// nothing if the text may be escaped in JSON, or if the event has letters that are ASCII only in lower case.
    fn is_certainly_not_in(&self, json: &[u8]) -> bool {
        let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
        self.lower.bytes().all(is_plain)
            && json.is_ascii()
            && memmem::find(&json.to_ascii_lowercase(), self.lower.as_bytes()).is_none()
    }

    fn is_in_values(&self, value: &Value) -> bool {
        match value {
            Value::Null => false,
            Value::Bool(_) | Value::Number(_) => self.is_in(&value.to_string()),
            Value::String(text) => self.is_in(text),
            Value::Array(items) => items.iter().any(|item| self.is_in_values(item)),
            Value::Object(fields) => fields.values().any(|field| self.is_in_values(field)),
        }
    }
}
