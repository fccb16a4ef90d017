//! Timelines.

use annals_model::{AppId, UserId};

/// Whose timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimelineId {
    /// The events of an app.
    App(AppId),
    /// The events done by a user.
    User(UserId),
}
