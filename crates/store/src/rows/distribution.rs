//! What rows stand with, where they are distributed over machines.

use annals_model::UserId;

use crate::timeline::TimelineId;

/// What a row stands with, where rows are distributed over machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Distribution {
    /// A timeline: what belongs to an app or a user stands with their timeline.
    Timeline(TimelineId),
    /// All rows of that name: what has to be listed stands together.
    Together(&'static str),
    /// The add-ons of one provider.
    Provider(String),
    /// Nothing: it stands where the hash of its key says, and always there. That makes it unique over all machines.
    Alone,
}

impl Distribution {
    pub(super) const fn user(user: UserId) -> Self {
        Self::Timeline(TimelineId::User(user))
    }
}
