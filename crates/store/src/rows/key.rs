//! How rows are named, and their stored keys.

use annals_model::{AppId, EventId, Time, UserId};

use super::{Caller, Setting, TokenHash, TokenId};

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
