//! Authentication: who the caller is.
//!
//! There are four kinds of credentials: the operator token, the API tokens of users (`tk-us-…`), those of auditors (`tk-au-…`),
//! and bearer tokens (JWTs that expire after an hour). A client exchanges an API token for a bearer token, which becomes invalid
//! with that API token. The tokens of auditors are kept as API tokens of the platform itself (`Person::platform`), whose account
//! nobody signs in to.

mod bearer;
pub(crate) mod passwords;

use std::sync::{Arc, Mutex};

use annals_model::directory::Provider;
use annals_model::{Account, Person, Time, UserId};
use annals_store::{
    CommandError, Setting, Snapshot, Store, Token, TokenHash, TokenId, TypedRows as _, WriteSet, key,
};
use subtle::ConstantTimeEq;

use crate::Service;
use crate::error::{Error, StartError};
use bearer::SigningKey;

/// The valid credential of a caller.
#[derive(Debug, Clone)]
pub enum Credential {
    /// The operator token.
    Operator,
    /// The token of an auditor.
    Auditor,
    /// A user's API token or bearer token.
    User(SignedIn),
}

/// A user with a valid credential.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The user's account.
    pub account: Arc<Account>,
    /// The API token, and when its secret was issued. For a bearer token, the API token that was exchanged for it.
    token: (TokenId, Time),
}

impl SignedIn {
    /// Returns the user's identifier.
    pub fn id(&self) -> UserId {
        self.account.id()
    }

    /// Returns the user as events name them.
    pub fn person(&self) -> &Person {
        &self.account.person
    }
}

impl Credential {
    /// Returns the user, for requests that only users can make.
    ///
    /// # Errors
    ///
    /// Fails if the caller is the operator or an auditor.
    pub fn user(&self) -> Result<&SignedIn, Error> {
        match self {
            Self::User(user) => Ok(user),
            Self::Operator | Self::Auditor => Err(Error::NeedsUser),
        }
    }
}

/// What credentials are checked with.
pub(crate) struct Credentials {
    operator_token: TokenHash,
    signing_key: SigningKey,
}

impl Credentials {
    /// Reads the operator token's hash and the signing key from the store, and generates what the store does not have. Also
    /// returns the operator token, if it was generated.
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

    /// Returns a proof that annals wrote a text.
    pub(crate) fn proof(&self, text: &str) -> String {
        self.signing_key.proof(text)
    }
}

impl Service {
    /// Checks a credential. `database` is the database that the request is on, if any. A bearer token that was issued for one
    /// database is valid only for requests on that one.
    ///
    /// # Errors
    ///
    /// Fails if the credential is invalid, or if the store cannot be read.
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
        if user == UserId::PLATFORM {
            return Ok(Credential::Auditor);
        }
        let account = self.store().get(key::Account(user)).await?.ok_or(Error::InvalidCredentials)?;
        Ok(Credential::User(SignedIn { account, token }))
    }

    /// Checks the password of an add-on provider. Takes the same time if there is no such provider, or if it has no password.
    ///
    /// # Errors
    ///
    /// Fails if the password cannot be hashed.
    pub async fn is_password_of(&self, provider: Option<&Provider>, password: String) -> Result<bool, Error> {
        let hash = provider.and_then(|provider| provider.password_hash.as_deref()).map(Arc::from);
        passwords::is_right(password, hash).await
    }

    /// Exchanges an API token for a bearer token of one hour.
    ///
    /// # Errors
    ///
    /// Fails if the API token is invalid, or if the store fails.
    pub async fn exchange(&self, secret: &str) -> Result<String, Error> {
        let (user, token) = self.token_with_secret(secret).await?;
        // Signing in goes on while the store takes no writes.
        if let Err(error) = self.token_used(user, &token).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the use of a token could not be stored"
            );
        }
        let signing_key = &self.inner().credentials.signing_key;
        Ok(signing_key.sign(user, (token.id, token.issued_at), None, self.now()))
    }

    /// Issues a bearer token of one hour to a user. It is valid for one database only.
    pub fn issue_for_database(&self, user: &SignedIn, addon_id: String) -> String {
        let signing_key = &self.inner().credentials.signing_key;
        signing_key.sign(user.id(), user.token, Some(addon_id), self.now())
    }

    /// Returns the API token with a secret, and its user.
    async fn token_with_secret(&self, secret: &str) -> Result<(UserId, Arc<Token>), Error> {
        let found = self.store().get(key::TokenHash(TokenHash::of(secret))).await?;
        let (user, id) = found.ok_or(Error::InvalidCredentials)?;
        let token = self.store().get(key::Token(user, id)).await?.ok_or(Error::InvalidCredentials)?;
        Ok((user, token))
    }
}

/// Generates a random secret with a prefix.
pub(crate) fn new_secret(prefix: &str) -> String {
    format!("{prefix}{}", hex::encode(rand::random::<[u8; 24]>()))
}

/// Returns the value of a setting. If it has none, sets it to `default`.
async fn setting(store: &Arc<dyn Store>, setting: Setting, default: String) -> Result<String, Error> {
    let key = key::Setting(setting);
    if let Some(value) = store.get(key.clone()).await? {
        return Ok(value.to_string());
    }
    let value: Arc<str> = default.into();
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
