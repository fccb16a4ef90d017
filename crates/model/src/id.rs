//! Identifiers, in the forms of the Events API: 24 hexadecimal digits for apps and events, `us-` and a UUID for users.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Time;

/// The error for a text that is not an identifier. It holds the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidId(&'static str);

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be {}", self.0)
    }
}

impl std::error::Error for InvalidId {}

/// Implements serde and JSON Schema through the text form, so every identifier is validated when it is read.
macro_rules! as_text {
    ($type:ident, $pattern:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

macro_rules! hexadecimal_id {
    ($(#[$doc:meta])* $type:ident) => {
        impl AsRef<[u8]> for $type {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type([u8; Self::BYTES]);

        impl $type {
            /// The length in bytes; the text is twice as long.
            pub const BYTES: usize = 12;

            /// Returns the identifier with these bytes.
            pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
                Self(bytes)
            }

            /// Returns the bytes, which sort like the text.
            pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
                &self.0
            }

            /// Returns the text: 24 lower-case hexadecimal digits.
            pub fn to_hex(self) -> [u8; Self::BYTES * 2] {
                let mut text = [0; Self::BYTES * 2];
                hex::encode_to_slice(self.0, &mut text).expect("the text is twice as long as the bytes");
                text
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(std::str::from_utf8(&self.to_hex()).expect("hexadecimal digits are ASCII"))
            }
        }

        impl FromStr for $type {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                const FORM: InvalidId = InvalidId("24 lower-case hexadecimal digits");
                if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return Err(FORM);
                }
                let mut bytes = [0; Self::BYTES];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| FORM)?;
                Ok(Self(bytes))
            }
        }

        as_text!($type, "^[0-9a-f]{24}$");
    };
}

hexadecimal_id! {
    /// The permanent identifier of an app. The app's name may change, and another app may then take the name.
    AppId
}

hexadecimal_id! {
    /// The identifier of an event.
    ///
    /// An identifier assigned here contains the event's time, by which the event is found. It sorts after every earlier
    /// one of its process, even within a millisecond. A report may bring an identifier of its own.
    ///
    /// ```text
    /// seconds since 1970 (u32) │ millisecond of it (u16) │ sequence (u32) │ process (u16)     big-endian
    /// ```
    EventId
}

impl EventId {
    /// Returns the identifier with these parts.
    pub fn assigned(time: Time, sequence: u32, process: u16) -> Self {
        let millisecond = u16::try_from(time.as_millis() % 1000).expect("a second has 1000 milliseconds");
        // Seconds wrap in 2106. Identifiers stay unique; only finding events by time becomes slower.
        let seconds = u32::try_from(time.as_seconds() & u64::from(u32::MAX)).expect("masked to 32 bits");
        let mut bytes = [0; Self::BYTES];
        bytes[0..4].copy_from_slice(&seconds.to_be_bytes());
        bytes[4..6].copy_from_slice(&millisecond.to_be_bytes());
        bytes[6..10].copy_from_slice(&sequence.to_be_bytes());
        bytes[10..12].copy_from_slice(&process.to_be_bytes());
        Self(bytes)
    }

    /// Returns the event's time if the identifier was assigned here. For an identifier from a report, the result is
    /// arbitrary but harmless.
    pub fn time(self) -> Time {
        let [s0, s1, s2, s3, m0, m1, ..] = self.0;
        let seconds = u64::from(u32::from_be_bytes([s0, s1, s2, s3]));
        Time::from_millis(seconds * 1000 + u64::from(u16::from_be_bytes([m0, m1])))
    }
}

/// The permanent identifier of a user: `us-` and a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Uuid);

impl UserId {
    /// The length in bytes.
    pub const BYTES: usize = 16;
    /// The identifier of the platform itself, see [`Person::platform`](crate::Person::platform).
    pub const PLATFORM: Self = Self(Uuid::nil());

    /// Returns the identifier with these bytes.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        self.0.as_bytes()
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "us-{}", self.0.hyphenated())
    }
}

impl FromStr for UserId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        const FORM: InvalidId =
            InvalidId("us- and a lower-case UUID, such as us-0e6d8e46-5cd0-42a4-acba-372b2be605ac");
        let uuid = text.strip_prefix("us-").filter(|uuid| uuid.len() == 36).ok_or(FORM)?;
        if uuid.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(FORM);
        }
        Uuid::parse_str(uuid).map(Self).map_err(|_| FORM)
    }
}

as_text!(UserId, "^us-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$");

hexadecimal_id! {
    /// The identifier of a resource of an app or a user: a domain, a collaborator, a public key, …
    ///
    /// It is derived from the owner and the resource's name, so no event has to contain it, and folding a timeline gives
    /// it too.
    ResourceId
}

impl ResourceId {
    /// Derives the identifier of a resource from its owner's identifier, its kind and its name.
    pub fn derived(owner: impl AsRef<[u8]>, kind: &str, name: &str) -> Self {
        Self::of(Sha256::new().chain_update(owner).chain_update(kind).chain_update([0]).chain_update(name))
    }

    /// Returns the identifier that consists of the first bytes of a hash.
    pub(crate) fn of(hash: Sha256) -> Self {
        let mut id = [0; Self::BYTES];
        id.copy_from_slice(&hash.finalize()[..Self::BYTES]);
        Self(id)
    }
}

/// Derives a UUID from an owner's identifier, a kind and a name.
pub(crate) fn derived_uuid(owner: impl AsRef<[u8]>, kind: &str, name: &str) -> Uuid {
    let hash = Sha256::new().chain_update(owner).chain_update(kind).chain_update([0]).chain_update(name);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// A source of new identifiers. It is an input, like the time, so a decision can be repeated exactly.
pub trait IdSource: Send + Sync {
    /// Returns an identifier for an event at this time, greater than all that this source returned for this time or an
    /// earlier one.
    fn event_id(&self, time: Time) -> EventId;

    /// Returns an identifier for a new app.
    fn app_id(&self, now: Time) -> AppId;

    /// Returns an identifier for a new user.
    fn user_id(&self) -> UserId;

    /// Returns random bytes that nobody can guess, for new tokens and passwords.
    fn secret(&self) -> [u8; SECRET_BYTES];
}

/// The length of a secret in bytes.
pub const SECRET_BYTES: usize = 20;

/// The source of identifiers of one process.
///
/// The sequence counts up from a random start for the life of the process. Two identifiers are equal only if their
/// time, their 32-bit sequence number and their 16-bit process number are all equal.
#[derive(Debug)]
pub struct RandomIds {
    process: u16,
    sequence: AtomicU32,
}

impl Default for RandomIds {
    fn default() -> Self {
        Self::starting_at(rand::random(), rand::random::<u32>() >> 1)
    }
}

impl RandomIds {
    /// Returns a source with this process number whose sequence starts at this number.
    pub fn starting_at(process: u16, sequence: u32) -> Self {
        Self { process, sequence: AtomicU32::new(sequence) }
    }
}

impl IdSource for RandomIds {
    fn event_id(&self, time: Time) -> EventId {
        EventId::assigned(time, self.sequence.fetch_add(1, Ordering::Relaxed), self.process)
    }

    fn app_id(&self, now: Time) -> AppId {
        let mut bytes: [u8; AppId::BYTES] = rand::random();
        bytes[0..4].copy_from_slice(&EventId::assigned(now, 0, 0).as_bytes()[0..4]);
        AppId(bytes)
    }

    fn user_id(&self) -> UserId {
        UserId(Uuid::new_v4())
    }

    fn secret(&self) -> [u8; SECRET_BYTES] {
        rand::random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assigned_event_id_contains_its_time_and_sorts_by_it() {
        let ids = RandomIds::starting_at(7, 1);
        let early = Time::from_millis(1_761_984_000_123);
        let given: Vec<_> = [early, early, early.plus_millis(1), early.plus_millis(2000)]
            .into_iter()
            .map(|time| (time, ids.event_id(time)))
            .collect();
        assert!(given.iter().all(|(time, id)| id.time() == *time));
        assert!(given.is_sorted_by(|a, b| a.1 < b.1));
        assert_eq!(given[0].1.to_string(), "6905be00007b000000010007");
    }

    #[test]
    fn identifiers_round_trip_and_other_texts_are_refused() {
        assert_eq!(
            "5343eccd646173000a140000".parse::<AppId>().unwrap().to_string(),
            "5343eccd646173000a140000"
        );
        for text in ["", "5343eccd646173000a14000", "5343ECCD646173000a140000", "z343eccd646173000a140000"] {
            assert!(text.parse::<AppId>().is_err(), "{text}");
        }
        let user = "us-0e6d8e46-5cd0-42a4-acba-372b2be605ac";
        assert_eq!(user.parse::<UserId>().unwrap().to_string(), user);
        for text in ["0e6d8e46-5cd0-42a4-acba-372b2be605ac", "us-", "us-0e6d8e465cd042a4acba372b2be605ac"] {
            assert!(text.parse::<UserId>().is_err(), "{text}");
        }
    }
}
