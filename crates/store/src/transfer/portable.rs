//! A store taken apart, to be put together again in another engine.

use annals_model::EventId;
use async_trait::async_trait;
use bytes::Bytes;

use crate::contract::{Head, PlatformCommit, Store};
use crate::error::Error;
use crate::rows::{Row, RowKey};
use crate::timeline::TimelineId;

/// An event whose identifier was given with a report, and where it is.
pub type ExternalId = (EventId, TimelineId, u64);

/// Events of one timeline that follow each other, oldest first.
#[derive(Debug)]
pub struct Events {
    /// The timeline.
    pub timeline: TimelineId,
    /// The position of the first.
    pub first: u64,
    /// As they are served.
    pub events: Vec<Bytes>,
}

/// A piece of a store.
#[derive(Debug)]
pub enum Part {
    /// Events. An app's timeline comes, in an earlier piece, before that of a user who did something with the app.
    Events(Vec<Events>),
    /// Rows. They come after all events.
    Rows(Vec<(RowKey, Row)>),
    /// External identifiers.
    ExternalIds(Vec<ExternalId>),
    /// Commits of the platform timeline, oldest first and whole.
    Platform(Vec<PlatformCommit>),
}

/// A store that can be taken apart and put together. Nobody else may use either meanwhile.
#[async_trait]
pub trait Portable: Store {
    /// The timelines after that one, apps before users, at most that many.
    async fn timelines(
        &self,
        after: Option<TimelineId>,
        limit: usize,
    ) -> Result<Vec<(TimelineId, Head)>, Error>;

    /// The rows after that one, at most that many.
    async fn rows(&self, after: Option<&RowKey>, limit: usize) -> Result<Vec<(RowKey, Row)>, Error>;

    /// The external identifiers after that one, at most that many.
    async fn external_ids(&self, after: Option<EventId>, limit: usize) -> Result<Vec<ExternalId>, Error>;

    /// Puts a piece in its place. It is durable when this returns `Ok`. Events are put once, behind those that are there;
    /// anything else may be put again. The store has to be opened again before it takes changes.
    async fn put(&self, part: Part) -> Result<(), Error>;
}
