//! What every action is decided from.

use std::net::IpAddr;

use crate::directory::Directory;
use crate::{IdSource, Integration, Person, Time, UserId};

/// What surrounds a decision: with the state and the action, all that it depends on.
pub struct Context<'a> {
    /// When the request came.
    pub now: Time,
    /// Who asks; absent where the platform or an add-on does.
    pub actor: Option<&'a Person>,
    /// What they may do with the app this is about, if it is about one.
    pub role: Option<Role>,
    /// Where from, if that is known.
    pub remote_ip: Option<IpAddr>,
    /// Where identifiers for new things come from.
    pub ids: &'a dyn IdSource,
    /// What else there is.
    pub platform: &'a dyn Platform,
}

impl<'a> Context<'a> {
    /// Who asks, for an action that only people do.
    pub fn person(&self) -> &'a Person {
        self.actor.expect("this action is only offered to people")
    }
}

/// What a decision may look up besides the state it is about.
pub trait Platform {
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

/// What somebody may do with an app, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// May look at most of it, restart it, and deploy what is already linked.
    LimitedCollaborator,
    /// May change all of it but its existence, its name and its owner.
    Collaborator,
    /// May do everything that people may.
    Owner,
    /// The platform itself: builders, forges, add-ons and the operator. Nobody has this role by being somebody.
    Platform,
}

/// A role for people.
pub fn in_words(role: Role) -> &'static str {
    match role {
        Role::LimitedCollaborator => "limited collaborator",
        Role::Collaborator => "collaborator",
        Role::Owner => "owner",
        Role::Platform => "operator",
    }
}
