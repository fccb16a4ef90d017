//! Why a request was not carried out.

use std::fmt;

use crate::{FieldErrors, Role};

/// Why an action or a report was refused. Nothing changed, and nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// Fields of the request are wrong.
    Invalid(FieldErrors),
    /// The kind of thing the request names that does not exist, or that the actor may not see.
    NotFound(&'static str),
    /// The actor's role does not allow this; the text says what would.
    Forbidden(String),
    /// What there is stands against the request.
    Conflict(String),
    /// The actor accepts an invitation to an app on which they work already.
    AlreadyCollaborator,
}

impl Rejection {
    /// The actor's role is less than this one.
    pub fn needs(role: Role) -> Self {
        Self::Forbidden(match role {
            Role::Operator => "this needs the operator token".to_owned(),
            role => format!("this needs the role of {role}"),
        })
    }

    /// One field of the request is wrong.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(FieldErrors::one(field, message))
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(errors) => {
                let fields: Vec<_> = errors
                    .as_map()
                    .iter()
                    .map(|(field, messages)| format!("{field} {}", messages.join(", ")))
                    .collect();
                f.write_str(&fields.join("; "))
            }
            Self::NotFound(resource) => write!(f, "{resource} not found"),
            Self::Forbidden(text) | Self::Conflict(text) => f.write_str(text),
            Self::AlreadyCollaborator => f.write_str("you work on this app already"),
        }
    }
}

impl std::error::Error for Rejection {}
