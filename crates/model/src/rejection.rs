//! The reasons for refusing a request.

use std::fmt;

use crate::{FieldErrors, Role};

/// Why an action or a report was refused. Nothing changed, and nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// Fields of the request are invalid.
    Invalid(FieldErrors),
    /// Something that the request names does not exist, or the caller may not see it. The text is the kind of thing.
    NotFound(&'static str),
    /// The caller's role does not allow this. The text says what is needed or allowed.
    Forbidden(String),
    /// The request conflicts with the current state.
    Conflict(String),
    /// The user accepts an invitation to an app that they already work on.
    AlreadyCollaborator,
}

impl Rejection {
    /// Returns the rejection of a caller whose role is less than this one.
    pub fn needs(role: Role) -> Self {
        Self::Forbidden(match role {
            Role::Operator => "this needs the operator token".to_owned(),
            role => format!("this needs the role of {role}"),
        })
    }

    /// Returns the rejection for one invalid field.
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
            Self::AlreadyCollaborator => f.write_str("you already work on this app"),
        }
    }
}

impl std::error::Error for Rejection {}
