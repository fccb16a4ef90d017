//! What is kept beside the timelines: states, names taken, tokens, answers given.

mod key;
mod listing;

use std::fmt;
use std::sync::Arc;

use annals_model::account::{AccountFacts, Voucher};
use annals_model::{Account, App, AppId, Directory, EventId, Facts, Time, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use key::RowKey;
pub use listing::Listing;

/// What a row holds. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// The state of an app.
    App(Arc<App>),
    /// The state of an account.
    Account(Arc<Account>),
    /// The app that has a name, a domain or an add-on, or to which a token invites.
    AppWithName(AppId),
    /// The user that has a username or an address.
    UserWithName(UserId),
    /// A password's hash, as a PHC string.
    Password(Arc<str>),
    /// An API token.
    Token(Arc<Token>),
    /// The token that has a hash.
    TokenWithHash(UserId, TokenId),
    /// The answer given to a request that carried an idempotency key.
    Answer(Arc<Answer>),
    /// Nothing but that the row is there.
    Present,
    /// A setting's value.
    Setting(Arc<str>),
    /// What is known of an app that its events do not say.
    Facts(Arc<Facts>),
    /// What is known of an account that its events do not say.
    AccountFacts(Arc<AccountFacts>),
    /// A mail that waits to be sent.
    Mail(Arc<Mail>),
    /// A voucher.
    Voucher(Arc<Voucher>),
    /// The add-ons on offer.
    Directory(Arc<Directory>),
}

/// A mail that waits to be sent, or to be read by the operator where nothing sends mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Identifies it, also to those who get it more than once.
    pub id: EventId,
    /// The address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// When it was written.
    pub created_at: Time,
    /// From when on it is worth nothing.
    pub expires_at: Time,
}

/// Identifies an API token.
pub type TokenId = EventId;

/// The SHA-256 of an API token; the token itself is never kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of that token. One round is enough: tokens are random and long.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// The hash with that hexadecimal form.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// An API token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Identifies it.
    pub id: TokenId,
    /// What its user calls it.
    pub name: String,
    /// When it was first issued.
    pub created_at: Time,
    /// When its present secret was issued.
    pub issued_at: Time,
    /// When it was last exchanged, to the minute.
    pub last_used_at: Option<Time>,
    /// The hash of its secret, in hexadecimal.
    pub hash: String,
}

/// Who sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller {
    /// The platform's own credential.
    Operator,
    /// A user.
    User(UserId),
}

/// What was answered to a request with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The SHA-256 of what was asked for, in hexadecimal.
    pub fingerprint: String,
    /// What came of it, as JSON.
    pub outcome: String,
    /// Until when the answer is remembered.
    pub expires_at: Time,
}

/// What the store remembers about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Setting {
    /// The key that signs bearer tokens, in hexadecimal.
    SigningKey,
    /// The SHA-256 of the operator token made at the first start, in hexadecimal.
    OperatorTokenHash,
    /// When somebody last tried to get into an account that does not exist.
    LastUnknownAttempt,
    /// Which store this one is going to be a copy of, as long as it is not whole.
    UnfinishedCopy,
}

impl Setting {
    const ALL: [(Self, &'static str); 4] = [
        (Self::SigningKey, "signing_key"),
        (Self::OperatorTokenHash, "operator_token_hash"),
        (Self::LastUnknownAttempt, "last_unknown_attempt"),
        (Self::UnfinishedCopy, "unfinished_copy"),
    ];

    fn name(self) -> &'static str {
        match self {
            Self::SigningKey => "signing_key",
            Self::OperatorTokenHash => "operator_token_hash",
            Self::LastUnknownAttempt => "last_unknown_attempt",
            Self::UnfinishedCopy => "unfinished_copy",
        }
    }
}

impl Caller {
    fn write_to(self, key: &mut Vec<u8>) {
        match self {
            Self::Operator => key.push(b'o'),
            Self::User(user) => {
                key.push(b'u');
                key.extend_from_slice(user.as_bytes());
            }
        }
    }

    fn read_from(bytes: &[u8]) -> Option<(Self, &[u8])> {
        match bytes.split_first()? {
            (b'o', rest) => Some((Self::Operator, rest)),
            (b'u', rest) => {
                let (user, rest) = rest.split_first_chunk()?;
                Some((Self::User(UserId::from_bytes(*user)), rest))
            }
            _ => None,
        }
    }
}

impl Row {
    /// The stored value: JSON, so that rows written before a field existed can be read after.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::App(app) => serde_json::to_vec(app),
            Self::Account(account) => serde_json::to_vec(account),
            Self::AppWithName(app) => serde_json::to_vec(app),
            Self::UserWithName(user) => serde_json::to_vec(user),
            Self::Password(hash) => serde_json::to_vec(&**hash),
            Self::Token(token) => serde_json::to_vec(token),
            Self::TokenWithHash(user, token) => serde_json::to_vec(&(user, token)),
            Self::Answer(answer) => serde_json::to_vec(answer),
            Self::Present => return Vec::new(),
            Self::Setting(value) => serde_json::to_vec(&**value),
            Self::Facts(facts) => serde_json::to_vec(facts),
            Self::AccountFacts(facts) => serde_json::to_vec(facts),
            Self::Mail(mail) => serde_json::to_vec(mail),
            Self::Voucher(voucher) => serde_json::to_vec(voucher),
            Self::Directory(directory) => serde_json::to_vec(directory),
        }
        .expect("what a row holds can always be written to memory")
    }

    /// The row of that key with this stored value.
    pub(crate) fn from_bytes(key: &RowKey, value: &[u8]) -> Result<Self, serde_json::Error> {
        Ok(match key {
            RowKey::App(_) => Self::App(serde_json::from_slice(value).map(Arc::new)?),
            RowKey::Account(_) => Self::Account(serde_json::from_slice(value).map(Arc::new)?),
            RowKey::AppName(_)
            | RowKey::Domain(_)
            | RowKey::Addon(_)
            | RowKey::AddonOf(..)
            | RowKey::Invitation(_)
            | RowKey::UsedInvitation(_) => Self::AppWithName(serde_json::from_slice(value)?),
            RowKey::Username(_) | RowKey::Email(_) => Self::UserWithName(serde_json::from_slice(value)?),
            RowKey::Member(..) | RowKey::Registered(_) | RowKey::AnswerExpiry(..) | RowKey::Timer(..) => {
                Self::Present
            }
            RowKey::Password(_) => Self::Password(serde_json::from_slice::<String>(value)?.into()),
            RowKey::Token(..) => Self::Token(serde_json::from_slice(value).map(Arc::new)?),
            RowKey::TokenHash(_) => {
                let (user, token) = serde_json::from_slice(value)?;
                Self::TokenWithHash(user, token)
            }
            RowKey::Answer(..) => Self::Answer(serde_json::from_slice(value).map(Arc::new)?),
            RowKey::Setting(_) => Self::Setting(serde_json::from_slice::<String>(value)?.into()),
            RowKey::Facts(_) => Self::Facts(serde_json::from_slice(value).map(Arc::new)?),
            RowKey::AccountFacts(_) => Self::AccountFacts(serde_json::from_slice(value).map(Arc::new)?),
            RowKey::Mail(..) => Self::Mail(serde_json::from_slice(value).map(Arc::new)?),
            RowKey::Voucher(_) => Self::Voucher(serde_json::from_slice(value).map(Arc::new)?),
            RowKey::Directory => Self::Directory(serde_json::from_slice(value).map(Arc::new)?),
        })
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}
