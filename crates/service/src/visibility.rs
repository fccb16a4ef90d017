//! Visibility: which fields of events and states a reader may see. Nothing else decides this.
//!
//! The model gives each field a class (`annals_model::Class`). This module decides who sees which class:
//!
//! | reader | public | credentials inside URLs | secret | personal |
//! |---|---|---|---|---|
//! | operator, owner, collaborator | yes | yes | yes | yes |
//! | auditor | yes | no | no | yes |
//! | limited collaborator | yes | no | no | no |
//! | a user without a role in the app, who reads their own timeline | yes | no | no | no |
//!
//! It fails closed: a field without a class is shown only to readers who see all classes.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use annals_model::catalogue::{self, EventType, Scope};
use annals_model::field_class::REST;
use annals_model::{
    App, AppId, Class, Classed as _, Classes, Field, FieldShape, Role, UserId, event, hide, public_url,
};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use crate::{Error, Service};

/// The classes that limited collaborators, and users without a role, do not see. Fields of these classes are called sensitive.
const SENSITIVE: Classes = Classes::of(&[Class::Secret, Class::Personal, Class::Url]);

/// The number of apps that are looked up at once for one reader.
const APPS_AT_ONCE: usize = 8;

/// The classes of fields that a reader may see of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visibility {
    hidden: Classes,
}

impl Visibility {
    /// All fields.
    pub const ALL: Self = Self { hidden: Classes::NONE };
    /// All fields but secrets, and the credentials inside URLs.
    pub(crate) const AUDITOR: Self = Self { hidden: Classes::of(&[Class::Secret, Class::Url]) };
    pub(crate) const LIMITED: Self = Self { hidden: SENSITIVE };

    /// Returns what a role may see. A user without a role sees the public fields of their own events.
    pub fn of(role: Option<Role>) -> Self {
        match role {
            Some(Role::Operator | Role::Owner | Role::Collaborator) => Self::ALL,
            Some(Role::Auditor) => Self::AUDITOR,
            Some(Role::LimitedCollaborator) | None => Self::LIMITED,
        }
    }

    /// Returns an event without its hidden fields, in canonical form. Returns `null` if fields have to be hidden and the event
    /// cannot be parsed.
    pub fn event(self, stored: &Bytes) -> Bytes {
        let event_type = event::type_in(stored).and_then(catalogue::find);
        match event_type {
            _ if self == Self::ALL => stored.clone(),
            Some(event_type) if !event_type.classes.intersects(self.hidden) => stored.clone(),
            Some(event_type) => {
                let mut event: Value = serde_json::from_slice(stored).unwrap_or_default();
                if let Some(type_data) = event.get_mut("type_data") {
                    hide(type_data, event_type.fields, self.hidden);
                }
                serde_json::to_vec(&event).expect("a value can always be written to memory").into()
            }
            None => Bytes::from_static(b"null"),
        }
    }

    /// Returns the public state of an app without its hidden fields.
    pub fn state(self, app: &App) -> Value {
        let mut state = serde_json::to_value(app).expect("a state can always be written to memory");
        if self != Self::ALL {
            hide(&mut state, App::FIELDS, self.hidden);
        }
        state
    }

    /// Returns a URL. If credentials are hidden, returns it without them, or `None` if it cannot be parsed.
    pub fn url(self, url: &str) -> Option<String> {
        if self.hidden.contains(Class::Url) { public_url(url) } else { Some(url.to_owned()) }
    }

    /// Returns a secret; `None` if it is hidden.
    pub fn secret<T>(self, secret: T) -> Option<T> {
        (!self.hidden.contains(Class::Secret)).then_some(secret)
    }
}

/// Whose sensitive fields an event has, which decides who may see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// An app's: the reader's role in it decides. `None` if it cannot be read which app.
    App(Option<AppId>),
    /// Those of an account, whose user sees them all.
    Account,
}

/// Returns whose sensitive fields an event has; `None` if it has no such field with a value.
pub(crate) fn owner_of_sensitive_fields(stored: &[u8]) -> Option<Owner> {
    let event_type = event::type_in(stored).and_then(catalogue::find);
    let Some(event_type) = event_type else { return Some(Owner::App(event::app_id_in(stored))) };
    let is_sensitive = SENSITIVE_KEYS[event_type.name].iter().any(|key| has_a_value(stored, key));
    is_sensitive.then(|| match event_type.scope {
        Scope::App => Owner::App(event::app_id_in(stored)),
        Scope::Account | Scope::Project => Owner::Account,
    })
}

/// The JSON keys of sensitive fields, by event type. They are searched for in an event to find out whether it has a sensitive
/// value. Most events with such keys are deployments without such values, and then no role has to be looked up.
static SENSITIVE_KEYS: LazyLock<HashMap<&'static str, Vec<String>>> = LazyLock::new(|| {
    let keys = |event_type: &&'static EventType| {
        let mut keys = Vec::new();
        push_sensitive_keys(event_type.fields, &mut keys);
        (event_type.name, keys)
    };
    catalogue::all().iter().map(keys).collect()
});

fn push_sensitive_keys(fields: &[Field], keys: &mut Vec<String>) {
    for field in fields {
        match field.shape {
            FieldShape::Object(fields) | FieldShape::Flattened(fields) => push_sensitive_keys(fields, keys),
            _ if Classes::of_fields(std::slice::from_ref(field)).intersects(SENSITIVE) => {
                // Unnamed fields can have any key. The empty key is found in every event.
                let is_named = field.name != REST;
                keys.push(if is_named { format!("\"{}\":", field.name) } else { String::new() });
            }
            _ => {}
        }
    }
}

/// Returns whether a key has a value anywhere in an event. Quotation marks within JSON strings are escaped, so a string never
/// looks like a key.
fn has_a_value(stored: &[u8], key: &str) -> bool {
    let Ok(text) = std::str::from_utf8(stored) else { return true };
    let mut values = text.match_indices(key).map(|(at, _)| &text[at + key.len()..]);
    values.any(|value| !["null", "[]", "{}"].iter().any(|nothing| value.starts_with(nothing)))
}

/// A reader of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A reader with the same visibility of every event.
    Seeing(Visibility),
    /// A user who reads their own timeline. Their current role in an app decides what they see of its events.
    Own(UserId),
}

impl Service {
    /// Returns events without the fields that are hidden from their reader.
    pub(crate) async fn as_seen(&self, reader: Reader, mut events: Vec<Bytes>) -> Result<Vec<Bytes>, Error> {
        if reader == Reader::Seeing(Visibility::ALL) {
            return Ok(events);
        }
        let owners: Vec<_> = events.iter().map(|event| owner_of_sensitive_fields(event)).collect();
        let visible = self.visible(reader, owners.iter().flatten().copied()).await?;
        for (event, owner) in events.iter_mut().zip(owners) {
            if let Some(owner) = owner {
                *event = visible.of(owner).event(event);
            }
        }
        Ok(events)
    }

    /// Returns what a reader may see of events with sensitive fields of these owners.
    pub(crate) async fn visible(
        &self,
        reader: Reader,
        owners: impl Iterator<Item = Owner>,
    ) -> Result<Visible, Error> {
        let user = match reader {
            Reader::Seeing(visibility) => return Ok(Visible::Alike(visibility)),
            Reader::Own(user) => user,
        };
        let apps: BTreeSet<_> = owners
            .filter_map(|owner| match owner {
                Owner::App(app) => app,
                Owner::Account => None,
            })
            .collect();
        // A database can serve several queries at once. Sending all of them at once would take the connections that other
        // requests need.
        let visible = stream::iter(apps).map(async |id| {
            let role = match self.app(id).await? {
                Some(app) => self.role_in(&app, user).await?,
                None => None,
            };
            Ok::<_, Error>((id, Visibility::of(role)))
        });
        Ok(Visible::ByApp(visible.buffer_unordered(APPS_AT_ONCE).try_collect().await?))
    }
}

/// What a reader may see of events.
pub(crate) enum Visible {
    Alike(Visibility),
    ByApp(HashMap<AppId, Visibility>),
}

impl Visible {
    pub(crate) fn of(&self, owner: Owner) -> Visibility {
        match (self, owner) {
            (Self::Alike(visibility), _) => *visibility,
            // Nobody reads the events of other accounts by app.
            (Self::ByApp(_), Owner::Account) => Visibility::ALL,
            (Self::ByApp(apps), Owner::App(app)) => {
                app.and_then(|app| apps.get(&app).copied()).unwrap_or(Visibility::LIMITED)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_event_with_a_value_in_a_sensitive_field_is_sensitive() {
        let deployment = |url: &str, commits: &str| {
            format!(
                r#"{{"id":"6905bc8073636100011a0000","app_id":"5343eccd646173000a140000","type":"deployment","type_data":{{"git_ref_url":{url},"last_commits":{{"commits":{commits},"remaining":0}}}}}}"#
            )
        };
        let is_sensitive = |event: &str| owner_of_sensitive_fields(event.as_bytes()).is_some();
        assert!(!is_sensitive(&deployment("null", "[]")));
        assert!(is_sensitive(&deployment(r#""https://example.com""#, "[]")));
        assert!(is_sensitive(&deployment("null", r#"[{"url":"https://u:p@example.com"}]"#)));
        for event_type in catalogue::all() {
            assert_eq!(!SENSITIVE_KEYS[event_type.name].is_empty(), event_type.classes.intersects(SENSITIVE));
            // Any sensitive key with a value makes its event sensitive.
            for key in &SENSITIVE_KEYS[event_type.name] {
                let event = format!(r#"{{"type":"{}","type_data":{{{key}"s"}}}}"#, event_type.name);
                assert!(is_sensitive(&event.replace("{\"type\"", "{\"id\":\"\",\"type\"")), "{event}");
            }
        }
    }

    #[test]
    fn an_unreadable_event_is_shown_only_to_readers_who_see_all_fields() {
        for stored in [
            r#"{"id":"6905bc8073636100011a0000","type":"of_a_later_version","type_data":{"secret":"s"}}"#,
            r#"{"id":"6905bc8073636100011a0000","type":"run","type_data":{"command":"s"#,
            r#"{"type_data":{"command":"s"}}"#,
            "",
        ] {
            let stored = Bytes::from_static(stored.as_bytes());
            assert!(owner_of_sensitive_fields(&stored).is_some(), "{stored:?}");
            assert_eq!(Visibility::LIMITED.event(&stored), "null", "{stored:?}");
            assert_eq!(Visibility::ALL.event(&stored), stored);
        }
    }
}
