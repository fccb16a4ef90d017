//! The table of all kinds of rows.

use std::sync::Arc;

use annals_model::{self as model, AppId, EventId, Time, UserId};

use super::distribution::Distribution;
use super::encoding::{KeyPart, ReadKeyPart, read_value, write_value};
use super::{Key, values};
use crate::timeline::TimelineId;

/// Kinds that stored keys had once. A kind's byte never gets another meaning.
const RETIRED: &[u8] = b"y";

/// Makes the types of keys and values out of the table. A row of it says: the byte that stored keys of the kind begin
/// with, the key and its parts in stored order, the type of the value, and what the row stands with where rows are
/// distributed over machines. `lasting` rows stay for good once they are there, whatever is written to them.
macro_rules! rows {
    ($(
        $(#[doc = $doc:literal])+
        $byte:literal $kind:ident($($part:ident: $part_type:ty),*) -> $value:ty, $distribution:expr $(, $lasting:ident)?;
    )+) => {
        /// The keys of rows. Each knows the type of its row's value.
        pub mod key {
            use super::*;

            $(
                $(#[doc = $doc])+
                #[derive(Debug, Clone, PartialEq, Eq, Hash)]
                pub struct $kind($(#[allow(missing_docs, reason = "the table of kinds names the parts")] pub $part_type),*);

                impl $kind {
                    #[allow(dead_code, reason = "only rows that are listed need it")]
                    pub(in crate::rows) const KIND: u8 = $byte;
                }

                impl Key for $kind {
                    type Value = $value;

                    fn into_row_key(self) -> RowKey {
                        RowKey::$kind(self)
                    }

                    fn from_row_key(key: RowKey) -> Option<Self> {
                        if let RowKey::$kind(key) = key { Some(key) } else { None }
                    }

                    fn row(value: $value) -> Row {
                        Row::$kind(value)
                    }

                    fn value(row: Row) -> Option<$value> {
                        if let Row::$kind(value) = row { Some(value) } else { None }
                    }
                }
            )+
        }

        /// A key of any kind. It is stored as one byte for the kind and then its parts, as the table of kinds has them.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the table of kinds says what each is")]
        pub enum RowKey {
            $($kind(key::$kind),)+
        }

        /// The value of a row of any kind. Cheap to clone.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "the table of kinds says what each is")]
        pub enum Row {
            $($kind($value),)+
        }

        const KINDS: &[u8] = &[$($byte),+];

        impl RowKey {
            /// The stored key.
            pub(crate) fn to_bytes(&self) -> Vec<u8> {
                let mut bytes = Vec::with_capacity(48);
                match self {$(
                    Self::$kind(key::$kind($($part),*)) => {
                        bytes.push($byte);
                        let parts: &[&dyn KeyPart] = &[$($part),*];
                        for (index, part) in parts.iter().enumerate() {
                            part.write_to(&mut bytes, index + 1 == parts.len());
                        }
                    }
                )+}
                bytes
            }

            /// The key of that stored form; `None` if it is of no kind that this program knows.
            pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
                let (kind, rest) = bytes.split_first()?;
                match kind {
                    $($byte => {
                        #[allow(unused_mut, reason = "a key may have no parts")]
                        let mut left = <[&str]>::len(&[$(stringify!($part)),*]);
                        $(
                            left -= 1;
                            let ($part, rest) = <$part_type>::read_from(rest, left == 0)?;
                        )*
                        (left == 0 && rest.is_empty()).then_some(Self::$kind(key::$kind($($part),*)))
                    })+
                    _ => None,
                }
            }

            /// The byte of its kind.
            pub(crate) const fn kind(&self) -> u8 {
                match self {$( Self::$kind(_) => $byte, )+}
            }

            /// How much of it is not of fixed length.
            pub(crate) fn text_bytes(&self) -> usize {
                match self {$(
                    Self::$kind(key::$kind($($part),*)) => {
                        let parts: &[&dyn KeyPart] = &[$($part),*];
                        parts.iter().map(|part| part.text_bytes()).sum()
                    }
                )+}
            }

            /// What the row stands with.
            #[allow(unused_variables, reason = "few rows stand with a part of their key")]
            pub(crate) fn distribution(&self) -> Distribution {
                match self {$( Self::$kind(key::$kind($($part),*)) => $distribution, )+}
            }

            /// Whether a row that is there stays there for good, whatever is written to it.
            pub(crate) const fn is_lasting(&self) -> bool {
                match self {$( Self::$kind(_) => false $(|| rows!(@$lasting))?, )+}
            }
        }

        impl Row {
            /// The stored value.
            pub(crate) fn to_bytes(&self) -> Vec<u8> {
                match self {$( Self::$kind(value) => write_value(value), )+}
            }

            /// The value of a row of that key, as it was stored.
            pub(crate) fn from_bytes(key: &RowKey, value: &[u8]) -> Result<Self, serde_json::Error> {
                Ok(match key {$( RowKey::$kind(_) => Self::$kind(read_value(value)?), )+})
            }
        }
    };
    (@lasting) => { true };
}

rows! {
    /// The state of an app.
    b'A' App(app: AppId) -> Arc<model::App>, Distribution::Timeline(TimelineId::App(*app)), lasting;
    /// The state of an account.
    b'U' Account(user: UserId) -> Arc<model::Account>, Distribution::user(*user), lasting;
    /// The app that has this name.
    b'n' AppName(name: String) -> AppId, Distribution::Alone;
    /// The user that has this username.
    b'u' Username(name: String) -> UserId, Distribution::Alone;
    /// The user that has this email address, in lower case.
    b'e' Email(address: String) -> UserId, Distribution::Alone;
    /// That this user is a member of this app.
    b'm' Member(user: UserId, app: AppId) -> (), Distribution::user(*user);
    /// That this user was registered, not only named by a report.
    b'r' Registered(user: UserId) -> (), Distribution::user(*user), lasting;
    /// The hash of the user's password, as a PHC string.
    b'p' Password(user: UserId) -> Arc<str>, Distribution::user(*user), lasting;
    /// An API token of a user.
    b't' Token(user: UserId, id: values::TokenId) -> Arc<values::Token>, Distribution::user(*user);
    /// The API token with this hash: whose it is, and its identifier.
    b'h' TokenHash(hash: values::TokenHash) -> (UserId, values::TokenId), Distribution::Alone;
    /// The answer given to a request with this idempotency key.
    b'i' Answer(caller: values::Caller, idempotency_key: String) -> Arc<values::Answer>, Distribution::Alone;
    /// That this answer expires then.
    b'x' AnswerExpiry(at: Time, caller: values::Caller, idempotency_key: String) -> (), key::AnswerExpiry::TOGETHER;
    /// A setting.
    b's' Setting(setting: values::Setting) -> Arc<str>, Distribution::Alone, lasting;
    /// The private state of an app: what its events do not say.
    b'P' PrivateState(app: AppId) -> Arc<model::PrivateState>, Distribution::Timeline(TimelineId::App(*app)), lasting;
    /// The private state of an account.
    b'Q' AccountPrivateState(user: UserId) -> Arc<model::AccountPrivateState>, Distribution::user(*user), lasting;
    /// The app that has this domain.
    b'd' Domain(name: String) -> AppId, Distribution::Alone;
    /// The app that has this add-on.
    b'a' Addon(id: String) -> AppId, Distribution::Alone;
    /// The app that has this add-on of this provider.
    b'Y' AddonOf(provider: String, id: String) -> AppId, Distribution::Provider(provider.clone());
    /// The app to which the token with this hash invites.
    b'k' Invitation(token: values::TokenHash) -> AppId, Distribution::Alone;
    /// The app to which somebody was invited by the token with this hash.
    b'K' UsedInvitation(token: values::TokenHash) -> AppId, Distribution::Alone, lasting;
    /// That something of this app's pull request of this number is due then.
    b'T' Timer(at: Time, app: AppId, number: u64) -> (), key::Timer::TOGETHER;
    /// A mail to this user that waits to be sent.
    b'o' Mail(user: UserId, id: EventId) -> Arc<values::Mail>, key::Mail::TOGETHER;
    /// A voucher.
    b'v' Voucher(code: String) -> Arc<model::account::Voucher>, key::Voucher::TOGETHER, lasting;
    /// The add-ons on offer, where the operator replaced the default.
    b'D' Directory() -> Arc<model::Directory>, Distribution::Alone, lasting;
    /// Up to which position of the platform timeline this follower has come.
    b'c' Cursor(follower: String) -> u64, key::Cursor::TOGETHER, lasting;
    /// How many events of each type were recorded.
    b'E' EventCounts() -> Arc<values::EventCounts>, Distribution::Alone, lasting;
}

/// No byte stands for two kinds, nor for one that is retired.
const _: () = {
    let mut index = 0;
    while index < KINDS.len() {
        let mut other = index + 1;
        while other < KINDS.len() {
            assert!(KINDS[index] != KINDS[other], "two kinds of rows have one byte");
            other += 1;
        }
        let mut retired = 0;
        while retired < RETIRED.len() {
            assert!(KINDS[index] != RETIRED[retired], "a kind of row has a retired byte");
            retired += 1;
        }
        index += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Caller, Setting, TokenHash, TokenId};

    #[test]
    fn every_kind_of_key_reads_as_it_was_written_and_stays_as_it_is() {
        let app: AppId = "5343eccd646173000a140000".parse().unwrap();
        let user: UserId = "us-0e6d8e46-5cd0-42a4-acba-372b2be605ac".parse().unwrap();
        let token: TokenId = "6905be00007b000000010007".parse().unwrap();
        let time = Time::from_millis(258);
        let (a, u) = ("5343eccd646173000a140000", "0e6d8e465cd042a4acba372b2be605ac");
        let t = "6905be00007b000000010007";
        let hash = TokenHash::of("tk-us-secret");
        let caller = Caller::User(user);
        let text = |text: &str| text.to_owned();
        let keys: &[(RowKey, String)] = &[
            (key::App(app).into_row_key(), format!("41{a}")),
            (key::Account(user).into_row_key(), format!("55{u}")),
            (key::AppName(text("my-app")).into_row_key(), text("6e6d792d617070")),
            (key::Username(text("joe")).into_row_key(), text("756a6f65")),
            (key::Email::of("J@D.io").into_row_key(), text("656a40642e696f")),
            (key::Member(user, app).into_row_key(), format!("6d{u}{a}")),
            (key::Registered(user).into_row_key(), format!("72{u}")),
            (key::Password(user).into_row_key(), format!("70{u}")),
            (key::Token(user, token).into_row_key(), format!("74{u}{t}")),
            (key::TokenHash(hash).into_row_key(), format!("68{hash}")),
            (key::Answer(Caller::Operator, text("k1")).into_row_key(), text("696f6b31")),
            (key::Answer(caller, text("k1")).into_row_key(), format!("6975{u}6b31")),
            (
                key::AnswerExpiry(time, caller, text("k1")).into_row_key(),
                format!("78000000000000010275{u}6b31"),
            ),
            (key::Setting(Setting::SigningKey).into_row_key(), text("737369676e696e675f6b6579")),
            (
                key::Setting(Setting::OperatorTokenHash).into_row_key(),
                text("736f70657261746f725f746f6b656e5f68617368"),
            ),
            (key::PrivateState(app).into_row_key(), format!("50{a}")),
            (key::AccountPrivateState(user).into_row_key(), format!("51{u}")),
            (key::Domain(text("a.io")).into_row_key(), text("64612e696f")),
            (key::Addon(text("ad-1")).into_row_key(), text("6161642d31")),
            (key::AddonOf(text("redis"), text("ad-1")).into_row_key(), text("5900000005726564697361642d31")),
            (key::AddonOf(text("r\0s"), text("ad-1")).into_row_key(), text("590000000372007361642d31")),
            (key::Invitation(hash).into_row_key(), format!("6b{hash}")),
            (key::UsedInvitation(hash).into_row_key(), format!("4b{hash}")),
            (key::Timer(time, app, 42).into_row_key(), format!("540000000000000102{a}000000000000002a")),
            (key::Mail(user, token).into_row_key(), format!("6f{u}{t}")),
            (key::Voucher(text("FREE")).into_row_key(), text("7646524545")),
            (key::Directory().into_row_key(), text("44")),
            (key::Cursor(text("counts")).into_row_key(), text("63636f756e7473")),
            (key::EventCounts().into_row_key(), text("45")),
        ];
        for (key, bytes) in keys {
            assert_eq!(hex::encode(key.to_bytes()), *bytes, "{key:?}");
            assert_eq!(RowKey::from_bytes(&key.to_bytes()).as_ref(), Some(key));
            assert_eq!(key.to_bytes()[0], key.kind());
        }
        let kinds: std::collections::BTreeSet<_> = keys.iter().map(|(key, _)| key.kind()).collect();
        assert!(KINDS.iter().all(|kind| kinds.contains(kind)), "every kind has its golden bytes");
        for nothing in [&b"?"[..], b"", b"A", b"Dx", b"y", b"Y\0\0\0\x09r"] {
            assert_eq!(RowKey::from_bytes(nothing), None);
        }
    }
}
