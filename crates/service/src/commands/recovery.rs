//! The recovery of accounts by mail: new passwords, and unlocking.

use std::sync::Arc;

use annals_model::account::{RequestReset, RequestUnlock, Reset, Unlock, user_of_token};
use annals_model::limits::{NAME_BYTES_MAX, TOKENS_MAX};
use annals_model::{Account, AccountPrivateState, Context, Decision, Rejection, UserId};
use annals_store::{CommandError, Token, TypedRows as _, key};

use super::accounts::{act_on, present, record_all};
use super::{Request, mails, tokens};
use crate::credentials::passwords;
use crate::transaction::Transaction;
use crate::{Error, Service};

/// Decides on a token to mail. Creates `None` if the account gets no mail.
type DecideToken = fn(&Account, &mut Arc<AccountPrivateState>, &Context<'_>) -> Decision<Option<String>>;

impl Service {
    /// Mails a password-reset token to the user with this address. Takes the same time if there is no such user.
    ///
    /// # Errors
    ///
    /// Fails if the store fails.
    pub async fn request_reset(&self, request: Request, email: &str) -> Result<(), Error> {
        let decide: DecideToken = |account, private, context| RequestReset.decide(account, private, context);
        self.mail_token(request, email, decide, mails::put_reset).await
    }

    /// Mails an unlock token to the user with this address, if their account is locked. Takes the same time if there is no such
    /// user.
    ///
    /// # Errors
    ///
    /// Fails if the store fails.
    pub async fn request_unlock(&self, request: Request, email: &str) -> Result<(), Error> {
        let decide: DecideToken = |account, private, context| RequestUnlock.decide(account, private, context);
        self.mail_token(request, email, decide, mails::put_unlock).await
    }

    async fn mail_token(
        &self,
        request: Request,
        email: &str,
        decide: DecideToken,
        put_mail: mails::PutMail,
    ) -> Result<(), Error> {
        let Some(user) = self.user_with_email(email).await? else { return self.equalize_timing().await };
        let surplus = mails::surplus(&**self.store(), user).await?;
        self.commit(move |transaction| {
            let account = present(transaction, user)?;
            let mut private = transaction.account_private(user)?;
            let context = transaction.context(request.remote_ip, Some(&account.person), None);
            let decision = decide(&account, &mut private, &context);
            transaction.put_account_private(user, private)?;
            record_all(transaction, &account.person, decision.events)?;
            if let Some(token) = &decision.created {
                put_mail(transaction, &account.person, token, &surplus)?;
            }
            Ok(())
        })
        .await?;
        self.inner().mail_waits.notify_one();
        Ok(())
    }

    /// Sets a new password with a mailed token. The API tokens that the old password gave are revoked, or all of them. Bearer
    /// tokens that were issued before become invalid.
    ///
    /// # Errors
    ///
    /// Fails if the password or the token is invalid, or if the store fails.
    pub async fn reset_password(
        &self,
        request: Request,
        token: String,
        password: String,
        revoked: RevokedTokens,
    ) -> Result<(), Error> {
        let unknown = || Rejection::invalid("reset_password_token", "is unknown, used or expired");
        let password_hash = passwords::hash(password).await?;
        let action = Reset { token };
        let user = user_of_token(&action.token).ok_or_else(unknown)?;
        let tokens = self.store().list(key::Token::of(user), TOKENS_MAX).await?;
        let reset_at = self
            .commit(move |transaction| {
                if transaction.account(user)?.is_none() {
                    return Err(unknown().into());
                }
                act_on(transaction, &request, user, &action)?;
                transaction.put(key::Password(user), password_hash.as_str().into());
                end_tokens(transaction, user, &tokens, revoked)?;
                Ok(transaction.now())
            })
            .await?;
        // The old password may have given a token between the list and the commit.
        let mut tokens = self.store().list(key::Token::of(user), TOKENS_MAX).await?;
        tokens.retain(|(_, token)| token.created_at <= reset_at && revoked.includes(token));
        if tokens.is_empty() {
            return Ok(());
        }
        self.commit(move |transaction| end_tokens(transaction, user, &tokens, revoked)).await
    }

    /// Unlocks an account with a mailed token.
    ///
    /// # Errors
    ///
    /// Fails if the token is invalid, or if the store fails.
    pub async fn unlock(&self, request: Request, token: String) -> Result<(), Error> {
        let unknown = || Rejection::invalid("unlock_token", "is unknown, used or expired");
        let user = user_of_token(&token).ok_or_else(unknown)?;
        self.commit(move |transaction| {
            if transaction.account(user)?.is_none() {
                return Err(unknown().into());
            }
            act_on(transaction, &request, user, &Unlock { token: Some(token.clone()) }).map(drop)
        })
        .await
    }

    async fn user_with_email(&self, email: &str) -> Result<Option<UserId>, Error> {
        if email.len() > NAME_BYTES_MAX {
            return Ok(None);
        }
        Ok(self.store().get(key::Email::of(email)).await?)
    }
}

/// The API tokens that a new password revokes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokedTokens {
    /// Those that signing in with the old password gave.
    OfPassword,
    /// All of them.
    All,
}

impl RevokedTokens {
    fn includes(self, token: &Token) -> bool {
        self == Self::All || token.by_password
    }
}

/// Revokes tokens, and ends the bearer tokens that were issued for the others.
fn end_tokens(
    transaction: &mut Transaction<'_>,
    user: UserId,
    tokens: &[(key::Token, Arc<Token>)],
    revoked: RevokedTokens,
) -> Result<(), CommandError> {
    for (key, _) in tokens {
        match transaction.get(key.clone())? {
            Some(token) if revoked.includes(&token) => tokens::revoke(transaction, user, token.id)?,
            Some(token) => {
                let token = Token { issued_at: transaction.now(), ..(*token).clone() };
                transaction.put(key.clone(), token.into());
            }
            None => {}
        }
    }
    Ok(())
}

/// Queues the mail that unlocks an account, for the command that locked it.
pub(super) fn mail_unlock(
    transaction: &mut Transaction<'_>,
    request: &Request,
    user: UserId,
) -> Result<(), CommandError> {
    let account = present(transaction, user)?;
    let mut private = transaction.account_private(user)?;
    let context = transaction.context(request.remote_ip, Some(&account.person), None);
    let decision = RequestUnlock.decide(&account, &mut private, &context);
    transaction.put_account_private(user, private)?;
    if let Some(token) = &decision.created {
        // Few tokens are mailed to an account, so its mails need no room to be made.
        mails::put_unlock(transaction, &account.person, token, &[])?;
    }
    Ok(())
}
