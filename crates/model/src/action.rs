//! The inputs and the result of deciding an action.

use std::net::IpAddr;

use crate::{Directory, IdSource, Integration, Person, Role, Time, TypeData, UserId};

/// The outcome of an action: the events to record, and what the action created.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<C = ()> {
    /// The events, in the order to record them. Empty if the public state does not change.
    pub events: Vec<TypeData>,
    /// What the action created, which the response names. A response must never look up the newest thing instead:
    /// another action may have created that.
    pub created: C,
}

impl<C> Decision<C> {
    /// Returns the decision that creates `created` and records one event.
    pub fn creating(created: C, event: impl Into<TypeData>) -> Self {
        Self { events: vec![event.into()], created }
    }

    /// Wraps `created` in `Some`, for an action that may also create nothing.
    pub fn some(self) -> Decision<Option<C>> {
        Decision { events: self.events, created: Some(self.created) }
    }
}

impl Decision {
    /// Returns the decision that records one event and creates nothing that the response names.
    pub fn of(event: impl Into<TypeData>) -> Self {
        Self::creating((), event)
    }

    /// Returns the decision that records and creates nothing.
    pub fn none() -> Self {
        Vec::new().into()
    }
}

impl From<Vec<TypeData>> for Decision {
    fn from(events: Vec<TypeData>) -> Self {
        Self { events, created: () }
    }
}

/// The inputs of a decision besides the state and the action. A decision depends on nothing else.
pub struct Context<'a> {
    /// When the request arrived.
    pub now: Time,
    /// Who acts, usually the caller; `None` if the platform or an add-on acts.
    pub actor: Option<&'a Person>,
    /// The caller's role on the app; `None` if the action concerns no app.
    pub role: Option<Role>,
    /// The IP address of the request; `None` if unknown.
    pub remote_ip: Option<IpAddr>,
    /// The source of new identifiers.
    pub ids: &'a dyn IdSource,
    /// What the decision may look up besides the state.
    pub lookups: &'a dyn Lookups,
}

impl<'a> Context<'a> {
    /// Returns the actor of an action that only users perform.
    pub fn person(&self) -> &'a Person {
        self.actor.expect("only users are offered this action")
    }
}

/// What a decision may look up besides the state that it changes.
pub trait Lookups {
    /// Returns the add-ons on offer.
    fn directory(&self) -> &Directory;

    /// Returns the platform's configuration.
    fn rules(&self) -> &Rules;

    /// Returns the user's current name and email address; `None` if there is no such user.
    fn person(&self, user: UserId) -> Option<Person>;

    /// Returns the user with this email address.
    fn person_with_email(&self, email: &str) -> Option<Person>;

    /// Returns the forge account that a user connected, by its identifier or by the kind of forge.
    fn integration(&self, user: UserId, name: &str) -> Option<Integration>;
}

/// The platform's configuration, as far as decisions depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Whether deployments finish as soon as they start, for a platform without a builder.
    pub instant_builder: bool,
    /// The URL at which users reach the platform, without a trailing slash.
    pub public_url: String,
}
