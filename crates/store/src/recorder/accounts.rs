//! Actions on accounts: signing in, getting back in, and what is an account's own.

use std::sync::Arc;

use annals_model::account::{
    AccountAction, FailLogin, RequestReset, RequestUnlock, Reset, SignIn, Unlock, user_of_token,
};
use annals_model::{Account, Event, EventId, Person, Rejection, Time, TypeData, UserId};
use serde::{Deserialize, Serialize};

use crate::contract::{CommandError, CommitError};
use crate::rows::{Caller, Listing, Row, RowKey, Setting, Token};

use super::actions::up_to_date;
use super::draft::Draft;
use super::people::{IssuedToken, TOKENS_MAX, issue};
use super::{Recorded, Recorder, Request, outbox};

/// What came of an action on an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountOutcome {
    /// The account after it.
    pub account: Arc<Account>,
    /// The events recorded; none where nothing changed.
    pub recorded: Vec<Recorded>,
}

/// What came of an attempt to sign in.
#[derive(Debug, Clone)]
pub enum SignInOutcome {
    /// It succeeded, with a token of its own.
    SignedIn(IssuedToken),
    /// The password was wrong.
    Refused,
    /// The account is locked, by this attempt or before.
    Locked,
}

impl Recorder {
    /// Does something with the account of who asks.
    pub async fn act_on_account<A: AccountAction + 'static>(
        &self,
        request: Request,
        action: A,
    ) -> Result<AccountOutcome, CommitError> {
        let Some(user) = request.actor.as_ref().map(|actor| actor.id) else {
            return Err(CommitError::Rejected(Rejection::NotFound("user")));
        };
        self.act_on_account_of(request, user, action).await
    }

    /// Does something with somebody's account.
    pub async fn act_on_account_of<A: AccountAction + 'static>(
        &self,
        request: Request,
        user: UserId,
        action: A,
    ) -> Result<AccountOutcome, CommitError> {
        let caller = request.actor.as_ref().map_or(Caller::Operator, |actor| Caller::User(actor.id));
        let idempotency = request.idempotency.clone().filter(|_| !request.dry_run);
        self.commit_once(caller, idempotency, move |draft| {
            let recorded = act_on(draft, &up_to_date(draft, &request)?, user, &action)?;
            let outcome = AccountOutcome { account: present(draft, user)?, recorded };
            if request.dry_run {
                draft.discard();
            }
            Ok(outcome)
        })
        .await
    }

    /// Keeps that somebody tried to sign in, and signs them in if they may: if the password that was found right is of
    /// this hash, and that is still the one. A token of that name and secret is theirs then.
    pub async fn sign_in(
        &self,
        request: Request,
        user: UserId,
        right_for: Option<Arc<str>>,
        token_name: String,
        secret: String,
    ) -> Result<SignInOutcome, CommitError> {
        if right_for.is_some() {
            self.require_room_for_token(user).await?;
        }
        self.commit(move |draft| {
            let was_locked = present(draft, user)?.locked;
            let is_right = match (&right_for, draft.row(&RowKey::Password(user))?) {
                (Some(hash), Some(Row::Password(current))) => *hash == current,
                _ => false,
            };
            if is_right && !was_locked {
                act_on(draft, &request, user, &SignIn)?;
                let token = issue(draft, user, token_name.clone(), &secret);
                return Ok(SignInOutcome::SignedIn(IssuedToken { token, secret: secret.clone() }));
            }
            act_on(draft, &request, user, &FailLogin)?;
            Ok(if present(draft, user)?.locked { SignInOutcome::Locked } else { SignInOutcome::Refused })
        })
        .await
    }

    /// Takes as long as an attempt that is kept. Who measures learns nothing then about whether there is such an account.
    pub async fn nobody_tried(&self) -> Result<(), CommitError> {
        self.commit(move |draft| {
            let now = draft.now().to_string();
            draft.put(RowKey::Setting(Setting::LastUnknownAttempt), Row::Setting(now.as_str().into()));
            Ok(())
        })
        .await
    }

    /// Mails somebody what a new password is set with.
    pub async fn request_reset(&self, request: Request, user: UserId) -> Result<(), CommitError> {
        let surplus = outbox::surplus(&*self.store, user).await?;
        self.commit(move |draft| {
            let account = present(draft, user)?;
            let mut facts = draft.account_facts(user)?;
            let context = draft.context(&request, Some(&account.person), None);
            let (events, token) = RequestReset.decide(&account, &mut facts, &context);
            draft.put_account_facts(user, facts)?;
            record_all(draft, &account.person, events)?;
            let public_url = draft.public_url();
            let text = format!(
                "Somebody, probably you, asked for a new password for {}.\n\nSet it here, within six hours:\n\n  {public_url}/password?reset_password_token={token}\n\nIf it was not you, nothing needs to be done.\n",
                account.person.username
            );
            outbox::put(draft, &account.person, "Your new password", text, &surplus);
            Ok(())
        })
        .await
    }

    /// Mails somebody what their account is unlocked with, if it is locked.
    pub async fn request_unlock(&self, request: Request, user: UserId) -> Result<(), CommitError> {
        let surplus = outbox::surplus(&*self.store, user).await?;
        self.commit(move |draft| {
            let account = present(draft, user)?;
            let mut facts = draft.account_facts(user)?;
            let context = draft.context(&request, Some(&account.person), None);
            let Some(token) = RequestUnlock.decide(&account, &mut facts, &context) else { return Ok(()) };
            draft.put_account_facts(user, facts)?;
            let public_url = draft.public_url();
            let text = format!(
                "The account {} is locked, since somebody failed to sign in ten times.\n\nUnlock it here, within six hours:\n\n  {public_url}/v1/users/unlock?unlock_token={token}\n\nIf it was not you who failed to sign in, choose a longer password.\n",
                account.person.username
            );
            outbox::put(draft, &account.person, "Your account is locked", text, &surplus);
            Ok(())
        })
        .await
    }

    /// Sets a new password, of that hash, with a mailed token. Every bearer token from before is worth nothing then.
    pub async fn reset_password(
        &self,
        request: Request,
        token: String,
        password_hash: String,
    ) -> Result<(), CommitError> {
        let action = Reset { token };
        let Some(user) = user_of_token(&action.token) else {
            let message = "is unknown, used or expired";
            return Err(CommitError::Rejected(Rejection::invalid("reset_password_token", message)));
        };
        let tokens = self.store.list(Listing::TokensOf(user), TOKENS_MAX).await?;
        self.commit(move |draft| {
            if draft.account(user)?.is_none() {
                let message = "is unknown, used or expired";
                return Err(Rejection::invalid("reset_password_token", message).into());
            }
            act_on(draft, &request, user, &action)?;
            draft.put(RowKey::Password(user), Row::Password(password_hash.as_str().into()));
            for (key, _) in &tokens {
                if let Some(Row::Token(token)) = draft.row(key)? {
                    let token = Token { issued_at: draft.now(), ..(*token).clone() };
                    draft.put(key.clone(), Row::Token(token.into()));
                }
            }
            Ok(())
        })
        .await
    }

    /// Unlocks an account with a mailed token.
    pub async fn unlock(&self, request: Request, token: String) -> Result<(), CommitError> {
        let unknown = || Rejection::invalid("unlock_token", "is unknown, used or expired");
        let user = user_of_token(&token).ok_or_else(|| CommitError::Rejected(unknown()))?;
        self.commit(move |draft| {
            if draft.account(user)?.is_none() {
                return Err(unknown().into());
            }
            act_on(draft, &request, user, &Unlock { token: Some(token.clone()) }).map(|_| ())
        })
        .await
    }
}

/// Does something with an account, as a part of a change.
pub(super) fn act_on<A: AccountAction>(
    draft: &mut Draft<'_>,
    request: &Request,
    user: UserId,
    action: &A,
) -> Result<Vec<Recorded>, CommandError> {
    let account = present(draft, user)?;
    let mut facts = draft.account_facts(user)?;
    let context = draft.context(request, Some(&account.person), None);
    let decided = action.decide(&account, &mut facts, &context);
    let decided = draft.decided(decided)?;
    draft.put_account_facts(user, facts)?;
    record_all(draft, &account.person, decided)
}

/// Records an event of an account, in the name of whose it is.
pub(super) fn record(
    draft: &mut Draft<'_>,
    person: &Person,
    data: TypeData,
) -> Result<Recorded, CommandError> {
    draft.record(Event {
        id: EventId::from_bytes([0; EventId::BYTES]),
        created_at: Time::EPOCH,
        user: Some(person.clone()),
        app: None,
        data,
    })
}

fn record_all(
    draft: &mut Draft<'_>,
    person: &Person,
    decided: Vec<TypeData>,
) -> Result<Vec<Recorded>, CommandError> {
    decided.into_iter().map(|data| record(draft, person, data)).collect()
}

fn present(draft: &Draft<'_>, user: UserId) -> Result<Arc<Account>, CommandError> {
    draft.account(user)?.ok_or_else(|| Rejection::NotFound("user").into())
}
