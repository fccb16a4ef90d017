//! The registry of rows: one table of all kinds, from which the types of keys and values are generated.
//!
//! `encoding.rs` draws the layout of stored keys and values. The test below compares keys with golden bytes, so that no
//! stored key changes by accident.

use std::sync::Arc;

use annals_model::{self as model, AppId, EventId, Time, UserId};

use super::distribution::Distribution;
use super::encoding::{KeyPart, ReadKeyPart, read_value, write_value};
use super::{Key, values};
use crate::timeline::TimelineId;

/// The bytes of kinds that no longer exist. They are never used again.
const RETIRED: &[u8] = b"y";

/// Generates the types of keys and values from the table. A line has the first byte of stored keys of this kind, the key
/// and its parts in stored order, the type of the value, and the distribution of the row in a cluster. A `permanent` row
/// is never removed while a process serves the store.
macro_rules! rows {
    ($(
        $(#[doc = $doc:literal])+
        $byte:literal $kind:ident($($part:ident: $part_type:ty),*) -> $value:ty, $distribution:expr $(, $permanent:ident)?;
    )+) => {
        /// The keys of rows, one type per kind.
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

        /// A key of any kind. It is stored as one byte for the kind, followed by its parts.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the table of kinds describes each")]
        pub enum RowKey {
            $($kind(key::$kind),)+
        }

        /// The value of a row of any kind. Cheap to clone.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "the table of kinds describes each")]
        pub enum Row {
            $($kind($value),)+
        }

        const KINDS: &[u8] = &[$($byte),+];

        impl RowKey {
            /// Encodes the key.
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

            /// Decodes a stored key; `None` if it is damaged, or of a kind that this program does not know.
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

            /// Returns the byte of the key's kind.
            pub(crate) const fn kind(&self) -> u8 {
                match self {$( Self::$kind(_) => $byte, )+}
            }

            /// Returns the total length of the parts that are text.
            pub(crate) fn text_bytes(&self) -> usize {
                match self {$(
                    Self::$kind(key::$kind($($part),*)) => {
                        let parts: &[&dyn KeyPart] = &[$($part),*];
                        parts.iter().map(|part| part.text_bytes()).sum()
                    }
                )+}
            }

            /// Returns what determines the machine of a cluster that stores the row.
            #[allow(unused_variables, reason = "few rows are distributed by a part of their key")]
            pub(crate) fn distribution(&self) -> Distribution {
                match self {$( Self::$kind(key::$kind($($part),*)) => $distribution, )+}
            }

            /// Returns whether rows of this kind are never removed while a process serves the store.
            pub(crate) const fn is_permanent(&self) -> bool {
                match self {$( Self::$kind(_) => false $(|| rows!(@$permanent))?, )+}
            }
        }

        impl Row {
            /// Encodes the value.
            pub(crate) fn to_bytes(&self) -> Vec<u8> {
                match self {$( Self::$kind(value) => write_value(value), )+}
            }

            /// Decodes the stored value of a row with this key.
            pub(crate) fn from_bytes(key: &RowKey, value: &[u8]) -> Result<Self, serde_json::Error> {
                Ok(match key {$( RowKey::$kind(_) => Self::$kind(read_value(value)?), )+})
            }
        }
    };
    (@permanent) => { true };
}

rows! {
    /// The state of an app.
    b'A' App(app: AppId) -> Arc<model::App>, Distribution::Timeline(TimelineId::App(*app)), permanent;
    /// The state of an account.
    b'U' Account(user: UserId) -> Arc<model::Account>, Distribution::user(*user), permanent;
    /// The app with this name. If reports have given it to several, the one that got it last.
    b'n' AppName(name: String) -> AppId, Distribution::KeyHash;
    /// The user with this username: the one that got it last.
    b'u' Username(name: String) -> UserId, Distribution::KeyHash;
    /// The user with this email address, in lower case: the one that got it last.
    b'e' Email(address: String) -> UserId, Distribution::KeyHash;
    /// Exists if the user is a member of the app: its owner or a collaborator.
    b'm' Member(user: UserId, app: AppId) -> (), Distribution::user(*user);
    /// Exists if the user is registered. A user whom only reports have named is not.
    b'r' Registered(user: UserId) -> (), Distribution::user(*user), permanent;
    /// The hash of the user's password, as a PHC string.
    b'p' Password(user: UserId) -> Arc<str>, Distribution::user(*user), permanent;
    /// An API token of a user.
    b't' Token(user: UserId, id: values::TokenId) -> Arc<values::Token>, Distribution::user(*user);
    /// The user and the identifier of the API token with this hash.
    b'h' TokenHash(hash: values::TokenHash) -> (UserId, values::TokenId), Distribution::KeyHash;
    /// The stored response to a request with this idempotency key.
    b'i' Answer(caller: values::Caller, idempotency_key: String) -> Arc<values::Answer>, Distribution::KeyHash;
    /// Exists as long as the stored response does. Lists stored responses by when they expire.
    b'x' AnswerExpiry(at: Time, caller: values::Caller, idempotency_key: String) -> (), key::AnswerExpiry::COLOCATED;
    /// A setting.
    b's' Setting(setting: values::Setting) -> Arc<str>, Distribution::KeyHash, permanent;
    /// The private state of an app: what its events do not contain.
    b'P' PrivateState(app: AppId) -> Arc<model::PrivateState>, Distribution::Timeline(TimelineId::App(*app)), permanent;
    /// The private state of an account.
    b'Q' AccountPrivateState(user: UserId) -> Arc<model::AccountPrivateState>, Distribution::user(*user), permanent;
    /// The app with this domain: the one that got it last.
    b'd' Domain(name: String) -> AppId, Distribution::KeyHash;
    /// The app with this add-on.
    b'a' Addon(id: String) -> AppId, Distribution::KeyHash;
    /// The app with this add-on. Lists add-ons by provider.
    b'Y' AddonOf(provider: String, id: String) -> AppId, Distribution::Provider(provider.clone());
    /// The app to which the token with this hash invites.
    b'k' Invitation(token: values::TokenHash) -> AppId, Distribution::KeyHash;
    /// The app that a user has joined with the invitation token with this hash.
    b'K' UsedInvitation(token: values::TokenHash) -> AppId, Distribution::KeyHash, permanent;
    /// Exists while the app's pull request with this number has a timer. Lists timers by when they are due.
    b'T' Timer(at: Time, app: AppId, number: u64) -> (), key::Timer::COLOCATED;
    /// A queued mail to this user.
    b'o' Mail(user: UserId, id: EventId) -> Arc<values::Mail>, key::Mail::COLOCATED;
    /// A voucher.
    b'v' Voucher(code: String) -> Arc<model::account::Voucher>, key::Voucher::COLOCATED, permanent;
    /// The directory of add-ons on offer, if the operator replaced the default one.
    b'D' Directory() -> Arc<model::Directory>, Distribution::KeyHash, permanent;
    /// The cursor of a follower: the platform position of the last event that the follower has taken.
    b'c' Cursor(follower: String) -> u64, key::Cursor::COLOCATED, permanent;
    /// The times in a block of positions that has a late event: positions `block * LateBlock::EVENTS + 1` and following.
    b'L' LateBlock(timeline: TimelineId, block: u64) -> values::LateBlock, Distribution::Timeline(*timeline), permanent;
    /// Exists while an app shares its name: the apps that got it just before and just after this one. See `Neighbours`.
    b'N' SharedAppName(name: String, app: AppId) -> values::Neighbours<AppId>, Distribution::KeyHash;
    /// Exists while an app shares a domain.
    b'O' SharedDomain(name: String, app: AppId) -> values::Neighbours<AppId>, Distribution::KeyHash;
    /// Exists while a user shares their username.
    b'V' SharedUsername(name: String, user: UserId) -> values::Neighbours<UserId>, Distribution::KeyHash;
    /// Exists while a user shares their email address.
    b'W' SharedEmail(address: String, user: UserId) -> values::Neighbours<UserId>, Distribution::KeyHash;
    /// How much output a deployment of the app has. Missing if it has none.
    b'f' Output(app: AppId, deployment: EventId) -> values::Output, Distribution::Timeline(TimelineId::App(*app));
    /// A part of the output of a deployment, from 0 on.
    b'F' OutputPart(app: AppId, deployment: EventId, part: u64) -> Arc<str>, Distribution::Timeline(TimelineId::App(*app));
    /// The app that deployed this uploaded archive last.
    b'z' Archive(id: String) -> AppId, Distribution::KeyHash;
    /// What some consecutive events of a timeline are: summary `number` of a level of the tree, see `Summary`.
    b'S' Summary(timeline: TimelineId, level: u64, number: u64) -> Arc<model::filter::Summary>, Distribution::Timeline(*timeline), permanent;
    /// How many leaves the tree of a timeline has. Missing if it has none.
    b'I' SummaryLeaves(timeline: TimelineId) -> u64, Distribution::Timeline(*timeline), permanent;
    /// How many events of each type were recorded.
    b'E' EventCounts() -> Arc<values::EventCounts>, Distribution::KeyHash, permanent;
}

/// Checks that no two kinds have the same byte, and that no kind has a retired one.
const _: () = {
    let mut index = 0;
    while index < KINDS.len() {
        let mut other = index + 1;
        while other < KINDS.len() {
            assert!(KINDS[index] != KINDS[other], "two kinds of rows use one byte");
            other += 1;
        }
        let mut retired = 0;
        while retired < RETIRED.len() {
            assert!(KINDS[index] != RETIRED[retired], "a kind of row uses a retired byte");
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
            (key::Archive(text("0a")).into_row_key(), text("7a3061")),
            (key::Output(app, token).into_row_key(), format!("66{a}{t}")),
            (key::OutputPart(app, token, 258).into_row_key(), format!("46{a}{t}0000000000000102")),
            (key::LateBlock(TimelineId::App(app), 258).into_row_key(), format!("4c61{a}0000000000000102")),
            (key::SharedAppName(text("n"), app).into_row_key(), format!("4e000000016e{a}")),
            (key::SharedDomain(text("a.io"), app).into_row_key(), format!("4f00000004612e696f{a}")),
            (key::SharedUsername(text("joe"), user).into_row_key(), format!("56000000036a6f65{u}")),
            (key::SharedEmail(text("j@d.io"), user).into_row_key(), format!("57000000066a40642e696f{u}")),
            (
                key::Summary(TimelineId::App(app), 1, 258).into_row_key(),
                format!("5361{a}00000000000000010000000000000102"),
            ),
            (key::SummaryLeaves(TimelineId::User(user)).into_row_key(), format!("4975{u}")),
            (key::LateBlock(TimelineId::User(user), 1).into_row_key(), format!("4c75{u}0000000000000001")),
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
