//! What a caller may do with an app.

use std::fmt;

/// What a caller may do with an app, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// May read every app without secrets, and change nothing. No user has this role.
    Auditor,
    /// May read the app without secrets and personal data, restart it, deploy the linked branch, delete review apps, and let
    /// the platform's staff access its data.
    LimitedCollaborator,
    /// May change everything except the app's existence, name and owner.
    Collaborator,
    /// May do everything that any user may do.
    Owner,
    /// The holder of the operator token; also builders, forges and add-ons. No user has this role.
    Operator,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auditor => "auditor",
            Self::LimitedCollaborator => "limited collaborator",
            Self::Collaborator => "collaborator",
            Self::Owner => "owner",
            Self::Operator => "operator",
        })
    }
}
