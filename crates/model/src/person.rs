//! Users as events name them.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::limits::NAME_BYTES_MAX;
use crate::{FieldErrors, UserId};

/// A user as they were at the moment of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Their username.
    pub username: String,
    /// Their email address; empty if unknown. A report may leave it out.
    #[serde(default, deserialize_with = "null_is_empty")]
    #[schemars(with = "Option<String>")]
    pub email: String,
    /// Their permanent identifier.
    pub id: UserId,
}

/// The username of the platform, which no user can have.
pub(crate) const PLATFORM_USERNAME: &str = "platform";

fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Person {
    /// Returns the platform as a user: it has the events that belong to no app and no other account, such as those of auditors'
    /// tokens. Nobody signs in as the platform.
    pub fn platform() -> Self {
        Self { username: PLATFORM_USERNAME.to_owned(), email: String::new(), id: UserId::PLATFORM }
    }

    /// Returns what is known of a user after an event that names them: an event without an email address does not say that
    /// they have none.
    pub(crate) fn after(&self, named: &Self) -> Self {
        let email = if named.email.is_empty() { &self.email } else { &named.email };
        Self { email: email.clone(), ..named.clone() }
    }

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
