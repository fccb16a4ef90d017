//! What rows hold that is no state of the model.

use std::collections::BTreeMap;
use std::fmt;

use annals_model::{EventId, Time, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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
    /// When it expires: it is not sent from then on.
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

    pub(super) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
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

/// How many events of each type were recorded, up to where its follower is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCounts(pub BTreeMap<String, u64>);

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
    const ALL: [Self; 4] =
        [Self::SigningKey, Self::OperatorTokenHash, Self::LastUnknownAttempt, Self::UnfinishedCopy];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::SigningKey => "signing_key",
            Self::OperatorTokenHash => "operator_token_hash",
            Self::LastUnknownAttempt => "last_unknown_attempt",
            Self::UnfinishedCopy => "unfinished_copy",
        }
    }

    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.name().as_bytes() == name)
    }
}
