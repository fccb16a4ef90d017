//! Taking a store apart, and putting it together.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use annals_model::{AppId, Event, EventId};
use async_trait::async_trait;
use fjall::{Keyspace, PersistMode};

use crate::checkpoint::event_from;
use crate::contract::{Error, Head, TimelineId};
use crate::portable::{Events, ExternalId, Part, Portable};
use crate::rows::{Row, RowKey};

use super::run::{Content, Reference, Run, RunBuilder, read_timeline, run_key, timeline_key};
use super::{EmbeddedStore, Kept, checkpoint, committer, feed, ids, unreadable_row};

#[async_trait]
impl Portable for EmbeddedStore {
    async fn timelines(
        &self,
        after: Option<TimelineId>,
        limit: usize,
    ) -> Result<Vec<(TimelineId, Head)>, Error> {
        let mut found = Vec::new();
        let mut start = after.map_or_else(Vec::new, behind);
        while found.len() < limit {
            let Some(guard) = self.kept.runs.range(start..).next() else { break };
            let (timeline, _) = read_timeline(&guard.key()?)
                .ok_or_else(|| Error::Damaged("the key of a run cannot be read".to_owned()))?;
            found.push((timeline, self.kept.head(timeline)?));
            start = behind(timeline);
        }
        Ok(found)
    }

    async fn rows(&self, after: Option<&RowKey>, limit: usize) -> Result<Vec<(RowKey, Row)>, Error> {
        after_key(&self.kept.rows, after.map(RowKey::to_bytes))
            .take(limit)
            .map(|guard| {
                let (key, value) = guard.into_inner()?;
                let key = RowKey::from_bytes(&key)
                    .ok_or_else(|| Error::Damaged("a row's key cannot be read".to_owned()))?;
                let row = match &key {
                    RowKey::App(app) => Row::App(self.kept.app_from(*app, &value)?.0),
                    key => Row::from_bytes(key, &value).map_err(unreadable_row)?,
                };
                Ok((key, row))
            })
            .collect()
    }

    async fn external_ids(&self, after: Option<EventId>, limit: usize) -> Result<Vec<ExternalId>, Error> {
        after_key(&self.kept.ids, after.map(|id| id.as_bytes().to_vec()))
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
        let kept = &self.kept;
        let mut batch = kept.database.batch().durability(Some(PersistMode::SyncData));
        match part {
            Part::Events(events) => return kept.put_events(&events),
            Part::Rows(rows) => {
                for (key, row) in rows {
                    let value = match (&key, &row) {
                        (RowKey::App(id), Row::App(app)) => {
                            checkpoint::write(app, kept.head(TimelineId::App(*id))?.length)
                        }
                        (_, row) => row.to_bytes(),
                    };
                    kept.row_cache.remove(&key);
                    batch.insert(&kept.rows, key.to_bytes(), value);
                }
            }
            Part::ExternalIds(given) => {
                for (id, timeline, position) in given {
                    batch.insert(&kept.ids, *id.as_bytes(), ids::value(timeline, position));
                }
            }
            Part::Feed(entries) => {
                for entry in entries {
                    let mut value = Vec::new();
                    for (timeline, range) in &entry.ranges {
                        feed::push(*timeline, range, &mut value);
                    }
                    batch.insert(&kept.feed, feed::key(entry.number), value);
                }
            }
        }
        Ok(batch.commit()?)
    }
}

impl Kept {
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
                return Err(Error::Damaged("events do not follow those that are there".to_owned()));
            }
            timelines += u64::from(head.length == 0);
            let mut run = RunBuilder::new(*first);
            for json in events {
                if run.is_full() {
                    let full = std::mem::replace(&mut run, RunBuilder::new(head.length + 1));
                    batch.insert(&self.runs, run_key(*timeline, full.first), full.finish());
                }
                let event = event_from(json)?;
                head = Head { length: head.length + 1, last_time: event.created_at };
                match (timeline, &event.app) {
                    (TimelineId::User(_), Some(app)) => {
                        run.push_reference(event.created_at, self.locate(app.id, &event)?)
                    }
                    _ => _ = run.push_event(event.created_at, json),
                }
            }
            batch.insert(&self.runs, run_key(*timeline, run.first), run.finish());
            heads.insert(*timeline, head);
        }
        batch.insert(&self.counts, committer::TIMELINES_KEY, timelines.to_be_bytes());
        batch.commit()?;
        self.timelines.store(timelines, Ordering::Relaxed);
        for (timeline, head) in heads {
            self.heads.insert(timeline, head);
        }
        Ok(())
    }

    /// Where an app's timeline has that event.
    fn locate(&self, app: AppId, event: &Event) -> Result<Reference, Error> {
        let timeline = TimelineId::App(app);
        let position = self.count_before(timeline, event.created_at)? + 1;
        let start = self.run_with(timeline, position)?.first;
        for guard in self.runs.range(run_key(timeline, start)..=run_key(timeline, u64::MAX)) {
            let (key, value) = guard.into_inner()?;
            let run = Run::read(&key, value.into())?;
            let mut index =
                usize::try_from(run.count_before(event.created_at)).expect("a run has at most 64 events");
            while run.time(index) == Some(event.created_at) {
                if let Content::Event(json) = run.content(index)?
                    && annals_model::event::id_in(&json) == Some(event.id)
                {
                    let index = u8::try_from(index).expect("a run has at most 64 events");
                    return Ok(Reference { app, first: run.first, index });
                }
                index += 1;
            }
            if run.last_time() > event.created_at {
                break;
            }
        }
        Err(Error::Damaged(format!("event {} of a user is not in the timeline of its app", event.id)))
    }
}

/// What comes behind all keys of a timeline.
fn behind(timeline: TimelineId) -> Vec<u8> {
    let mut key = timeline_key(timeline);
    key.extend_from_slice(&[u8::MAX; 9]);
    key
}

fn after_key(keyspace: &Keyspace, after: Option<Vec<u8>>) -> fjall::Iter {
    match after {
        Some(mut key) => {
            // The first key that is greater.
            key.push(0);
            keyspace.range(key..)
        }
        None => keyspace.iter(),
    }
}
