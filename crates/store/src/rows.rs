//! What is kept beside the timelines: states, names taken, tokens, answers given.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annals_model::account::{AccountFacts, Voucher};
use annals_model::{Account, App, AppId, Directory, EventId, Facts, Time, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Names a row.
///
/// Its stored key is one byte for the kind and then:
///
/// ```text
/// A  app id (12)                          state of an app
/// U  user id (16)                         state of an account
/// n  name                                 the app that has this name
/// u  username                             the user that has this username
/// e  email address, lower case            the user that has this address
/// m  user id (16), app id (12)            that this user is a member of this app
/// r  user id (16)                         that this user was registered, not only named by a report
/// p  user id (16)                         the hash of the user's password
/// t  user id (16), token id (12)          an API token
/// h  SHA-256 (32)                         the token with this hash
/// i  caller, idempotency key              the answer given
/// x  expiry, ms (u64 BE), caller, key     that this answer expires then
/// s  name                                 a setting
/// P  app id (12)                          private facts of an app
/// Q  user id (16)                         private facts of an account
/// d  host name                            the app that has this domain
/// a  add-on id                            the app that has this add-on
/// y  provider, zero, add-on id            the app that has this add-on of this provider
/// k  SHA-256 (32)                         the app to which the token with this hash invites
/// K  SHA-256 (32)                         the app to which somebody was invited by the token with this hash
/// T  time, ms (u64 BE), app id (12),
///    number (u64 BE)                      that something of this app's pull request is due then
/// o  user id (16), mail id (12)           a mail to this user that waits to be sent
/// v  code                                 a voucher
/// D                                       the add-on directory, where the operator replaced the default
/// ```
///
/// where a caller is `o` for the operator or `u` and the user id (16). A kind's byte never gets another meaning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table above says what each kind is")]
pub enum RowKey {
    App(AppId),
    Account(UserId),
    AppName(String),
    Username(String),
    Email(String),
    Member(UserId, AppId),
    Registered(UserId),
    Password(UserId),
    Token(UserId, TokenId),
    TokenHash(TokenHash),
    Answer(Caller, String),
    AnswerExpiry(Time, Caller, String),
    Setting(Setting),
    Facts(AppId),
    AccountFacts(UserId),
    Domain(String),
    Addon(String),
    AddonOf(String, String),
    Invitation(TokenHash),
    UsedInvitation(TokenHash),
    Timer(Time, AppId, u64),
    Mail(UserId, EventId),
    Voucher(String),
    Directory,
}

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

/// Rows that stand together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// The apps a user is a member of.
    AppsOf(UserId),
    /// The API tokens of a user.
    TokensOf(UserId),
    /// What expired by then of the answers that are remembered, earliest first.
    AnswersExpired(Time),
    /// What is due by then, earliest first.
    TimersDue(Time),
    /// The mail of a user that waits, oldest first.
    MailTo(UserId),
    /// The add-ons of a provider.
    AddonsOf(String),
    /// All mail that waits.
    Outbox,
    /// The vouchers, by code.
    Vouchers,
}

impl Listing {
    /// The stored keys of its rows: from the first on, and before the second.
    pub(crate) fn keys(&self) -> Range<Vec<u8>> {
        let prefix = match self {
            Self::AppsOf(user) => [b"m".as_slice(), user.as_bytes()].concat(),
            Self::TokensOf(user) => [b"t".as_slice(), user.as_bytes()].concat(),
            Self::AnswersExpired(time) => return until(b'x', *time),
            Self::TimersDue(time) => return until(b'T', *time),
            Self::MailTo(user) => [b"o".as_slice(), user.as_bytes()].concat(),
            Self::AddonsOf(provider) => [b"y", provider.as_bytes(), b"\0"].concat(),
            Self::Outbox => b"o".to_vec(),
            Self::Vouchers => b"v".to_vec(),
        };
        let mut end = prefix.clone();
        while end.pop_if(|last| *last == u8::MAX).is_some() {}
        // A kind's byte is a letter, so something is left to count up.
        *end.last_mut().expect("a prefix begins with a kind") += 1;
        prefix..end
    }
}

/// The keys of a kind that begin with a time, up to that one.
fn until(kind: u8, time: Time) -> Range<Vec<u8>> {
    let end = time.as_millis() + 1;
    vec![kind]..[[kind].as_slice(), &end.to_be_bytes()].concat()
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

impl RowKey {
    /// The row of that address, however it is spelled.
    pub fn email(address: &str) -> Self {
        Self::Email(address.to_lowercase())
    }

    /// How much of it is not of fixed length.
    pub(crate) fn text_bytes(&self) -> usize {
        match self {
            Self::AppName(text) | Self::Username(text) | Self::Email(text) => text.len(),
            Self::Answer(_, text) | Self::AnswerExpiry(_, _, text) => text.len(),
            Self::Domain(text) | Self::Addon(text) | Self::Voucher(text) => text.len(),
            Self::AddonOf(provider, id) => provider.len() + id.len(),
            _ => 0,
        }
    }

    /// What the table of kinds has it under.
    pub(crate) fn kind(&self) -> char {
        char::from(self.to_bytes()[0])
    }

    /// The stored key; see [`RowKey`] for its layout.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(48);
        match self {
            Self::App(app) => {
                key.push(b'A');
                key.extend_from_slice(app.as_bytes());
            }
            Self::Account(user) => {
                key.push(b'U');
                key.extend_from_slice(user.as_bytes());
            }
            Self::AppName(name) => {
                key.push(b'n');
                key.extend_from_slice(name.as_bytes());
            }
            Self::Username(name) => {
                key.push(b'u');
                key.extend_from_slice(name.as_bytes());
            }
            Self::Email(email) => {
                key.push(b'e');
                key.extend_from_slice(email.as_bytes());
            }
            Self::Member(user, app) => {
                key.push(b'm');
                key.extend_from_slice(user.as_bytes());
                key.extend_from_slice(app.as_bytes());
            }
            Self::Registered(user) => {
                key.push(b'r');
                key.extend_from_slice(user.as_bytes());
            }
            Self::Password(user) => {
                key.push(b'p');
                key.extend_from_slice(user.as_bytes());
            }
            Self::Token(user, token) => {
                key.push(b't');
                key.extend_from_slice(user.as_bytes());
                key.extend_from_slice(token.as_bytes());
            }
            Self::TokenHash(hash) => {
                key.push(b'h');
                key.extend_from_slice(hash.as_bytes());
            }
            Self::Answer(caller, idempotency_key) => {
                key.push(b'i');
                caller.write_to(&mut key);
                key.extend_from_slice(idempotency_key.as_bytes());
            }
            Self::AnswerExpiry(expires_at, caller, idempotency_key) => {
                key.push(b'x');
                key.extend_from_slice(&expires_at.as_millis().to_be_bytes());
                caller.write_to(&mut key);
                key.extend_from_slice(idempotency_key.as_bytes());
            }
            Self::Setting(setting) => {
                key.push(b's');
                key.extend_from_slice(setting.name().as_bytes());
            }
            Self::Facts(app) => {
                key.push(b'P');
                key.extend_from_slice(app.as_bytes());
            }
            Self::AccountFacts(user) => {
                key.push(b'Q');
                key.extend_from_slice(user.as_bytes());
            }
            Self::Domain(name) => {
                key.push(b'd');
                key.extend_from_slice(name.as_bytes());
            }
            Self::Addon(id) => {
                key.push(b'a');
                key.extend_from_slice(id.as_bytes());
            }
            Self::AddonOf(provider, id) => {
                key.push(b'y');
                key.extend_from_slice(provider.as_bytes());
                key.push(0);
                key.extend_from_slice(id.as_bytes());
            }
            Self::Invitation(hash) => {
                key.push(b'k');
                key.extend_from_slice(hash.as_bytes());
            }
            Self::UsedInvitation(hash) => {
                key.push(b'K');
                key.extend_from_slice(hash.as_bytes());
            }
            Self::Timer(time, app, number) => {
                key.push(b'T');
                key.extend_from_slice(&time.as_millis().to_be_bytes());
                key.extend_from_slice(app.as_bytes());
                key.extend_from_slice(&number.to_be_bytes());
            }
            Self::Mail(user, id) => {
                key.push(b'o');
                key.extend_from_slice(user.as_bytes());
                key.extend_from_slice(id.as_bytes());
            }
            Self::Voucher(code) => {
                key.push(b'v');
                key.extend_from_slice(code.as_bytes());
            }
            Self::Directory => key.push(b'D'),
        }
        key
    }

    /// The row that a stored key names; `None` if it names none that this program knows.
    pub(crate) fn from_bytes(key: &[u8]) -> Option<Self> {
        let (kind, rest) = key.split_first()?;
        let text = || std::str::from_utf8(rest).ok().map(str::to_owned);
        Some(match kind {
            b'A' => Self::App(AppId::from_bytes(rest.try_into().ok()?)),
            b'U' => Self::Account(UserId::from_bytes(rest.try_into().ok()?)),
            b'n' => Self::AppName(text()?),
            b'u' => Self::Username(text()?),
            b'e' => Self::Email(text()?),
            b'm' => {
                let (user, app) = rest.split_first_chunk()?;
                Self::Member(UserId::from_bytes(*user), AppId::from_bytes(app.try_into().ok()?))
            }
            b'r' => Self::Registered(UserId::from_bytes(rest.try_into().ok()?)),
            b'p' => Self::Password(UserId::from_bytes(rest.try_into().ok()?)),
            b't' => {
                let (user, token) = rest.split_first_chunk()?;
                Self::Token(UserId::from_bytes(*user), TokenId::from_bytes(token.try_into().ok()?))
            }
            b'h' => Self::TokenHash(TokenHash(rest.try_into().ok()?)),
            b'i' => {
                let (caller, key) = Caller::read_from(rest)?;
                Self::Answer(caller, String::from_utf8(key.to_vec()).ok()?)
            }
            b'x' => {
                let (expires_at, rest) = rest.split_first_chunk()?;
                let (caller, key) = Caller::read_from(rest)?;
                let expires_at = Time::from_millis(u64::from_be_bytes(*expires_at));
                Self::AnswerExpiry(expires_at, caller, String::from_utf8(key.to_vec()).ok()?)
            }
            b'P' => Self::Facts(AppId::from_bytes(rest.try_into().ok()?)),
            b'Q' => Self::AccountFacts(UserId::from_bytes(rest.try_into().ok()?)),
            b'd' => Self::Domain(text()?),
            b'a' => Self::Addon(text()?),
            b'y' => {
                let text = text()?;
                // The name of a provider may have a zero in it, an identifier does not.
                let (provider, id) = text.rsplit_once('\0')?;
                Self::AddonOf(provider.to_owned(), id.to_owned())
            }
            b'k' => Self::Invitation(TokenHash(rest.try_into().ok()?)),
            b'K' => Self::UsedInvitation(TokenHash(rest.try_into().ok()?)),
            b'T' => {
                let (time, rest) = rest.split_first_chunk()?;
                let (app, number) = rest.split_first_chunk()?;
                let time = Time::from_millis(u64::from_be_bytes(*time));
                let number = u64::from_be_bytes(number.try_into().ok()?);
                Self::Timer(time, AppId::from_bytes(*app), number)
            }
            b'o' => {
                let (user, id) = rest.split_first_chunk()?;
                Self::Mail(UserId::from_bytes(*user), EventId::from_bytes(id.try_into().ok()?))
            }
            b'v' => Self::Voucher(text()?),
            b'D' if rest.is_empty() => Self::Directory,
            b's' => Self::Setting(Setting::ALL.into_iter().find(|(_, name)| name.as_bytes() == rest)?.0),
            _ => return None,
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_key_reads_as_it_was_written_and_stays_as_it_is() {
        let app: AppId = "5343eccd646173000a140000".parse().unwrap();
        let user: UserId = "us-0e6d8e46-5cd0-42a4-acba-372b2be605ac".parse().unwrap();
        let token: TokenId = "6905be00007b000000010007".parse().unwrap();
        let u = "0e6d8e465cd042a4acba372b2be605ac";
        let hash = TokenHash::of("tk-us-secret");
        let caller = Caller::User(user);
        for (key, bytes) in [
            (RowKey::App(app), "415343eccd646173000a140000".to_owned()),
            (RowKey::Account(user), format!("55{u}")),
            (RowKey::AppName("my-app".to_owned()), "6e6d792d617070".to_owned()),
            (RowKey::Username("joe".to_owned()), "756a6f65".to_owned()),
            (RowKey::Email("j@d.io".to_owned()), "656a40642e696f".to_owned()),
            (RowKey::Member(user, app), format!("6d{u}5343eccd646173000a140000")),
            (RowKey::Registered(user), format!("72{u}")),
            (RowKey::Password(user), format!("70{u}")),
            (RowKey::Token(user, token), format!("74{u}6905be00007b000000010007")),
            (RowKey::TokenHash(hash), format!("68{hash}")),
            (RowKey::Answer(Caller::Operator, "k1".to_owned()), "696f6b31".to_owned()),
            (RowKey::Answer(caller, "k1".to_owned()), format!("6975{u}6b31")),
            (
                RowKey::AnswerExpiry(Time::from_millis(258), caller, "k1".to_owned()),
                format!("78000000000000010275{u}6b31"),
            ),
            (RowKey::Setting(Setting::SigningKey), "737369676e696e675f6b6579".to_owned()),
            (
                RowKey::Setting(Setting::OperatorTokenHash),
                "736f70657261746f725f746f6b656e5f68617368".to_owned(),
            ),
            (RowKey::Facts(app), "505343eccd646173000a140000".to_owned()),
            (RowKey::AccountFacts(user), format!("51{u}")),
            (RowKey::Domain("a.io".to_owned()), "64612e696f".to_owned()),
            (RowKey::Addon("ad-1".to_owned()), "6161642d31".to_owned()),
            (RowKey::AddonOf("redis".to_owned(), "ad-1".to_owned()), "7972656469730061642d31".to_owned()),
            (RowKey::AddonOf("r\0s".to_owned(), "ad-1".to_owned()), "797200730061642d31".to_owned()),
            (RowKey::Invitation(hash), format!("6b{hash}")),
            (RowKey::UsedInvitation(hash), format!("4b{hash}")),
            (
                RowKey::Timer(Time::from_millis(258), app, 42),
                "5400000000000001025343eccd646173000a140000000000000000002a".to_owned(),
            ),
            (RowKey::Mail(user, token), format!("6f{u}6905be00007b000000010007")),
            (RowKey::Voucher("FREE".to_owned()), "7646524545".to_owned()),
            (RowKey::Directory, "44".to_owned()),
        ] {
            assert_eq!(hex::encode(key.to_bytes()), bytes, "{key:?}");
            assert_eq!(RowKey::from_bytes(&key.to_bytes()).as_ref(), Some(&key));
        }
        assert_eq!(RowKey::from_bytes(b"?"), None);
        assert_eq!(RowKey::from_bytes(b""), None);
        assert_eq!(RowKey::email("John@Doe.com").to_bytes(), b"ejohn@doe.com");
    }
}
