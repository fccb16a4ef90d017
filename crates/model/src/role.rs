//! What a caller may do with an app.

use std::fmt;

/// What a caller may do with an app, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// May read most of it, restart it, and deploy the linked branch.
    LimitedCollaborator,
    /// May change everything except the app's existence, name and owner.
    Collaborator,
    /// May do everything that a user can be allowed to do.
    Owner,
    /// The holder of the operator token; also builders, forges and add-ons. No user has this role.
    Operator,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LimitedCollaborator => "limited collaborator",
            Self::Collaborator => "collaborator",
            Self::Owner => "owner",
            Self::Operator => "operator",
        })
    }
}
