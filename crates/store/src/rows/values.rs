//! The types of rows' values that the model does not define.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use annals_model::{EventId, Time, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A queued mail. It waits to be sent or, without a mail server, to be read by the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The mail's identifier. A recipient can recognize by it a mail that was sent twice.
    pub id: EventId,
    /// The recipient's address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The body, as plain text.
    pub text: String,
    /// When it was queued.
    pub created_at: Time,
    /// When the mail expires; it is not sent after that.
    pub expires_at: Time,
}

/// The times of a block of positions in a timeline, which has a late event. By them, a search by time skips blocks that
/// came late as a whole, such as another platform's history. In blocks without late events times never decrease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateBlock {
    /// The earliest time of a late event in the block.
    pub earliest_late: Time,
    /// The latest time of any event in the block.
    pub latest: Time,
}

impl LateBlock {
    /// The number of positions in a block. Few, so that little is read for one late event; many, so that a long history
    /// has few blocks.
    pub const EVENTS: u64 = 1024;

    /// Returns the block that has this position.
    pub const fn of_position(position: u64) -> u64 {
        (position - 1) / Self::EVENTS
    }

    /// Returns the positions of a block.
    pub const fn positions(block: u64) -> RangeInclusive<u64> {
        block * Self::EVENTS + 1..=(block + 1) * Self::EVENTS
    }
}

/// How much output a deployment has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The number of its parts.
    pub parts: u64,
    /// The length of all parts.
    pub bytes: u64,
}

/// The other holders of a shared name that are next to one holder. Reports may give one name to several apps or users.
///
/// So the holders of a name are a list in the order in which they got it, and the name's own row has the last one. A change
/// writes three holders at most, however many there are. The only holder of a name has no such row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbours<Id> {
    /// The holder that got the name just before; `None` for the first one.
    pub earlier: Option<Id>,
    /// The holder that got the name just after; `None` for the last one.
    pub later: Option<Id>,
}

impl<Id> Neighbours<Id> {
    /// The neighbours of an only holder.
    pub const NONE: Self = Self { earlier: None, later: None };
}

/// The identifier of an API token.
pub type TokenId = EventId;

/// The SHA-256 of an API token. The token itself is never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Hashes a token. A fast hash is enough, because tokens are random and long.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Reads a hash in hexadecimal; `None` if `text` is not one.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    pub(super) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the hash.
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
    /// Its identifier.
    pub id: TokenId,
    /// The name that its user gave it.
    pub name: String,
    /// When it was created.
    pub created_at: Time,
    /// When its current secret was issued.
    pub issued_at: Time,
    /// When it was last exchanged for a bearer token, to the minute; `None` if never.
    pub last_used_at: Option<Time>,
    /// Whether signing in with a password gave it. A new password ends such tokens.
    #[serde(default)]
    pub by_password: bool,
    /// The hash of its current secret, in hexadecimal.
    pub hash: String,
}

/// The sender of a request with an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller {
    /// The operator: the platform's own credential.
    Operator,
    /// A user.
    User(UserId),
}

/// The stored response to a request with an idempotency key. A repeated request gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The SHA-256 of the request, in hexadecimal.
    pub fingerprint: String,
    /// The outcome of the request, as JSON.
    pub outcome: String,
    /// When the stored response expires; the idempotency key can be used for another request after that.
    pub expires_at: Time,
}

/// How many events of each type were recorded, up to the cursor of the follower that counts them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCounts(pub BTreeMap<String, u64>);

/// A single value that the store keeps for annals itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Setting {
    /// The key that signs bearer tokens, in hexadecimal.
    SigningKey,
    /// The SHA-256 of the operator token generated at the first start, in hexadecimal.
    OperatorTokenHash,
    /// When somebody last tried to sign in to an account that does not exist.
    LastUnknownAttempt,
    /// The identity of the store that is being copied into this one; absent once the copy is complete.
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
