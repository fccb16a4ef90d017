//! Signing in, resetting a password, and unlocking an account.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Account, AccountAction, AccountPrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{RemoteAct, Sessions};
use crate::{Rejection, Time, UserId};

/// The number of failed sign-ins in a row that locks an account.
pub const FAILED_LOGINS_MAX: u32 = 10;

/// How long a mailed token is valid: six hours.
const MAILED_MILLIS: u64 = 6 * 60 * 60 * 1000;
/// The most mailed tokens of one kind that an account has at once. Anybody can ask for the mail, so a further request neither
/// invalidates a token that was mailed before, nor sends a further mail.
const MAILED_MAX: usize = 5;

/// A mailed token. Only its hash is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailedToken {
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// When it expires.
    pub expires_at: Time,
}

impl MailedToken {
    fn new(token: &str, now: Time) -> Self {
        Self { sha256: hex::encode(Sha256::digest(token)), expires_at: now.plus_millis(MAILED_MILLIS) }
    }

    fn is_valid(&self, now: Time) -> bool {
        now < self.expires_at
    }
}

/// Adds a new token to those that were mailed, and returns it; `None` if the account has enough valid ones.
fn new_mailed(mailed: &mut Vec<MailedToken>, user: UserId, context: &Context<'_>) -> Option<String> {
    mailed.retain(|mailed| mailed.is_valid(context.now));
    if mailed.len() >= MAILED_MAX {
        return None;
    }
    let token = token_of(user, &context.ids.secret());
    mailed.push(MailedToken::new(&token, context.now));
    Some(token)
}

fn was_mailed(mailed: &[MailedToken], token: &str, now: Time) -> bool {
    let sha256 = hex::encode(Sha256::digest(token));
    mailed.iter().any(|mailed| mailed.is_valid(now) && mailed.sha256 == sha256)
}

/// Returns a token: the user's identifier, by which the token's account is found, and a secret.
fn token_of(user: UserId, secret: &[u8]) -> String {
    format!("{}{}", hex::encode(user.as_bytes()), hex::encode(secret))
}

/// Returns the user whose token this would be; `None` if the text is not a mailed token.
pub fn user_of_token(token: &str) -> Option<UserId> {
    let mut bytes = [0; UserId::BYTES];
    hex::decode_to_slice(token.get(..UserId::BYTES * 2)?, &mut bytes).ok()?;
    Some(UserId::from_bytes(bytes))
}

/// Signs in, with the right password.
#[derive(Debug, Clone)]
pub struct SignIn;

impl AccountAction for SignIn {
    type Created = ();

    fn decide(
        &self,
        account: &Account,
        _: &mut Arc<AccountPrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        if account.locked {
            return Err(Rejection::Forbidden("the account is locked".to_owned()));
        }
        Ok(Decision::of(Sessions::LoginSuccess(from(context))))
    }
}

/// Records a failed sign-in: the password was wrong. If the account is locked, only counts it: anybody can try as often as
/// they like, and the timeline must not grow with that.
#[derive(Debug, Clone)]
pub struct FailLogin;

impl AccountAction for FailLogin {
    type Created = ();

    fn decide(
        &self,
        account: &Account,
        private: &mut Arc<AccountPrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        if account.locked {
            let private = Arc::make_mut(private);
            private.refused_logins = private.refused_logins.saturating_add(1);
            return Ok(Decision::none());
        }
        let mut events = vec![Sessions::LoginFailure(from(context)).into()];
        if account.failed_logins.saturating_add(1) >= FAILED_LOGINS_MAX {
            events.push(Sessions::LoginLock(from(context)).into());
            Arc::make_mut(private).refused_logins = 0;
        }
        Ok(events.into())
    }
}

/// Requests a password reset. The caller mails the created token.
#[derive(Debug, Clone)]
pub struct RequestReset;

impl RequestReset {
    /// Decides the action: returns its event and creates the token, or nothing if enough tokens are on their way.
    pub fn decide(
        &self,
        account: &Account,
        private: &mut Arc<AccountPrivateState>,
        context: &Context<'_>,
    ) -> Decision<Option<String>> {
        match new_mailed(&mut Arc::make_mut(private).resets, account.id(), context) {
            Some(token) => Decision::creating(Some(token), Sessions::PasswordResetQuery(from(context))),
            None => Decision { events: Vec::new(), created: None },
        }
    }
}

/// Requests a link that unlocks the account. The caller mails the created token.
#[derive(Debug, Clone)]
pub struct RequestUnlock;

impl RequestUnlock {
    /// Decides the action: creates the token, or nothing if the account is not locked or if enough tokens are on their way.
    /// It records no event.
    pub fn decide(
        &self,
        account: &Account,
        private: &mut Arc<AccountPrivateState>,
        context: &Context<'_>,
    ) -> Decision<Option<String>> {
        let created = match account.locked {
            true => new_mailed(&mut Arc::make_mut(private).unlocks, account.id(), context),
            false => None,
        };
        Decision { events: Vec::new(), created }
    }
}

/// Sets a new password with a mailed token.
#[derive(Debug, Clone)]
pub struct Reset {
    /// The token.
    pub token: String,
}

impl AccountAction for Reset {
    type Created = ();

    fn decide(
        &self,
        account: &Account,
        private: &mut Arc<AccountPrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        if !was_mailed(&private.resets, &self.token, context.now) {
            return Err(Rejection::invalid("reset_password_token", "is unknown, used or expired"));
        }
        let private = Arc::make_mut(private);
        (private.resets, private.unlocks, private.refused_logins) = (Vec::new(), Vec::new(), 0);
        let mut events = vec![Sessions::PasswordResetSuccess(from(context)).into()];
        if account.locked {
            events.push(Sessions::LoginUnlockSuccess(from(context)).into());
        }
        Ok(events.into())
    }
}

/// Unlocks an account, with a mailed token or as the operator.
#[derive(Debug, Clone)]
pub struct Unlock {
    /// The token; `None` for the operator.
    pub token: Option<String>,
}

impl AccountAction for Unlock {
    type Created = ();

    fn decide(
        &self,
        account: &Account,
        private: &mut Arc<AccountPrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        if let Some(token) = &self.token
            && !was_mailed(&private.unlocks, token, context.now)
        {
            return Err(Rejection::invalid("unlock_token", "is unknown, used or expired"));
        }
        if !private.unlocks.is_empty() || private.refused_logins > 0 {
            let private = Arc::make_mut(private);
            (private.unlocks, private.refused_logins) = (Vec::new(), 0);
        }
        if !account.locked {
            return Ok(Decision::none());
        }
        Ok(Decision::of(Sessions::LoginUnlockSuccess(from(context))))
    }
}

fn from(context: &Context<'_>) -> RemoteAct {
    RemoteAct { remote_ip: context.remote_ip }
}
