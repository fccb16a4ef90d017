//! Rows that stand together, and can be listed.

use std::ops::Range;

use annals_model::{Time, UserId};

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
