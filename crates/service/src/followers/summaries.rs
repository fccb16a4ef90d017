//! Extends the trees of summaries, by which filters count events without reading them.

use std::collections::BTreeSet;

use annals_model::filter::summary::LEAF_EVENTS;
use annals_store::{CommandError, PlatformCommit};

use super::Follower;
use crate::transaction::Transaction;
use crate::{Error, Service};

/// Extends the tree of each home in which an event has filled a leaf.
#[derive(Debug, Clone, Copy)]
pub(super) struct Summarizer;

impl Follower for Summarizer {
    const NAME: &'static str = "summaries";

    async fn prepare(self, service: &Service, commits: &[PlatformCommit]) -> Result<(), Error> {
        let events = commits.iter().flat_map(|commit| &commit.events);
        let full: BTreeSet<_> = events
            .filter(|event| event.position.is_multiple_of(LEAF_EVENTS))
            .map(|event| event.timeline)
            .collect();
        for timeline in full {
            service.summarize(timeline).await?;
        }
        Ok(())
    }

    fn take(self, _: &mut Transaction<'_>, _: &[PlatformCommit]) -> Result<(), CommandError> {
        Ok(())
    }
}
