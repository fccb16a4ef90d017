//! What every action is decided from, and what a decision is.

use std::net::IpAddr;

use crate::{Directory, IdSource, Integration, Person, Role, Time, TypeData, UserId};

/// What an action comes to: the events that record it, and what it made.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<C = ()> {
    /// The events, in the order in which they are to be recorded. None where nothing of the public state changes.
    pub events: Vec<TypeData>,
    /// What it made, by which the answer names it. An answer must never look for the newest thing instead: another
    /// action may have made that.
    pub created: C,
}

impl<C> Decision<C> {
    /// Makes that, by this one event.
    pub fn creating(created: C, event: impl Into<TypeData>) -> Self {
        Self { events: vec![event.into()], created }
    }

    /// The same, of an action that may also make nothing.
    pub fn some(self) -> Decision<Option<C>> {
        Decision { events: self.events, created: Some(self.created) }
    }
}

impl Decision {
    /// Makes nothing that needs naming, and is recorded by this one event.
    pub fn of(event: impl Into<TypeData>) -> Self {
        Self::creating((), event)
    }

    /// Makes nothing, and leaves the public state as it is.
    pub fn none() -> Self {
        Vec::new().into()
    }
}

impl From<Vec<TypeData>> for Decision {
    fn from(events: Vec<TypeData>) -> Self {
        Self { events, created: () }
    }
}

/// What surrounds a decision: with the state and the action, all that it depends on.
pub struct Context<'a> {
    /// When the request came.
    pub now: Time,
    /// Who does it, mostly the caller; absent where the platform or an add-on does.
    pub actor: Option<&'a Person>,
    /// What the caller may do with the app this is about, if it is about one.
    pub role: Option<Role>,
    /// Where from, if that is known.
    pub remote_ip: Option<IpAddr>,
    /// Where identifiers for new things come from.
    pub ids: &'a dyn IdSource,
    /// What else a decision may look up.
    pub lookups: &'a dyn Lookups,
}

impl<'a> Context<'a> {
    /// The actor of an action that only people do.
    pub fn person(&self) -> &'a Person {
        self.actor.expect("this action is only offered to people")
    }
}

/// What a decision may look up besides the state it is about.
pub trait Lookups {
    /// The add-ons on offer.
    fn directory(&self) -> &Directory;

    /// How this platform is run.
    fn rules(&self) -> &Rules;

    /// That user as they are now.
    fn person(&self, user: UserId) -> Option<Person>;

    /// Who has that email address.
    fn person_with_email(&self, email: &str) -> Option<Person>;

    /// The account at a forge that a user connected, by its identifier or by the kind of forge.
    fn integration(&self, user: UserId, name: &str) -> Option<Integration>;
}

/// How a platform is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Whether deployments end the moment they are started, for a platform without a builder.
    pub instant_builder: bool,
    /// Where people reach the platform, without a slash at its end.
    pub public_url: String,
}
