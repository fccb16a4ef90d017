//! An account: who somebody is, and whether they may sign in.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::catalogue::{Sessions, TypeData};
use crate::{Event, Person, Time, UserId};

/// The public state of an account: what folding its timeline gives, and who it was registered as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Who it is.
    #[serde(flatten)]
    pub person: Person,
    /// When it was registered or, where that was by a report, first heard of.
    pub created_at: Time,
    /// How many attempts to sign in have failed since the last that did not.
    #[serde(default)]
    pub failed_logins: u32,
    /// Whether it is locked.
    #[serde(default)]
    pub locked: bool,
}

impl Account {
    /// An account that is heard of for the first time, at that moment.
    pub fn first_seen(person: &Person, at: Time) -> Self {
        Self { person: person.clone(), created_at: at, failed_logins: 0, locked: false }
    }

    /// The state after these events, which are a user's timeline from its beginning; `None` if there are none.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Option<Self> {
        let mut state: Option<Arc<Self>> = None;
        for event in events {
            let user = event.user.as_ref()?;
            let state = state.get_or_insert_with(|| Arc::new(Self::first_seen(user, event.created_at)));
            Self::apply(state, event);
        }
        state.map(Arc::unwrap_or_clone)
    }

    /// Changes the state as that event, which is the account's own, says. What it leaves alone keeps its allocation.
    pub fn apply(state: &mut Arc<Self>, event: &Event) {
        if let Some(user) = &event.user
            && *user != state.person
        {
            Arc::make_mut(state).person = user.clone();
        }
        let TypeData::Sessions(session) = &event.data else { return };
        match session {
            Sessions::LoginFailure(_) => {
                let account = Arc::make_mut(state);
                account.failed_logins = account.failed_logins.saturating_add(1);
            }
            Sessions::LoginSuccess(_) if state.failed_logins > 0 => Arc::make_mut(state).failed_logins = 0,
            Sessions::LoginLock(_) => Arc::make_mut(state).locked = true,
            Sessions::LoginUnlockSuccess(_) => {
                let account = Arc::make_mut(state);
                (account.locked, account.failed_logins) = (false, 0);
            }
            Sessions::LoginSuccess(_)
            | Sessions::PasswordResetQuery(_)
            | Sessions::PasswordResetSuccess(_) => {}
        }
    }

    /// The user's identifier.
    pub fn id(&self) -> UserId {
        self.person.id
    }
}
