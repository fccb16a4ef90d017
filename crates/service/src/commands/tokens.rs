//! Commands on API tokens.

use std::sync::Arc;

use annals_model::account::check_token_name;
use annals_model::catalogue::{AccountChanges, TokenEvent};
use annals_model::limits::TOKENS_MAX;
use annals_model::{Person, Rejection, UserId};
use annals_store::{Caller, CommandError, Token, TokenHash, TokenId, key};

use super::Idempotency;
use super::accounts::{present, record_all};
use crate::credentials::new_secret;
use crate::transaction::Transaction;
use crate::{Error, Service};

/// How precisely a token's last use is stored. Storing each use would cost a commit per exchange.
const LAST_USED_MS: u64 = 60 * 1000;

/// A token with its secret, which is shown once and not stored.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// The token, without its secret.
    pub token: Token,
    /// The secret that the user presents; `None` in a repeated outcome, because outcomes are stored without secrets.
    pub secret: Option<String>,
}

/// What a user got an API token by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Signing in with the password.
    Password,
    /// Asking for it with another token, or registering.
    Hand,
}

impl IssuedToken {
    /// Joins a token with a secret that was generated for it. A token that was issued before has another one.
    pub(super) fn new(token: Token, secret: &str) -> Self {
        let is_of_token = token.hash == TokenHash::of(secret).to_string();
        Self { token, secret: is_of_token.then(|| secret.to_owned()) }
    }
}

impl Service {
    /// Creates an API token for a user, or for an auditor if the user is [`UserId::PLATFORM`].
    ///
    /// # Errors
    ///
    /// Fails if the name is invalid, if the user has the maximum number of tokens, if the idempotency key was used for another
    /// request, or if the store fails.
    pub async fn create_token(
        &self,
        user: UserId,
        name: String,
        idempotency: Option<Idempotency>,
    ) -> Result<IssuedToken, Error> {
        check_token_name(&name)?;
        let secret = new_secret(if user == UserId::PLATFORM { "tk-au-" } else { "tk-us-" });
        let issued = secret.clone();
        let token = self
            .commit_once(Caller::User(user), idempotency, move |transaction| {
                let token = issue(transaction, user, name.clone(), Origin::Hand, &secret)?;
                record_of_token(transaction, user, &token, AccountChanges::NewToken)?;
                Ok(token)
            })
            .await?;
        Ok(IssuedToken::new(token, &issued))
    }

    /// Replaces a token's secret. The old secret is no longer valid.
    ///
    /// # Errors
    ///
    /// Fails if there is no such token, if the idempotency key was used for another request, or if the store fails.
    pub async fn renew_token(
        &self,
        user: UserId,
        id: TokenId,
        idempotency: Option<Idempotency>,
    ) -> Result<IssuedToken, Error> {
        let secret = new_secret("tk-us-");
        let issued = secret.clone();
        let token = self
            .commit_once(Caller::User(user), idempotency, move |transaction| {
                let before = take(transaction, user, id)?;
                let hash = TokenHash::of(&secret);
                let token = Token { issued_at: transaction.now(), hash: hash.to_string(), ..before };
                put(transaction, user, &token, hash);
                record_of_token(transaction, user, &token, AccountChanges::RegenerateToken)?;
                Ok(token)
            })
            .await?;
        Ok(IssuedToken::new(token, &issued))
    }

    /// Revokes a token.
    ///
    /// # Errors
    ///
    /// Fails if there is no such token, if the idempotency key was used for another request, or if the store fails.
    pub async fn revoke_token(
        &self,
        user: UserId,
        id: TokenId,
        idempotency: Option<Idempotency>,
    ) -> Result<(), Error> {
        self.commit_once(Caller::User(user), idempotency, move |transaction| revoke(transaction, user, id))
            .await
    }

    /// Stores that a token is used now.
    pub(crate) async fn token_used(&self, user: UserId, token: &Token) -> Result<(), Error> {
        if token.last_used_at.is_some_and(|last| last.plus_millis(LAST_USED_MS) > self.now()) {
            return Ok(());
        }
        let key = key::Token(user, token.id);
        self.commit(move |transaction| {
            if let Some(token) = transaction.get(key.clone())? {
                let used = Token { last_used_at: Some(transaction.now()), ..(*token).clone() };
                transaction.put(key.clone(), used.into());
            }
            Ok(())
        })
        .await
    }
}

fn record_of_token(
    transaction: &mut Transaction<'_>,
    user: UserId,
    token: &Token,
    event: fn(TokenEvent) -> AccountChanges,
) -> Result<(), CommandError> {
    let person = match user {
        UserId::PLATFORM => Person::platform(),
        user => present(transaction, user)?.person.clone(),
    };
    let data = TokenEvent { token_name: token.name.clone(), token_id: token.id.to_string() };
    record_all(transaction, &person, vec![event(data).into()]).map(drop)
}

/// Issues an API token. Rejects it if the user has the maximum number.
pub(super) fn issue(
    transaction: &mut Transaction<'_>,
    user: UserId,
    name: String,
    origin: Origin,
    secret: &str,
) -> Result<Token, CommandError> {
    let mut private = transaction.account_private(user)?;
    if private.tokens >= TOKENS_MAX as u64 {
        let message = format!("limit reached ({TOKENS_MAX}): revoke a token first");
        return Err(Rejection::invalid("name", message).into());
    }
    Arc::make_mut(&mut private).tokens += 1;
    transaction.put_account_private(user, private)?;
    let now = transaction.now();
    let hash = TokenHash::of(secret);
    let token = Token {
        id: transaction.ids().event_id(now),
        name,
        created_at: now,
        issued_at: now,
        last_used_at: None,
        by_password: origin == Origin::Password,
        hash: hash.to_string(),
    };
    put(transaction, user, &token, hash);
    Ok(token)
}

/// Removes a token, as its user asked or because the password that gave it is replaced.
pub(super) fn revoke(
    transaction: &mut Transaction<'_>,
    user: UserId,
    id: TokenId,
) -> Result<(), CommandError> {
    let token = take(transaction, user, id)?;
    let mut private = transaction.account_private(user)?;
    let count = &mut Arc::make_mut(&mut private).tokens;
    *count = count.saturating_sub(1);
    transaction.put_account_private(user, private)?;
    record_of_token(transaction, user, &token, AccountChanges::DeleteToken)
}

fn put(transaction: &mut Transaction<'_>, user: UserId, token: &Token, hash: TokenHash) {
    transaction.put(key::Token(user, token.id), token.clone().into());
    transaction.put(key::TokenHash(hash), (user, token.id));
}

/// Removes a token and returns it.
fn take(transaction: &mut Transaction<'_>, user: UserId, id: TokenId) -> Result<Token, CommandError> {
    let key = key::Token(user, id);
    let token = transaction.get(key.clone())?.ok_or(Rejection::NotFound("token"))?;
    transaction.remove(key);
    if let Some(hash) = TokenHash::from_hex(&token.hash) {
        transaction.remove(key::TokenHash(hash));
    }
    Ok((*token).clone())
}
