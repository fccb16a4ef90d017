//! The encoding of rows: the parts of their keys, and their values.
//!
//! A stored key is one byte for its kind, then its parts in the order of the table in `registry.rs`:
//!
//! ```text
//! kind (u8) │ part │ part …
//!
//! app (12) │ event or token (12) │ user (16) │ token hash (32)    the identifier's bytes
//! time                     ms since 1970 (u64 big-endian)
//! number                   u64 big-endian
//! text, the last part      UTF-8
//! text, any other part     length in bytes (u32 big-endian) │ UTF-8
//! caller                   "o" for the operator, or "u" │ user (16)
//! timeline                 "a" │ app (12), or "u" │ user (16)
//! setting                  its name, in ASCII
//! ```
//!
//! A value is JSON, except the state of an app in the embedded engine (`embedded/checkpoint.rs`). JSON null is stored
//! as no bytes.

use annals_model::{AppId, EventId, Time, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::values::{Caller, Setting, TokenHash};
use crate::timeline::TimelineId;

/// A part of a key.
pub(super) trait KeyPart {
    fn write_to(&self, key: &mut Vec<u8>, is_last: bool);

    /// Returns the length of the part if it is text; zero for any other part.
    fn text_bytes(&self) -> usize {
        0
    }
}

/// A part that can be read back: returns the part and the bytes after it.
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

impl KeyPart for TimelineId {
    fn write_to(&self, key: &mut Vec<u8>, _: bool) {
        match self {
            Self::App(app) => {
                key.push(b'a');
                key.extend_from_slice(app.as_bytes());
            }
            Self::User(user) => {
                key.push(b'u');
                key.extend_from_slice(user.as_bytes());
            }
        }
    }
}

impl ReadKeyPart for TimelineId {
    fn read_from(key: &[u8], _: bool) -> Option<(Self, &[u8])> {
        match key.split_first()? {
            (b'a', rest) => AppId::read_from(rest, false).map(|(app, rest)| (Self::App(app), rest)),
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

/// Encodes a value as JSON, so that rows can still be read after their type gets a new field.
pub(super) fn write_value(value: &impl Serialize) -> Vec<u8> {
    let json = serde_json::to_vec(value).expect("the value of a row can always be written to memory");
    if json == b"null" { Vec::new() } else { json }
}

pub(super) fn read_value<T: DeserializeOwned>(value: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(if value.is_empty() { b"null" } else { value })
}
