//! Exporting and importing a store.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use annals_model::{AppId, Event, EventId};
use async_trait::async_trait;
use fjall::{Keyspace, PersistMode};

use crate::contract::PlatformCommit;
use crate::engine::checkpoint::event_from;
use crate::engine::{read_key, read_row};
use crate::error::Error;
use crate::rows::{Row, RowKey, key};
use crate::timeline::TimelineId;
use crate::transfer::{Events, ExternalId, Part, Portable};

use super::read::Found;
use super::run::{Reference, RunBuilder, run_key};
use super::{EmbeddedStore, Inner, checkpoint, counts, ids, platform};

#[async_trait]
impl Portable for EmbeddedStore {
    async fn rows(&self, after: Option<&RowKey>, limit: usize) -> Result<Vec<(RowKey, Row)>, Error> {
        let inner = self.directory.inner().await?;
        after_key(&inner.rows, after.map(RowKey::to_bytes))
            .take(limit)
            .map(|guard| {
                let (key, value) = guard.into_inner()?;
                let key = read_key(&key)?;
                let row = match &key {
                    RowKey::App(key::App(app)) => Row::App(inner.app_from(*app, &value)?.0),
                    key => read_row(key, &value)?,
                };
                Ok((key, row))
            })
            .collect()
    }

    async fn external_ids(&self, after: Option<EventId>, limit: usize) -> Result<Vec<ExternalId>, Error> {
        let inner = self.directory.inner().await?;
        after_key(&inner.ids, after.map(|id| id.as_bytes().to_vec()))
            .take(limit)
            .map(|guard| {
                let (key, value) = guard.into_inner()?;
                let id = key.as_ref().try_into().map(EventId::from_bytes);
                let id = id.map_err(|_| Error::Damaged("an identifier cannot be read".to_owned()))?;
                let (timeline, position) = ids::read(&value)?;
                Ok((id, timeline, position))
            })
            .collect()
    }

    async fn put(&self, part: Part) -> Result<(), Error> {
        let inner = self.directory.inner().await?;
        let mut batch = inner.database.batch().durability(Some(PersistMode::SyncData));
        match part {
            Part::Events(events) => return inner.put_events(&events),
            Part::Rows(rows) => {
                for (key, row) in rows {
                    let value = match (&key, &row) {
                        (RowKey::App(key::App(id)), Row::App(app)) => {
                            checkpoint::write(app, inner.head(TimelineId::App(*id))?.length)
                        }
                        (_, row) => row.to_bytes(),
                    };
                    inner.row_cache.remove(&key);
                    batch.insert(&inner.rows, key.to_bytes(), value);
                }
            }
            Part::ExternalIds(external_ids) => {
                for (id, timeline, position) in external_ids {
                    batch.insert(&inner.ids, *id.as_bytes(), ids::value(timeline, position));
                }
            }
            Part::Platform(commits) => {
                commits.iter().for_each(|commit| platform::put(&mut batch, &inner.platform, commit));
                batch.commit()?;
                let last = commits.last().map_or(0, PlatformCommit::last);
                inner.platform_length.fetch_max(last, Ordering::Release);
                return Ok(());
            }
        }
        Ok(batch.commit()?)
    }
}

impl Inner {
    fn put_events(&self, all: &[Events]) -> Result<(), Error> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        let mut heads = HashMap::new();
        let mut timelines = self.timelines.load(Ordering::Relaxed);
        for Events { timeline, first, events } in all {
            let mut head = match heads.get(timeline) {
                Some(head) => *head,
                None => self.head(*timeline)?,
            };
            if *first != head.length + 1 {
                return Err(Error::Damaged("events do not continue their timeline".to_owned()));
            }
            timelines += u64::from(head.length == 0);
            let mut run = RunBuilder::new(head);
            for json in events {
                if run.is_full() {
                    let full = std::mem::replace(&mut run, RunBuilder::new(head));
                    batch.insert(&self.runs, run_key(*timeline, full.first), full.finish());
                }
                let event = event_from(json)?;
                head = head.append(event.created_at);
                match (timeline, &event.app) {
                    (TimelineId::User(_), Some(app)) => {
                        run.push_reference(event.created_at, self.reference_to(app.id, &event)?)
                    }
                    _ => _ = run.push_event(event.created_at, json),
                }
            }
            batch.insert(&self.runs, run_key(*timeline, run.first), run.finish());
            heads.insert(*timeline, head);
        }
        counts::put_timelines(&mut batch, &self.counts, timelines);
        batch.commit()?;
        self.timelines.store(timelines, Ordering::Relaxed);
        for (timeline, head) in heads {
            self.heads.insert(timeline, head);
        }
        Ok(())
    }

    /// Returns a reference to an event in an app's timeline.
    fn reference_to(&self, app: AppId, event: &Event) -> Result<Reference, Error> {
        let home = TimelineId::App(app);
        let found = match self.find_by_time(home, event.id, event.created_at)? {
            None => self.find_by_index(home, event.id)?,
            found => found,
        };
        match found {
            Some(Found { first, index, .. }) => Ok(Reference { app, first, index }),
            None => {
                Err(Error::Damaged(format!("event {} of a user is missing in its app's timeline", event.id)))
            }
        }
    }
}

fn after_key(keyspace: &Keyspace, after: Option<Vec<u8>>) -> fjall::Iter {
    match after {
        Some(mut key) => {
            // The smallest key that is greater.
            key.push(0);
            keyspace.range(key..)
        }
        None => keyspace.iter(),
    }
}
