//! Which rows are stored on the same machine, if a cluster distributes them.

use annals_model::UserId;

use crate::timeline::TimelineId;

/// What determines the machine of a cluster that stores a row. Rows with equal values are stored on the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Distribution {
    /// The timeline of the app or user that the row belongs to.
    Timeline(TimelineId),
    /// A fixed name, for rows that are listed together whatever timeline they belong to.
    Colocated(&'static str),
    /// The provider, for the add-ons of one provider.
    Provider(String),
    /// The hash of the row's own key. Equal keys are always on the same machine, so a key is unique in the cluster.
    KeyHash,
}

impl Distribution {
    pub(super) const fn user(user: UserId) -> Self {
        Self::Timeline(TimelineId::User(user))
    }
}
