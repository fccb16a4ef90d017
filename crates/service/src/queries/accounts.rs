//! Queries of accounts.

use std::sync::Arc;

use annals_model::account::AccountPrivateState;
use annals_model::{Account, UserId};
use annals_store::{TypedRows as _, key};

use crate::{Error, Service};

impl Service {
    /// Returns the state of an account; `None` if no event or registration names it.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn account(&self, user: UserId) -> Result<Option<Arc<Account>>, Error> {
        Ok(self.store().get(key::Account(user)).await?)
    }

    /// Returns the user with this identifier, or else the one who got this username last; `None` if there is none.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn user_named(&self, id_or_username: &str) -> Result<Option<UserId>, Error> {
        match id_or_username.parse() {
            Ok(id) => Ok(Some(id)),
            Err(_) => Ok(self.store().get(key::Username::of(id_or_username)).await?),
        }
    }

    /// Returns the private state of an account: what its events do not contain.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn account_private_state(&self, user: UserId) -> Result<Arc<AccountPrivateState>, Error> {
        Ok(self.store().get(key::AccountPrivateState(user)).await?.unwrap_or_default())
    }
}
