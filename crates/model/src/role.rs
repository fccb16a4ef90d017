//! What a caller may do with an app.

use std::fmt;

/// What a caller may do with an app, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// May look at most of it, restart it, and deploy what is already linked.
    LimitedCollaborator,
    /// May change all of it but its existence, its name and its owner.
    Collaborator,
    /// May do everything that people may.
    Owner,
    /// Whoever has the operator token, and builders, forges and add-ons. No user has this role.
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
