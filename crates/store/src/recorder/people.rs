//! Accounts and their API tokens.

use std::sync::Arc;

use annals_model::app::is_email;
use annals_model::catalogue::{self, AccountChanges, TokenEvent};
use annals_model::{Account, FieldErrors, Person, Rejection, Time, UserId};

use crate::contract::{CommandError, CommitError};
use crate::rows::{Listing, Row, RowKey, Token, TokenHash, TokenId};

use super::Recorder;
use super::accounts::record;
use super::draft::Draft;

/// The longest name of a token, in characters.
pub const TOKEN_NAME_MAX: usize = 128;
/// The most API tokens of a user.
pub(super) const TOKENS_MAX: usize = 1_000;
/// The longest username.
const USERNAME_MAX: usize = 64;
/// How exactly it is kept when a token was last used: keeping every use would be a write for every command somebody runs.
const LAST_USED_MILLIS: u64 = 60 * 1000;

/// Somebody to be registered.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Who they are to the platform already, if they are.
    pub id: Option<UserId>,
    /// The name they chose.
    pub username: String,
    /// Their email address.
    pub email: String,
    /// The hash of their password, as a PHC string.
    pub password_hash: Option<String>,
    /// Whether they register themself. Who is registered by the operator did nothing yet: an event of theirs now would
    /// keep what they did before from being reported.
    pub signs_up: bool,
}

/// A token with its secret, which is shown once and never kept.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// What is kept of it.
    pub token: Token,
    /// What its user presents.
    pub secret: String,
}

impl Recorder {
    /// Registers somebody, with a first API token of that secret. Somebody who so far was only named in reports, with
    /// this identifier or with this address and username, becomes registered.
    pub async fn register_user(
        &self,
        user: NewUser,
        secret: String,
    ) -> Result<(Arc<Account>, IssuedToken), CommitError> {
        check(&user).map_err(CommitError::Rejected)?;
        self.commit(move |draft| {
            let id = registrable(draft, &user)?;
            let person = Person { username: user.username.clone(), email: user.email.clone(), id };
            let account = match draft.account(id)? {
                Some(known) => Account { person, ..(*known).clone() },
                None => Account::first_seen(&person, draft.now()),
            };
            draft.put_account(account.clone())?;
            draft.put(RowKey::Registered(id), Row::Present);
            if user.signs_up {
                record(draft, &account.person, AccountChanges::NewUser(catalogue::NewUser {}).into())?;
            }
            if let Some(hash) = &user.password_hash {
                draft.put(RowKey::Password(id), Row::Password(hash.as_str().into()));
            }
            let token = issue(draft, id, "default".to_owned(), &secret);
            let account = draft.account(id)?.unwrap_or_else(|| Arc::new(account));
            Ok((account, IssuedToken { token, secret: secret.clone() }))
        })
        .await
    }

    /// Gives a user a further API token of that secret.
    pub async fn create_token(
        &self,
        user: UserId,
        name: String,
        secret: String,
    ) -> Result<IssuedToken, CommitError> {
        if name.is_empty() || name.chars().count() > TOKEN_NAME_MAX {
            let message = format!("must have 1 to {TOKEN_NAME_MAX} characters");
            return Err(CommitError::Rejected(Rejection::invalid("name", message)));
        }
        self.require_room_for_token(user).await?;
        self.commit(move |draft| {
            let token = issue(draft, user, name.clone(), &secret);
            record_of_token(draft, user, &token, AccountChanges::NewToken)?;
            Ok(IssuedToken { token, secret: secret.clone() })
        })
        .await
    }

    /// Refuses a further token where there are many.
    pub(super) async fn require_room_for_token(&self, user: UserId) -> Result<(), CommitError> {
        if self.store.list(Listing::TokensOf(user), TOKENS_MAX).await?.len() < TOKENS_MAX {
            return Ok(());
        }
        let message = format!("is one too many: there may be {TOKENS_MAX}, so revoke one first");
        Err(CommitError::Rejected(Rejection::invalid("name", message)))
    }

    /// Gives a token another secret; the one before is worth nothing from then on.
    pub async fn renew_token(
        &self,
        user: UserId,
        id: TokenId,
        secret: String,
    ) -> Result<IssuedToken, CommitError> {
        self.commit(move |draft| {
            let before = take(draft, user, id)?;
            let token = Token { issued_at: draft.now(), hash: TokenHash::of(&secret).to_string(), ..before };
            keep(draft, user, &token, TokenHash::of(&secret));
            record_of_token(draft, user, &token, AccountChanges::RegenerateToken)?;
            Ok(IssuedToken { token, secret: secret.clone() })
        })
        .await
    }

    /// Revokes a token.
    pub async fn revoke_token(&self, user: UserId, id: TokenId) -> Result<(), CommitError> {
        self.commit(move |draft| {
            let token = take(draft, user, id)?;
            record_of_token(draft, user, &token, AccountChanges::DeleteToken)
        })
        .await
    }

    /// Keeps that a token was used.
    pub async fn token_used(&self, user: UserId, token: &Token) -> Result<(), CommitError> {
        let now = self.clock.now();
        if token.last_used_at.is_some_and(|last| last.plus_millis(LAST_USED_MILLIS) > now) {
            return Ok(());
        }
        let id = token.id;
        self.commit(move |draft| {
            if let Some(Row::Token(token)) = draft.row(&RowKey::Token(user, id))? {
                let used = Token { last_used_at: Some(draft.now()), ..(*token).clone() };
                draft.put(RowKey::Token(user, id), Row::Token(used.into()));
            }
            Ok(())
        })
        .await
    }
}

/// Who a registration is for: somebody new, or somebody whom reports named before.
fn registrable(draft: &Draft<'_>, user: &NewUser) -> Result<UserId, CommandError> {
    let holder = |key: RowKey| match draft.row(&key) {
        Ok(Some(Row::UserWithName(holder))) => Ok(Some(holder)),
        Ok(_) => Ok(None),
        Err(error) => Err(error),
    };
    let with_email = holder(RowKey::email(&user.email))?;
    let with_username = holder(RowKey::Username(user.username.clone()))?;
    // Whoever signs up could say anything of themself: who was reported before is not theirs to take.
    let named = with_email.filter(|holder| !user.signs_up && with_username == Some(*holder));
    let id = user.id.or(named).unwrap_or_else(|| draft.ids().user_id());
    let taken = |holder: Option<UserId>| holder.is_some_and(|holder| holder != id);
    let is_registered = draft.row(&RowKey::Registered(id))?.is_some();
    let errors = [
        (user.id.is_some() && is_registered).then_some("id"),
        (taken(with_email) || (user.id.is_none() && is_registered)).then_some("email"),
        (taken(with_username) || (user.id.is_none() && is_registered)).then_some("username"),
    ];
    let errors = errors.into_iter().flatten();
    match FieldErrors::any(errors.map(|field| (field.to_owned(), "has already been taken".to_owned()))) {
        Some(errors) => Err(Rejection::Invalid(errors).into()),
        None => Ok(id),
    }
}

fn check(user: &NewUser) -> Result<(), Rejection> {
    let username_is_good = (1..=USERNAME_MAX).contains(&user.username.len())
        && user
            .username
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    let email_is_good = is_email(&user.email);
    let errors = [
        (!username_is_good).then(|| {
            let message =
                format!("must be 1 to {USERNAME_MAX} letters, digits, hyphens, underscores and dots");
            ("username".to_owned(), message)
        }),
        (!email_is_good).then(|| ("email".to_owned(), "must be an email address".to_owned())),
    ];
    FieldErrors::any(errors.into_iter().flatten()).map_or(Ok(()), |errors| Err(Rejection::Invalid(errors)))
}

fn record_of_token(
    draft: &mut Draft<'_>,
    user: UserId,
    token: &Token,
    event: fn(TokenEvent) -> AccountChanges,
) -> Result<(), CommandError> {
    let account = draft.account(user)?.ok_or(Rejection::NotFound("user"))?;
    let data = TokenEvent { token_name: token.name.clone(), token_id: token.id.to_string() };
    record(draft, &account.person, event(data).into()).map(|_| ())
}

pub(super) fn issue(draft: &mut Draft<'_>, user: UserId, name: String, secret: &str) -> Token {
    let now: Time = draft.now();
    let hash = TokenHash::of(secret);
    let token = Token {
        id: draft.ids().event_id(now),
        name,
        created_at: now,
        issued_at: now,
        last_used_at: None,
        hash: hash.to_string(),
    };
    keep(draft, user, &token, hash);
    token
}

fn keep(draft: &mut Draft<'_>, user: UserId, token: &Token, hash: TokenHash) {
    draft.put(RowKey::Token(user, token.id), Row::Token(token.clone().into()));
    draft.put(RowKey::TokenHash(hash), Row::TokenWithHash(user, token.id));
}

/// Removes a token, and gives what was kept of it.
fn take(draft: &mut Draft<'_>, user: UserId, id: TokenId) -> Result<Token, CommandError> {
    let Some(Row::Token(token)) = draft.row(&RowKey::Token(user, id))? else {
        return Err(Rejection::NotFound("token").into());
    };
    draft.remove(RowKey::Token(user, id));
    if let Some(hash) = TokenHash::from_hex(&token.hash) {
        draft.remove(RowKey::TokenHash(hash));
    }
    Ok((*token).clone())
}
