//! Which rows are stored together when a cluster distributes them over its machines.

use annals_model::UserId;

use crate::timeline::TimelineId;

/// What decides on which machine of a cluster a row is stored. Rows with equal values are stored together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Distribution {
    /// The timeline of the app or user that the row belongs to.
    Timeline(TimelineId),
    /// A fixed name, for rows that are listed together.
    Colocated(&'static str),
    /// The provider, for the add-ons of one provider.
    Provider(String),
    /// The hash of the row's own key. Equal keys always meet on one machine, so the key is unique over the cluster.
    KeyHash,
}

impl Distribution {
    pub(super) const fn user(user: UserId) -> Self {
        Self::Timeline(TimelineId::User(user))
    }
}
