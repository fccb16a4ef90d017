//! Rows that stand together, and can be listed.

use std::marker::PhantomData;
use std::ops::Range;

use annals_model::{Time, UserId};

use super::distribution::Distribution;
use super::encoding::KeyPart;
use super::registry::{RowKey, key};

/// Keys that follow each other, of one kind, and what their rows stand with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRange {
    /// The stored keys: from the first on, and before the second.
    pub(crate) keys: Range<Vec<u8>>,
    pub(crate) distribution: Distribution,
}

/// Rows of one kind that stand together.
#[derive(Debug, Clone)]
pub struct Listing<K> {
    range: RowRange,
    kind: PhantomData<K>,
}

impl<K> Listing<K> {
    /// The range of keys that it is.
    pub fn range(&self) -> &RowRange {
        &self.range
    }

    fn beginning_with(kind: u8, part: &dyn KeyPart, distribution: Distribution) -> Self {
        let mut start = vec![kind];
        part.write_to(&mut start, false);
        let mut end = start.clone();
        while end.pop_if(|last| *last == u8::MAX).is_some() {}
        // A kind's byte is a letter, so something is left to count up.
        *end.last_mut().expect("a key begins with a kind") += 1;
        Self { range: RowRange { keys: start..end, distribution }, kind: PhantomData }
    }

    /// Those that begin with a time, up to that one.
    fn until(kind: u8, time: Time, distribution: Distribution) -> Self {
        let mut end = vec![kind];
        (time.as_millis() + 1).write_to(&mut end, false);
        Self { range: RowRange { keys: vec![kind]..end, distribution }, kind: PhantomData }
    }
}

impl key::Member {
    /// The apps a user is a member of.
    pub fn of(user: UserId) -> Listing<Self> {
        Listing::beginning_with(Self::KIND, &user, Distribution::user(user))
    }
}

impl key::Token {
    /// The API tokens of a user.
    pub fn of(user: UserId) -> Listing<Self> {
        Listing::beginning_with(Self::KIND, &user, Distribution::user(user))
    }
}

impl key::AnswerExpiry {
    pub(super) const TOGETHER: Distribution = Distribution::Together("answers");

    /// What expired by then of the answers that are remembered, earliest first.
    pub fn until(time: Time) -> Listing<Self> {
        Listing::until(Self::KIND, time, Self::TOGETHER)
    }
}

impl key::Timer {
    pub(super) const TOGETHER: Distribution = Distribution::Together("timers");

    /// What is due by then, earliest first.
    pub fn until(time: Time) -> Listing<Self> {
        Listing::until(Self::KIND, time, Self::TOGETHER)
    }
}

impl key::Mail {
    pub(super) const TOGETHER: Distribution = Distribution::Together("outbox");

    /// The mail of a user that waits, oldest first.
    pub fn to(user: UserId) -> Listing<Self> {
        Listing::beginning_with(Self::KIND, &user, Self::TOGETHER)
    }

    /// All mail that waits.
    pub fn all() -> Listing<Self> {
        Listing::beginning_with(Self::KIND, &(), Self::TOGETHER)
    }
}

impl key::AddonOf {
    /// The add-ons of a provider.
    pub fn provider(name: &str) -> Listing<Self> {
        let distribution = Distribution::Provider(name.to_owned());
        Listing::beginning_with(Self::KIND, &name.to_owned(), distribution)
    }
}

impl key::Voucher {
    pub(super) const TOGETHER: Distribution = Distribution::Together("vouchers");

    /// The vouchers, by code.
    pub fn all() -> Listing<Self> {
        Listing::beginning_with(Self::KIND, &(), Self::TOGETHER)
    }
}

impl key::Cursor {
    pub(super) const TOGETHER: Distribution = Distribution::Together("cursors");

    /// The cursor of one follower.
    pub fn only(follower: &str) -> Listing<Self> {
        let start = RowKey::Cursor(Self(follower.to_owned())).to_bytes();
        let mut end = start.clone();
        end.push(0);
        let range = RowRange { keys: start..end, distribution: Self::TOGETHER };
        Listing { range, kind: PhantomData }
    }
}

impl key::Email {
    /// The key of that address, however it is spelled.
    pub fn of(address: &str) -> Self {
        Self(address.to_lowercase())
    }
}
