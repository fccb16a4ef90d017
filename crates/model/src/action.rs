//! What every action is decided from.

use crate::{IdSource, Person, Time};

/// What surrounds a decision: with the state and the action, all that it depends on.
pub struct Context<'a> {
    /// When the request came.
    pub now: Time,
    /// Who asks.
    pub actor: &'a Person,
    /// Where identifiers for new things come from.
    pub ids: &'a dyn IdSource,
}

/// What a user may do with an app, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// May look at most of it, restart it, and deploy what is already linked.
    LimitedCollaborator,
    /// May change all of it but its existence, its name and its owner.
    Collaborator,
    /// May do everything.
    Owner,
}

/// A role for people.
pub fn in_words(role: Role) -> &'static str {
    match role {
        Role::LimitedCollaborator => "limited collaborator",
        Role::Collaborator => "collaborator",
        Role::Owner => "owner",
    }
}
