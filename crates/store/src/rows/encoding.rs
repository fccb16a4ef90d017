//! How the parts of keys are written, and the values of rows.

use annals_model::{AppId, EventId, Time, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::values::{Caller, Setting, TokenHash};

/// A part of a key. What is of any length has its length before it (u32 big-endian), unless nothing comes behind it.
pub(super) trait KeyPart {
    fn write_to(&self, key: &mut Vec<u8>, is_last: bool);

    /// How much of it is not of fixed length.
    fn text_bytes(&self) -> usize {
        0
    }
}

/// A part that can be read: the part, and what comes behind it.
pub(super) trait ReadKeyPart: Sized {
    fn read_from(key: &[u8], is_last: bool) -> Option<(Self, &[u8])>;
}

macro_rules! fixed_parts {
    ($($part:ty: |$value:ident| $bytes:expr, |$read:ident| $from:expr;)+) => {$(
        impl KeyPart for $part {
            fn write_to(&self, key: &mut Vec<u8>, _: bool) {
                let $value = self;
                key.extend_from_slice($bytes);
            }
        }

        impl ReadKeyPart for $part {
            fn read_from(key: &[u8], _: bool) -> Option<(Self, &[u8])> {
                let ($read, rest) = key.split_first_chunk()?;
                Some(($from, rest))
            }
        }
    )+};
}

fixed_parts! {
    AppId: |id| id.as_bytes(), |bytes| AppId::from_bytes(*bytes);
    UserId: |id| id.as_bytes(), |bytes| UserId::from_bytes(*bytes);
    EventId: |id| id.as_bytes(), |bytes| EventId::from_bytes(*bytes);
    TokenHash: |hash| hash.as_bytes(), |bytes| TokenHash::from_bytes(*bytes);
    Time: |time| &time.as_millis().to_be_bytes(), |bytes| Time::from_millis(u64::from_be_bytes(*bytes));
    u64: |number| &number.to_be_bytes(), |bytes| u64::from_be_bytes(*bytes);
}

impl KeyPart for () {
    fn write_to(&self, _: &mut Vec<u8>, _: bool) {}
}

impl KeyPart for String {
    fn write_to(&self, key: &mut Vec<u8>, is_last: bool) {
        if !is_last {
            let length = u32::try_from(self.len()).expect("a name is far shorter");
            key.extend_from_slice(&length.to_be_bytes());
        }
        key.extend_from_slice(self.as_bytes());
    }

    fn text_bytes(&self) -> usize {
        self.len()
    }
}

impl ReadKeyPart for String {
    fn read_from(key: &[u8], is_last: bool) -> Option<(Self, &[u8])> {
        let (text, rest) = match is_last {
            true => (key, &[][..]),
            false => {
                let (length, rest) = key.split_first_chunk()?;
                rest.split_at_checked(u32::from_be_bytes(*length) as usize)?
            }
        };
        Some((String::from_utf8(text.to_vec()).ok()?, rest))
    }
}

impl KeyPart for Caller {
    fn write_to(&self, key: &mut Vec<u8>, _: bool) {
        match self {
            Self::Operator => key.push(b'o'),
            Self::User(user) => {
                key.push(b'u');
                key.extend_from_slice(user.as_bytes());
            }
        }
    }
}

impl ReadKeyPart for Caller {
    fn read_from(key: &[u8], _: bool) -> Option<(Self, &[u8])> {
        match key.split_first()? {
            (b'o', rest) => Some((Self::Operator, rest)),
            (b'u', rest) => UserId::read_from(rest, false).map(|(user, rest)| (Self::User(user), rest)),
            _ => None,
        }
    }
}

impl KeyPart for Setting {
    fn write_to(&self, key: &mut Vec<u8>, _: bool) {
        key.extend_from_slice(self.name().as_bytes());
    }
}

impl ReadKeyPart for Setting {
    fn read_from(key: &[u8], _: bool) -> Option<(Self, &[u8])> {
        Self::named(key).map(|setting| (setting, &[][..]))
    }
}

/// The stored value: JSON, so that rows written before a field existed can be read after. Nothing is nothing.
pub(super) fn write_value(value: &impl Serialize) -> Vec<u8> {
    let json = serde_json::to_vec(value).expect("what a row holds can always be written to memory");
    if json == b"null" { Vec::new() } else { json }
}

pub(super) fn read_value<T: DeserializeOwned>(value: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(if value.is_empty() { b"null" } else { value })
}
