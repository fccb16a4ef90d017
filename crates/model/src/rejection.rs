//! Why a request was not carried out.

use std::collections::BTreeMap;
use std::fmt;

use crate::action::{Role, in_words};

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

/// What is wrong with each field; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldErrors(BTreeMap<String, Vec<String>>);

impl FieldErrors {
    /// One thing wrong with one field.
    pub fn one(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self(BTreeMap::from([(field.into(), vec![message.into()])]))
    }

    /// What was collected, if anything was wrong.
    pub fn any(errors: impl IntoIterator<Item = (String, String)>) -> Option<Self> {
        let mut fields = BTreeMap::<String, Vec<String>>::new();
        for (field, message) in errors {
            let messages = fields.entry(field).or_default();
            if !messages.contains(&message) {
                messages.push(message);
            }
        }
        (!fields.is_empty()).then_some(Self(fields))
    }

    /// The messages by field.
    pub fn as_map(&self) -> &BTreeMap<String, Vec<String>> {
        &self.0
    }
}

impl Rejection {
    /// The actor's role is less than this one.
    pub fn needs(role: Role) -> Self {
        Self::Forbidden(match role {
            Role::Platform => "this needs the operator token".to_owned(),
            role => format!("this needs the role of {}", in_words(role)),
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
                    .0
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
