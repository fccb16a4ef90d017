//! Listings: ranges of rows of one kind that are stored together.

use std::marker::PhantomData;
use std::ops::Range;

use annals_model::{AppId, EventId, Time, UserId};

use super::distribution::Distribution;
use super::encoding::KeyPart;
use super::registry::{RowKey, key};
use crate::timeline::TimelineId;

/// A range of stored keys of one kind, whose rows are all stored together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRange {
    /// The stored keys, as bytes.
    pub(crate) keys: Range<Vec<u8>>,
    pub(crate) distribution: Distribution,
}

/// A range of rows whose keys are of type `K`. A kind of row that can be listed has functions that return a listing, such
/// as [`key::Token::of`].
#[derive(Debug, Clone)]
pub struct Listing<K> {
    range: RowRange,
    kind: PhantomData<K>,
}

impl<K> Listing<K> {
    /// Returns the range of keys.
    pub fn range(&self) -> &RowRange {
        &self.range
    }

    fn with_prefix(kind: u8, part: &dyn KeyPart, distribution: Distribution) -> Self {
        let mut start = vec![kind];
        part.write_to(&mut start, false);
        let mut end = start.clone();
        while end.pop_if(|last| *last == u8::MAX).is_some() {}
        // The kind's byte is a letter, so a byte is left that can be incremented.
        *end.last_mut().expect("a key begins with a kind") += 1;
        Self { range: RowRange { keys: start..end, distribution }, kind: PhantomData }
    }

    /// Lists the rows whose keys begin with a time that is not after `time`.
    fn until(kind: u8, time: Time, distribution: Distribution) -> Self {
        let mut end = vec![kind];
        (time.as_millis() + 1).write_to(&mut end, false);
        Self { range: RowRange { keys: vec![kind]..end, distribution }, kind: PhantomData }
    }
}

impl key::Member {
    /// Lists the apps that a user is a member of.
    pub fn of(user: UserId) -> Listing<Self> {
        Listing::with_prefix(Self::KIND, &user, Distribution::user(user))
    }
}

impl key::Token {
    /// Lists the API tokens of a user.
    pub fn of(user: UserId) -> Listing<Self> {
        Listing::with_prefix(Self::KIND, &user, Distribution::user(user))
    }
}

impl key::AnswerExpiry {
    pub(super) const COLOCATED: Distribution = Distribution::Colocated("answers");

    /// Lists the stored responses that have expired by `time`, earliest first.
    pub fn until(time: Time) -> Listing<Self> {
        Listing::until(Self::KIND, time, Self::COLOCATED)
    }
}

impl key::Timer {
    pub(super) const COLOCATED: Distribution = Distribution::Colocated("timers");

    /// Lists the timers that are due by `time`, earliest first.
    pub fn until(time: Time) -> Listing<Self> {
        Listing::until(Self::KIND, time, Self::COLOCATED)
    }
}

impl key::Mail {
    pub(super) const COLOCATED: Distribution = Distribution::Colocated("outbox");

    /// Lists the queued mail of a user, oldest first.
    pub fn to(user: UserId) -> Listing<Self> {
        Listing::with_prefix(Self::KIND, &user, Self::COLOCATED)
    }

    /// Lists all queued mail.
    pub fn all() -> Listing<Self> {
        Listing::with_prefix(Self::KIND, &(), Self::COLOCATED)
    }
}

impl key::AddonOf {
    /// Lists the add-ons of a provider.
    pub fn provider(name: &str) -> Listing<Self> {
        let distribution = Distribution::Provider(name.to_owned());
        Listing::with_prefix(Self::KIND, &name.to_owned(), distribution)
    }
}

impl key::Voucher {
    pub(super) const COLOCATED: Distribution = Distribution::Colocated("vouchers");

    /// Lists all vouchers, by code.
    pub fn all() -> Listing<Self> {
        Listing::with_prefix(Self::KIND, &(), Self::COLOCATED)
    }
}

impl key::Cursor {
    pub(super) const COLOCATED: Distribution = Distribution::Colocated("cursors");

    /// Lists the cursor of one follower, so that it can be claimed.
    pub fn only(follower: &str) -> Listing<Self> {
        let start = RowKey::Cursor(Self(follower.to_owned())).to_bytes();
        let mut end = start.clone();
        end.push(0);
        let range = RowRange { keys: start..end, distribution: Self::COLOCATED };
        Listing { range, kind: PhantomData }
    }
}

impl key::LateBlock {
    /// Lists the blocks with late events of a timeline, from that block on.
    pub fn from(timeline: TimelineId, block: u64) -> Listing<Self> {
        let distribution = Distribution::Timeline(timeline);
        let mut listing: Listing<Self> = Listing::with_prefix(Self::KIND, &timeline, distribution);
        listing.range.keys.start = RowKey::LateBlock(Self(timeline, block)).to_bytes();
        listing
    }
}

impl key::OutputPart {
    /// Lists the output of a deployment from that part on.
    pub fn from(app: AppId, deployment: EventId, part: u64) -> Listing<Self> {
        let start = RowKey::OutputPart(Self(app, deployment, part)).to_bytes();
        let mut end = RowKey::OutputPart(Self(app, deployment, u64::MAX)).to_bytes();
        end.push(0);
        let distribution = Distribution::Timeline(TimelineId::App(app));
        Listing { range: RowRange { keys: start..end, distribution }, kind: PhantomData }
    }
}

impl key::Username {
    /// Returns the key of a username, in lower case: names that differ by case alone are one name.
    pub fn of(username: &str) -> Self {
        Self(username.to_lowercase())
    }
}

impl key::Email {
    /// Returns the key of an email address, in lower case.
    pub fn of(address: &str) -> Self {
        Self(address.to_lowercase())
    }
}
