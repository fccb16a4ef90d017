//! Sign-in with a name and a password.

use std::net::IpAddr;
use std::sync::Arc;

use annals_model::account::{FailLogin, SignIn, check_token_name};
use annals_model::catalogue::{RemoteAct, Sessions};
use annals_model::limits::NAME_BYTES_MAX;
use annals_model::{Person, Time, UserId};
use annals_store::{Caller, Setting, TypedRows as _, key};

use super::accounts::{act_on, present, record_all};
use super::recovery::mail_unlock;
use super::tokens::{IssuedToken, Origin, issue};
use super::{Idempotency, Request, idempotency};
use crate::credentials::{new_secret, passwords};
use crate::{Error, Service};

/// How often a failed sign-in with an unknown name is recorded at most.
const UNKNOWN_NAMES_EVERY_MS: u64 = 1000;

/// The outcome of an attempt to sign in.
#[derive(Debug, Clone)]
pub enum SignInOutcome {
    /// The user signed in, and got an API token.
    SignedIn(IssuedToken),
    /// The name or the password was wrong, or the account is locked. Which of them, nobody may learn by trying: a guess
    /// would go on after the lock.
    Refused,
}

impl Service {
    /// Signs a user in, by username or email address, and creates an API token of the given name. If there is no such account,
    /// takes the same time and has the same outcome as with a wrong password. A repeat of a successful attempt needs the
    /// password again, and only then counts as none. The attempt that locks an account queues a mail that unlocks it.
    ///
    /// # Errors
    ///
    /// Fails if the token's name is invalid, if the user has the maximum number of tokens, if the idempotency key was used for
    /// another request, or if the store fails.
    pub async fn sign_in(
        &self,
        remote_ip: Option<IpAddr>,
        name: &str,
        password: String,
        token_name: String,
        idempotency: Option<Idempotency>,
    ) -> Result<SignInOutcome, Error> {
        check_token_name(&token_name)?;
        let name: String = name.chars().take(NAME_BYTES_MAX).collect();
        let user = match name.contains('@') {
            true => self.store().get(key::Email::of(&name)).await?,
            false => self.store().get(key::Username::of(&name)).await?,
        };
        let user = user.filter(|user| *user != UserId::PLATFORM);
        let hash = match user {
            Some(user) => self.store().get(key::Password(user)).await?,
            None => None,
        };
        let is_right = passwords::is_right(password, hash.clone()).await?;
        let verified_hash = hash.filter(|_| is_right);
        let Some(user) = user else {
            self.note_unknown_name(remote_ip).await?;
            return Ok(SignInOutcome::Refused);
        };
        let request = Request { remote_ip, ..Request::default() };
        let secret = new_secret("tk-us-");
        let outcome = self.commit(move |transaction| {
            let was_locked = present(transaction, user)?.locked;
            // The password may have been replaced since it was checked.
            let is_right =
                verified_hash.is_some() && verified_hash == transaction.get(key::Password(user))?;
            if is_right && !was_locked {
                let caller = Caller::User(user);
                if let Some(idempotency) = &idempotency
                    && let Some(token) = idempotency::find(transaction, caller, idempotency)?
                {
                    return Ok(SignInOutcome::SignedIn(IssuedToken::new(token, &secret)));
                }
                act_on(transaction, &request, user, &SignIn)?;
                let token = issue(transaction, user, token_name.clone(), Origin::Password, &secret)?;
                if let Some(idempotency) = &idempotency {
                    idempotency::remember(transaction, caller, idempotency, &token);
                }
                return Ok(SignInOutcome::SignedIn(IssuedToken::new(token, &secret)));
            }
            act_on(transaction, &request, user, &FailLogin)?;
            if !was_locked && present(transaction, user)?.locked {
                mail_unlock(transaction, &request, user)?;
            }
            Ok(SignInOutcome::Refused)
        });
        let outcome = outcome.await?;
        self.inner().mail_waits.notify_one();
        Ok(outcome)
    }

    /// Records a failed sign-in of nobody: no account has the name. The event does not have the name, since people type
    /// passwords there by mistake. Anybody can try as often as they like, so at most one event a second is recorded; what comes
    /// between is only counted.
    ///
    /// It makes a commit, as for an account that exists. So the time of a response does not reveal whether an account exists.
    async fn note_unknown_name(&self, remote_ip: Option<IpAddr>) -> Result<(), Error> {
        self.commit(move |transaction| {
            let now = transaction.now();
            let key = key::Setting(Setting::LastUnknownAttempt);
            let last: Option<Time> = transaction.get(key.clone())?.and_then(|last| last.parse().ok());
            if last.is_some_and(|last| last <= now && now < last.plus_millis(UNKNOWN_NAMES_EVERY_MS)) {
                let mut private = transaction.account_private(UserId::PLATFORM)?;
                let count = &mut Arc::make_mut(&mut private).refused_logins;
                *count = count.saturating_add(1);
                transaction.put_account_private(UserId::PLATFORM, private)?;
                return Ok(());
            }
            transaction.put(key, now.to_string().as_str().into());
            let event = Sessions::LoginFailure(RemoteAct { remote_ip });
            record_all(transaction, &Person::platform(), vec![event.into()]).map(drop)
        })
        .await
    }

    /// Makes a commit for an account that does not exist, as is made for one that does. So the time of a response does not
    /// reveal whether an account exists.
    pub(super) async fn equalize_timing(&self) -> Result<(), Error> {
        self.commit(move |transaction| {
            let now = transaction.now().to_string();
            transaction.put(key::Setting(Setting::LastUnknownAttempt), now.as_str().into());
            Ok(())
        })
        .await
    }
}
