//! Users as events name them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::NAME_BYTES_MAX;
use crate::{FieldErrors, UserId};

/// A user as they were at the moment of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Their username.
    pub username: String,
    /// Their email address.
    pub email: String,
    /// Their permanent identifier.
    pub id: UserId,
}

impl Person {
    /// Refuses a username or an email address that is too long.
    pub(crate) fn check(&self) -> Result<(), FieldErrors> {
        let fields = [("username", &self.username), ("email", &self.email)];
        let too_long = fields.into_iter().filter(|(_, text)| text.len() > NAME_BYTES_MAX);
        let message = format!("must not be longer than {NAME_BYTES_MAX} bytes");
        match FieldErrors::any(too_long.map(|(field, _)| (field.to_owned(), message.clone()))) {
            Some(errors) => Err(errors),
            None => Ok(()),
        }
    }
}
