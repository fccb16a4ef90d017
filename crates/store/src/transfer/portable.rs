//! The second contract of an engine: exporting a store in parts, and importing them.

use annals_model::EventId;
use async_trait::async_trait;
use bytes::Bytes;

use crate::contract::{PlatformCommit, Store};
use crate::error::Error;
use crate::rows::{Row, RowKey};
use crate::timeline::TimelineId;

/// An event whose identifier came with a report: the identifier, the event's home, and its position there.
pub type ExternalId = (EventId, TimelineId, u64);

/// Consecutive events of one timeline, oldest first.
#[derive(Debug)]
pub struct Events {
    /// The timeline.
    pub timeline: TimelineId,
    /// The position of the first event.
    pub first: u64,
    /// The events as JSON, as [`Store::read`] returns them.
    pub events: Vec<Bytes>,
}

/// A part of a store, to import into another.
#[derive(Debug)]
pub enum Part {
    /// Events. An app's events are imported in an earlier part than the timelines of users that list them, so an
    /// engine can store references there.
    Events(Vec<Events>),
    /// Rows. They are imported after all events.
    Rows(Vec<(RowKey, Row)>),
    /// External identifiers.
    ExternalIds(Vec<ExternalId>),
    /// Whole commits of the platform timeline, oldest first.
    Platform(Vec<PlatformCommit>),
}

/// An engine whose stores can be exported and imported in parts. Meanwhile, no other process may use the store.
///
/// An exporting method returns the items that follow `after`, or the first ones if `after` is `None`. It returns at most
/// `limit` items, and none at the end. Where its rustdoc does not say so, each engine has its own order of items.
#[async_trait]
pub trait Portable: Store {
    /// Returns the rows of all kinds. The states of apps include all their events.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read, or if what it holds is damaged.
    async fn rows(&self, after: Option<&RowKey>, limit: usize) -> Result<Vec<(RowKey, Row)>, Error>;

    /// Returns the external identifiers, ordered by identifier.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read, or if what it holds is damaged.
    async fn external_ids(&self, after: Option<EventId>, limit: usize) -> Result<Vec<ExternalId>, Error>;

    /// Imports a part, which is durable when this returns `Ok`.
    ///
    /// Events must continue their timeline: the position of the first one is the timeline's length plus one. A part of
    /// any other kind may be imported a second time, which changes nothing. After an import, the store must be reopened
    /// before it takes commits.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be written. Fails with [`Error::Damaged`] if events do not continue their timeline.
    async fn put(&self, part: Part) -> Result<(), Error>;
}
