//! The consent for the platform's staff to access an app's data.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{App, AppAction, PrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{self, Access, TypeData};
use crate::{Event, FieldErrors, Rejection, Role, Time, UserId};

/// The longest consent: thirty days.
const MILLIS_MAX: u64 = 30 * 24 * 60 * 60 * 1000;

/// The consent in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The user who last changed it; `None` if unknown.
    pub user_id: Option<UserId>,
    /// When access to the app's databases ends; `None` if it was never granted.
    pub databases_until: Option<Time>,
    /// When access to the app's containers ends; `None` if it was never granted.
    pub containers_until: Option<Time>,
}

/// Gives consent to access data.
#[derive(Debug, Clone)]
pub struct GrantConsent {
    /// When access to the app's databases ends; `None` changes nothing.
    pub databases_until: Option<Time>,
    /// When access to the app's containers ends; `None` changes nothing.
    pub containers_until: Option<Time>,
}

impl AppAction for GrantConsent {
    const ROLE: Role = Role::LimitedCollaborator;
    type Created = ();

    fn decide(
        &self,
        _: &App,
        _: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let fields = [("databases_until", self.databases_until), ("containers_until", self.containers_until)];
        let latest = context.now.plus_millis(MILLIS_MAX);
        let errors = fields.into_iter().filter_map(|(field, until)| {
            let until = until?;
            let message = if until <= context.now {
                "must be in the future"
            } else if until > latest {
                "must be within the next 30 days"
            } else {
                return None;
            };
            Some((field.to_owned(), message.to_owned()))
        });
        if let Some(errors) = FieldErrors::any(errors) {
            return Err(Rejection::Invalid(errors));
        }
        let consent = |end_at, databases, containers| {
            let remote_ip = context.remote_ip;
            TypeData::from(Access::CreateConsent(catalogue::Consent {
                end_at,
                databases,
                containers,
                remote_ip,
            }))
        };
        match (self.databases_until, self.containers_until) {
            (None, None) => {
                Err(Rejection::invalid("databases_until", "is required unless containers_until is given"))
            }
            (Some(databases), Some(containers)) if databases == containers => {
                Ok(Decision::of(consent(databases, true, true)))
            }
            (databases, containers) => {
                let databases = databases.map(|until| consent(until, true, false));
                let containers = containers.map(|until| consent(until, false, true));
                Ok(databases.into_iter().chain(containers).collect::<Vec<_>>().into())
            }
        }
    }
}

pub(super) fn apply(app: &mut App, data: &catalogue::Consent, event: &Event) {
    let before = app.consent.take();
    let (databases, containers) =
        before.map_or((None, None), |consent| (consent.databases_until, consent.containers_until));
    let consent = Consent {
        user_id: event.user.as_ref().map(|user| user.id),
        databases_until: if data.databases { Some(data.end_at) } else { databases },
        containers_until: if data.containers { Some(data.end_at) } else { containers },
    };
    app.consent = Some(consent.into());
}
