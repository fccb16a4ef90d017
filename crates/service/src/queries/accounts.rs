//! Accounts.

use std::sync::Arc;

use annals_model::account::AccountPrivateState;
use annals_model::{Account, UserId};
use annals_store::{TypedRows as _, key};

use crate::{Error, Service};

impl Service {
    /// The state of an account, if it is known.
    pub async fn account(&self, user: UserId) -> Result<Option<Arc<Account>>, Error> {
        Ok(self.store().get(key::Account(user)).await?)
    }

    /// The private state of an account.
    pub async fn account_private_state(&self, user: UserId) -> Result<Arc<AccountPrivateState>, Error> {
        Ok(self.store().get(key::AccountPrivateState(user)).await?.unwrap_or_default())
    }
}
