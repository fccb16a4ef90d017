//! Queries of API tokens.

use std::sync::Arc;

use annals_model::UserId;
use annals_model::limits::TOKENS_MAX;
use annals_store::{Token, TypedRows as _, key};

use crate::{Error, Service};

impl Service {
    /// Returns the API tokens of a user, oldest first.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn tokens_of(&self, user: UserId) -> Result<Vec<Arc<Token>>, Error> {
        let listed = self.store().list(key::Token::of(user), TOKENS_MAX).await?;
        Ok(listed.into_iter().map(|(_, token)| token).collect())
    }
}
