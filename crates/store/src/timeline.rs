//! The identity of timelines.

use annals_model::{AppId, UserId};

/// Identifies a timeline: the events of one app or one user, at positions 1, 2, 3 and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimelineId {
    /// The timeline of an app: the events that belong to it.
    App(AppId),
    /// The timeline of a user: the events that the user caused, and those of their account.
    User(UserId),
}
