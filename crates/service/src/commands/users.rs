//! Registration of users.

use std::sync::Arc;

use annals_model::account::check_registration;
use annals_model::catalogue::{self, AccountChanges};
use annals_model::{Account, FieldErrors, Person, Rejection, UserId};
use annals_store::{Caller, CommandError, key};

use super::Idempotency;
use super::accounts::record_all;
use super::tokens::{IssuedToken, Origin, issue};
use crate::credentials::{new_secret, passwords};
use crate::transaction::Transaction;
use crate::{Error, Service};

/// A user to register.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Their identifier; `None` for a new one.
    pub id: Option<UserId>,
    /// The name they chose.
    pub username: String,
    /// Their email address.
    pub email: String,
    /// Their password, if they have one.
    pub password: Option<String>,
    /// Whether the user signs up themselves. If not, the operator registers them, and no event is recorded: the user may have
    /// existed before, and their platform reports when they joined.
    pub signs_up: bool,
}

impl Service {
    /// Registers a user with a first API token. Only the operator may give an idempotency key. If reports have named a user with this identifier, or with this address and
    /// username, registers that user.
    ///
    /// # Errors
    ///
    /// Fails if the username, address or password is invalid, if another user has one of them, if the
    /// idempotency key was used for another request, or if the store fails.
    pub async fn register_user(
        &self,
        user: NewUser,
        idempotency: Option<Idempotency>,
    ) -> Result<(Arc<Account>, IssuedToken), Error> {
        let password_hash = match &user.password {
            Some(password) => Some(passwords::hash(password.clone()).await?),
            None => None,
        };
        check_registration(&user.username, &user.email)?;
        let secret = new_secret("tk-us-");
        let issued = secret.clone();
        let (account, token) = self
            .commit_once(Caller::Operator, idempotency, move |transaction| {
                let id = registrable(transaction, &user)?;
                let person = Person { username: user.username.clone(), email: user.email.clone(), id };
                let account = match transaction.account(id)? {
                    Some(known) => Account { person, ..(*known).clone() },
                    None => Account::first_seen(&person, transaction.now()),
                };
                transaction.put_account(account.clone())?;
                transaction.put(key::Registered(id), ());
                if user.signs_up {
                    let event = AccountChanges::NewUser(catalogue::NewUser {});
                    record_all(transaction, &account.person, vec![event.into()])?;
                }
                if let Some(hash) = &password_hash {
                    transaction.put(key::Password(id), hash.as_str().into());
                }
                let token = issue(transaction, id, "default".to_owned(), Origin::Hand, &secret)?;
                let account = transaction.account(id)?.unwrap_or_else(|| Arc::new(account));
                Ok((account, token))
            })
            .await?;
        Ok((account, IssuedToken::new(token, &issued)))
    }
}

/// Returns the user to register: a new one, or one whom reports have named.
fn registrable(transaction: &Transaction<'_>, user: &NewUser) -> Result<UserId, CommandError> {
    let with_email = transaction.get(key::Email::of(&user.email))?;
    let with_username = transaction.get(key::Username::of(&user.username))?;
    // Only the operator can register a user whom reports have named. Anybody can sign up with any name and address, so that
    // proves nothing.
    let named = with_email.filter(|holder| !user.signs_up && with_username == Some(*holder));
    let id = user.id.or(named).unwrap_or_else(|| transaction.ids().user_id());
    let taken = |holder: Option<UserId>| holder.is_some_and(|holder| holder != id);
    let is_registered = transaction.get(key::Registered(id))?.is_some();
    let errors = [
        (id == UserId::PLATFORM || (user.id.is_some() && is_registered)).then_some("id"),
        (taken(with_email) || (user.id.is_none() && is_registered)).then_some("email"),
        (taken(with_username) || (user.id.is_none() && is_registered)).then_some("username"),
    ];
    let errors = errors.into_iter().flatten();
    match FieldErrors::any(errors.map(|field| (field.to_owned(), "has already been taken".to_owned()))) {
        Some(errors) => Err(Rejection::Invalid(errors).into()),
        None => Ok(id),
    }
}
