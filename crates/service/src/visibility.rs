//! Who may see which field of which event and state: the only place that knows.
//!
//! The model gives each field a class (`annals_model::Class`), and this module says who sees which class:
//!
//! | who | public | credentials inside URLs | secret | personal |
//! |---|---|---|---|---|
//! | operator, owner, collaborator | yes | yes | yes | yes |
//! | limited collaborator | yes | no | no | no |
//! | a user, in their own timeline, of an app they no longer work on | yes | no | no | no |
//!
//! It fails closed: a field without a class is shown only to those who see everything.

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

/// What is hidden from all who do not see everything.
const SENSITIVE: Classes = Classes::of(&[Class::Secret, Class::Personal, Class::Url]);

/// How many apps are looked up at once for one reader.
const APPS_AT_ONCE: usize = 8;

/// Which classes of fields somebody sees of one app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visibility {
    hidden: Classes,
}

impl Visibility {
    /// Everything.
    pub const ALL: Self = Self { hidden: Classes::NONE };
    const LIMITED: Self = Self { hidden: SENSITIVE };

    /// What somebody in that role sees. Without a role they still see what is public of their own events.
    pub fn of(role: Option<Role>) -> Self {
        match role {
            Some(Role::Operator | Role::Owner | Role::Collaborator) => Self::ALL,
            Some(Role::LimitedCollaborator) | None => Self::LIMITED,
        }
    }

    /// An event as it is seen, in canonical form. What cannot be read must not be shown: it becomes `null`.
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

    /// The public state of an app as it is seen.
    pub fn state(self, app: &App) -> Value {
        let mut state = serde_json::to_value(app).expect("a state can always be written to memory");
        if self != Self::ALL {
            hide(&mut state, App::FIELDS, self.hidden);
        }
        state
    }

    /// A URL as it is seen: without credentials, where these are hidden; `None` if it cannot be parsed then.
    pub fn url(self, url: &str) -> Option<String> {
        if self.hidden.contains(Class::Url) { public_url(url) } else { Some(url.to_owned()) }
    }

    /// A secret as it is seen.
    pub fn secret<T>(self, secret: T) -> Option<T> {
        (!self.hidden.contains(Class::Secret)).then_some(secret)
    }
}

/// If an event has fields that are hidden from somebody: the app whose roles decide who sees them, or `Some(None)` if the app
/// cannot be read. An event of an account has none: only its user and the operator read it, and both see all fields.
pub(crate) fn app_with_sensitive_fields(stored: &[u8]) -> Option<Option<AppId>> {
    let event_type = event::type_in(stored).and_then(catalogue::find);
    let is_sensitive = event_type.is_none_or(|event_type| {
        event_type.scope == Scope::App
            && SENSITIVE_KEYS[event_type.name].iter().any(|key| has_a_value(stored, key))
    });
    is_sensitive.then(|| event::app_id_in(stored))
}

/// By type, the keys in JSON of what may be hidden. Most events with such keys are deployments, and most of these have no
/// value there: so nobody's role has to be looked up for them.
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
                // Fields that are not named may be anything, so something always stands there.
                let is_named = field.name != REST;
                keys.push(if is_named { format!("\"{}\":", field.name) } else { String::new() });
            }
            _ => {}
        }
    }
}

/// Whether something stands behind a key. A key in a text has other quotation marks, so none is overlooked.
fn has_a_value(stored: &[u8], key: &str) -> bool {
    let Ok(text) = std::str::from_utf8(stored) else { return true };
    let mut values = text.match_indices(key).map(|(at, _)| &text[at + key.len()..]);
    values.any(|value| !["null", "[]", "{}"].iter().any(|nothing| value.starts_with(nothing)))
}

/// Who reads events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Somebody who sees the same of every event.
    Seeing(Visibility),
    /// A user who reads their own timeline: of each app they see what they may see of it now.
    Own(UserId),
}

impl Service {
    /// Events as their reader sees them.
    pub(crate) async fn as_seen(&self, reader: Reader, mut events: Vec<Bytes>) -> Result<Vec<Bytes>, Error> {
        if reader == Reader::Seeing(Visibility::ALL) {
            return Ok(events);
        }
        let apps: Vec<_> = events.iter().map(|event| app_with_sensitive_fields(event)).collect();
        let visible = self.what_is_visible(reader, apps.iter().flatten().copied()).await?;
        for (event, app) in events.iter_mut().zip(apps) {
            if let Some(app) = app {
                *event = visible.of(app).event(event);
            }
        }
        Ok(events)
    }

    /// What a reader sees of each of these apps.
    pub(crate) async fn what_is_visible(
        &self,
        reader: Reader,
        apps: impl Iterator<Item = Option<AppId>>,
    ) -> Result<Visible, Error> {
        let user = match reader {
            Reader::Seeing(visibility) => return Ok(Visible::Alike(visibility)),
            Reader::Own(user) => user,
        };
        let apps: BTreeSet<_> = apps.flatten().collect();
        // An engine over a database answers several at once; but all at once would keep others waiting for its connections.
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

/// What a reader sees of some apps.
pub(crate) enum Visible {
    Alike(Visibility),
    ByApp(HashMap<AppId, Visibility>),
}

impl Visible {
    pub(crate) fn of(&self, app: Option<AppId>) -> Visibility {
        match self {
            Self::Alike(visibility) => *visibility,
            Self::ByApp(apps) => app.and_then(|app| apps.get(&app).copied()).unwrap_or(Visibility::LIMITED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_without_a_value_where_something_may_be_hidden_is_seen_by_everybody_alike() {
        let deployment = |url: &str, commits: &str| {
            format!(
                r#"{{"id":"6905bc8073636100011a0000","app_id":"5343eccd646173000a140000","type":"deployment","type_data":{{"git_ref_url":{url},"last_commits":{{"commits":{commits},"remaining":0}}}}}}"#
            )
        };
        let is_sensitive = |event: &str| app_with_sensitive_fields(event.as_bytes()).is_some();
        assert!(!is_sensitive(&deployment("null", "[]")));
        assert!(is_sensitive(&deployment(r#""https://example.com""#, "[]")));
        assert!(is_sensitive(&deployment("null", r#"[{"url":"https://u:p@example.com"}]"#)));
        for event_type in catalogue::all() {
            let is_app_s = event_type.scope == Scope::App && event_type.classes.intersects(SENSITIVE);
            assert_eq!(!SENSITIVE_KEYS[event_type.name].is_empty(), event_type.classes.intersects(SENSITIVE));
            // Every key with a value makes its event one that is not seen by everybody alike.
            for key in SENSITIVE_KEYS[event_type.name].iter().filter(|_| is_app_s) {
                let event = format!(r#"{{"type":"{}","type_data":{{{key}"s"}}}}"#, event_type.name);
                assert!(is_sensitive(&event.replace("{\"type\"", "{\"id\":\"\",\"type\"")), "{event}");
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_shown_only_to_those_from_whom_nothing_is_hidden() {
        for stored in [
            r#"{"id":"6905bc8073636100011a0000","type":"of_a_later_version","type_data":{"secret":"s"}}"#,
            r#"{"id":"6905bc8073636100011a0000","type":"run","type_data":{"command":"s"#,
            r#"{"type_data":{"command":"s"}}"#,
            "",
        ] {
            let stored = Bytes::from_static(stored.as_bytes());
            assert!(app_with_sensitive_fields(&stored).is_some(), "{stored:?}");
            assert_eq!(Visibility::LIMITED.event(&stored), "null", "{stored:?}");
            assert_eq!(Visibility::ALL.event(&stored), stored);
        }
    }
}
