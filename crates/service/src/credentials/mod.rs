//! Who the caller is.
//!
//! Three credentials are known: the operator token, a user's API token (`tk-us-…`), and the bearer token that the API
//! token is exchanged for (a JWT of one hour). A bearer token ends with the API token that it was exchanged for.

mod bearer;
pub(crate) mod passwords;

use std::sync::{Arc, Mutex};

use annals_model::{Account, Person, Time, UserId};
use annals_store::{
    CommandError, Setting, Snapshot, Store, Token, TokenHash, TokenId, TypedRows as _, WriteSet, key,
};
use subtle::ConstantTimeEq;

use crate::Service;
use crate::error::{Error, StartError};
use bearer::SigningKey;

pub use passwords::is_password_of;

/// A valid credential, which the caller presented.
#[derive(Debug, Clone)]
pub enum Credential {
    /// The platform's own.
    Operator,
    /// A user's.
    User(SignedIn),
}

/// A user who presented a valid credential.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Their account.
    pub account: Arc<Account>,
    /// The API token that is behind the credential, and when its secret was issued.
    token: (TokenId, Time),
}

impl SignedIn {
    /// Who it is.
    pub fn id(&self) -> UserId {
        self.account.id()
    }

    /// Who it is, as events show them.
    pub fn person(&self) -> &Person {
        &self.account.person
    }
}

impl Credential {
    /// The user, for what only people do.
    pub fn user(&self) -> Result<&SignedIn, Error> {
        match self {
            Self::User(user) => Ok(user),
            Self::Operator => Err(Error::NeedsUser),
        }
    }
}

/// What credentials are checked with.
pub(crate) struct Credentials {
    operator_token: TokenHash,
    signing_key: SigningKey,
}

impl Credentials {
    /// Those that the store keeps, and generated where it has none. Gives the operator token besides, if it is new.
    pub(crate) async fn of_store(
        store: &Arc<dyn Store>,
        operator_token: Option<&str>,
    ) -> Result<(Self, Option<String>), StartError> {
        let (operator_token, new_operator_token) = match operator_token {
            Some(token) => (TokenHash::of(token), None),
            None => {
                let token = new_secret("tk-op-");
                let hash = TokenHash::of(&token);
                let stored = setting(store, Setting::OperatorTokenHash, hash.to_string()).await?;
                let stored = TokenHash::from_hex(&stored).ok_or(StartError::Damaged("operator token"))?;
                (stored, (stored == hash).then_some(token))
            }
        };
        let signing_key = hex::encode(rand::random::<[u8; 64]>());
        let signing_key = setting(store, Setting::SigningKey, signing_key).await?;
        let signing_key = SigningKey::from_hex(&signing_key).ok_or(StartError::Damaged("signing key"))?;
        Ok((Self { operator_token, signing_key }, new_operator_token))
    }
}

impl Service {
    /// Whose credential that is. A bearer token that is good for one database is good only where that is what the request
    /// is about.
    pub async fn authenticate(&self, secret: &str, database: Option<&str>) -> Result<Credential, Error> {
        let Credentials { operator_token, signing_key } = &self.inner().credentials;
        if TokenHash::of(secret).as_bytes().ct_eq(operator_token.as_bytes()).into() {
            return Ok(Credential::Operator);
        }
        let (user, token) = match SigningKey::looks_like_a_bearer(secret) {
            true => {
                let claims = signing_key.verify(secret, self.now()).ok_or(Error::InvalidCredentials)?;
                let is_meant_here = claims.database().is_none_or(|meant| Some(meant) == database);
                let token = self.store().get(key::Token(claims.user(), claims.token().0)).await?;
                let is_current = token.is_some_and(|token| token.issued_at == claims.token().1);
                if !(is_meant_here && is_current) {
                    return Err(Error::InvalidCredentials);
                }
                (claims.user(), claims.token())
            }
            false => {
                let (user, token) = self.token_with_secret(secret).await?;
                (user, (token.id, token.issued_at))
            }
        };
        let account = self.store().get(key::Account(user)).await?.ok_or(Error::InvalidCredentials)?;
        Ok(Credential::User(SignedIn { account, token }))
    }

    /// A bearer token of one hour for the API token with that secret.
    pub async fn exchange(&self, secret: &str) -> Result<String, Error> {
        let (user, token) = self.token_with_secret(secret).await?;
        self.token_used(user, &token).await?;
        let signing_key = &self.inner().credentials.signing_key;
        Ok(signing_key.sign(user, (token.id, token.issued_at), None, self.now()))
    }

    /// A bearer token of one hour that is good for one database, in the name of that user.
    pub fn issue_for_database(&self, user: &SignedIn, addon_id: String) -> String {
        let signing_key = &self.inner().credentials.signing_key;
        signing_key.sign(user.id(), user.token, Some(addon_id), self.now())
    }

    /// The API token with that secret, and whose it is.
    async fn token_with_secret(&self, secret: &str) -> Result<(UserId, Arc<Token>), Error> {
        let found = self.store().get(key::TokenHash(TokenHash::of(secret))).await?;
        let (user, id) = found.ok_or(Error::InvalidCredentials)?;
        let token = self.store().get(key::Token(user, id)).await?.ok_or(Error::InvalidCredentials)?;
        Ok((user, token))
    }
}

/// A secret that nobody can guess, with that beginning.
pub(crate) fn new_secret(prefix: &str) -> String {
    format!("{prefix}{}", hex::encode(rand::random::<[u8; 24]>()))
}

/// The value of a setting, which is set to `otherwise` if it has none.
async fn setting(store: &Arc<dyn Store>, setting: Setting, otherwise: String) -> Result<String, Error> {
    let key = key::Setting(setting);
    if let Some(value) = store.get(key.clone()).await? {
        return Ok(value.to_string());
    }
    let value: Arc<str> = otherwise.into();
    let found = Arc::new(Mutex::new(Arc::clone(&value)));
    let set_once = {
        let found = Arc::clone(&found);
        move |snapshot: &dyn Snapshot| -> Result<_, CommandError> {
            let mut writes = WriteSet::default();
            let value = snapshot.get(key.clone())?.unwrap_or_else(|| {
                writes.rows.put(key.clone(), Arc::clone(&value));
                Arc::clone(&value)
            });
            *found.lock().expect("nothing panics while it holds this lock") = value;
            Ok(writes)
        }
    };
    store.commit(Box::new(set_once)).await?;
    Ok(found.lock().expect("nothing panics while it holds this lock").to_string())
}
