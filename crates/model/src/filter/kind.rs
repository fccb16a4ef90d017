//! What an index knows of events without reading them.

use serde::{Deserialize, Serialize};

use crate::catalogue::EventType;
use crate::{Time, catalogue, event};

/// What is known of an event. A field that is `None` is not known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kind<'a> {
    /// Its type.
    pub event_type: Option<&'static EventType>,
    /// Who did it, if anybody did.
    pub actor: Option<Option<&'a Names>>,
    /// The app that it names, if it names one.
    pub app: Option<Option<&'a Names>>,
}

/// The texts by which a filter finds a user or an app: the identifier, and the names as they were then.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Names(Vec<String>);

impl Names {
    /// Returns whether one of them is what a filter asks for.
    pub(super) fn have(&self, asked: &str) -> bool {
        self.0.iter().any(|name| super::matching::is_same(name, asked))
    }
}

/// What a stored event says of itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnKind {
    /// When it happened.
    pub created_at: Time,
    /// The name of its type; `None` if the catalogue does not have it.
    pub(super) event_type: Option<String>,
    pub(super) actor: Option<Option<Names>>,
    pub(super) app: Option<Option<Names>>,
}

impl OwnKind {
    /// Reads an event. Only the time is known of one whose type the catalogue does not have: some readers do not see it at all.
    pub fn of(stored: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Parts {
            user: Option<User>,
            app_id: Option<String>,
            app_name: Option<String>,
        }
        #[derive(Deserialize)]
        struct User {
            username: Option<String>,
            email: Option<String>,
            id: Option<String>,
        }
        let created_at = event::created_at_in(stored).unwrap_or(Time::MAX);
        let event_type = event::type_in(stored).and_then(catalogue::find);
        let parts = serde_json::from_slice::<Parts>(stored);
        let (Some(event_type), Ok(parts)) = (event_type, parts) else {
            return Self { created_at, event_type: None, actor: None, app: None };
        };
        let names = |names: [Option<String>; 3]| names.into_iter().flatten().collect::<Vec<_>>();
        let app = names([parts.app_id, parts.app_name, None]);
        Self {
            created_at,
            event_type: Some(event_type.name.to_owned()),
            actor: Some(parts.user.map(|user| Names(names([user.id, user.username, user.email])))),
            app: Some((!app.is_empty()).then_some(Names(app))),
        }
    }

    /// Returns what is known.
    pub fn kind(&self) -> Kind<'_> {
        Kind {
            event_type: self.event_type.as_deref().and_then(catalogue::find),
            actor: self.actor.as_ref().map(Option::as_ref),
            app: self.app.as_ref().map(Option::as_ref),
        }
    }
}
