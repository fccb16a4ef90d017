//! Where rows stand: the part of their key by which they are distributed.

use annals_model::UserId;
use xxhash_rust::xxh3::xxh3_64;

use crate::contract::TimelineId;
use crate::rows::{Listing, RowKey};

use super::values::timeline_text;

/// What belongs to an app or a user stands with their timeline. What has to be listed stands together. Everything else,
/// each name above all, stands where the hash of its key says, and always there: that makes it unique over all shards.
pub(super) fn of_row(key: &RowKey) -> String {
    match key {
        RowKey::App(app) | RowKey::Facts(app) => timeline_text(TimelineId::App(*app)),
        RowKey::Account(user)
        | RowKey::Member(user, _)
        | RowKey::Registered(user)
        | RowKey::Password(user)
        | RowKey::Token(user, _)
        | RowKey::AccountFacts(user) => of_user(*user),
        RowKey::AddonOf(provider, _) => of_provider(provider),
        RowKey::AnswerExpiry(..) => "answers".to_owned(),
        RowKey::Timer(..) => "timers".to_owned(),
        RowKey::Mail(..) => "outbox".to_owned(),
        RowKey::Voucher(_) => "vouchers".to_owned(),
        RowKey::AppName(_)
        | RowKey::Username(_)
        | RowKey::Email(_)
        | RowKey::TokenHash(_)
        | RowKey::Answer(..)
        | RowKey::Setting(_)
        | RowKey::Domain(_)
        | RowKey::Addon(_)
        | RowKey::Invitation(_)
        | RowKey::UsedInvitation(_)
        | RowKey::Directory => format!("{:016x}", xxh3_64(&key.to_bytes())),
    }
}

/// The timeline whose clock tells of every change of a row: who writes the row writes the clock too.
pub(super) const fn guard(key: &RowKey) -> Option<TimelineId> {
    match key {
        RowKey::App(app) => Some(TimelineId::App(*app)),
        RowKey::Account(user) => Some(TimelineId::User(*user)),
        _ => None,
    }
}

/// Whether a row that is there stays there for good, whatever is written to it.
pub(super) const fn is_lasting(key: &RowKey) -> bool {
    matches!(
        key,
        RowKey::App(_)
            | RowKey::Account(_)
            | RowKey::Registered(_)
            | RowKey::Password(_)
            | RowKey::Setting(_)
            | RowKey::Facts(_)
            | RowKey::AccountFacts(_)
            | RowKey::UsedInvitation(_)
            | RowKey::Voucher(_)
            | RowKey::Directory
    )
}

/// Where the rows of a listing stand.
pub(super) fn of_listing(listing: &Listing) -> String {
    match listing {
        Listing::AppsOf(user) | Listing::TokensOf(user) => of_user(*user),
        Listing::AddonsOf(provider) => of_provider(provider),
        Listing::AnswersExpired(_) => "answers".to_owned(),
        Listing::TimersDue(_) => "timers".to_owned(),
        Listing::MailTo(_) | Listing::Outbox => "outbox".to_owned(),
        Listing::Vouchers => "vouchers".to_owned(),
    }
}

fn of_user(user: UserId) -> String {
    timeline_text(TimelineId::User(user))
}

/// A provider's name may have anything in it, a zero byte too.
fn of_provider(provider: &str) -> String {
    format!("provider {}", hex::encode(provider))
}
