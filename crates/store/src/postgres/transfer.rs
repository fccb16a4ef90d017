//! Exporting and importing a store.

use std::collections::HashSet;
use std::sync::Arc;

use annals_model::{Event, EventId};
use async_trait::async_trait;
use foldhash::HashMap;

use crate::contract::Head;
use crate::error::Error;
use crate::rows::{Row, RowKey, key};
use crate::timeline::TimelineId;
use crate::transfer::{Events, ExternalId, Part, Portable};

use super::cache::ABSENT;
use super::commit::effects::{Effects, NewHead, NewState};
use super::commit::write::{Begun, WriteError, record};
use super::connection::session::bounded;
use super::read::rows::read_stored;
use super::read::states::{State, bring_up_to_date};
use super::schema::distribution_key;
use super::schema::values::{head_from, parse_timeline_name, timeline_name, to_i64, to_u64};
use super::{PostgresStore, platform};

const HEADS: &str = "SELECT timeline, length, latest, last_late FROM timelines WHERE timeline = ANY($1)";
const ROWS: &str = "SELECT r.key, r.value, r.position, t.length \
                    FROM rows r LEFT JOIN timelines t ON t.timeline = r.distribution_key \
                    WHERE (r.distribution_key, r.key) > ($1, $2) ORDER BY r.distribution_key, r.key LIMIT $3";
const EXTERNAL_IDS: &str =
    "SELECT id, timeline, position FROM external_ids WHERE id > $1 ORDER BY id LIMIT $2";

#[async_trait]
impl Portable for PostgresStore {
    async fn rows(&self, after: Option<&RowKey>, limit: usize) -> Result<Vec<(RowKey, Row)>, Error> {
        let (after_distribution_key, after_key) =
            after.map(|key| (distribution_key::of_row(key), key.to_bytes())).unwrap_or_default();
        let limit = to_i64(limit as u64);
        let rows = self.inner.read_pool.rows(ROWS, &[&after_distribution_key, &after_key, &limit]).await?;
        let (mut found, mut states) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in &rows {
            let (key, value, _) = read_stored(row.get(0), row.get(1))?;
            if let Row::App(app) = &value {
                states.push(State::read(Arc::clone(app), row.get(2), row.get(3)));
            }
            found.push((key, value));
        }
        bring_up_to_date(&mut &self.inner.read_pool, &mut states).await?;
        let mut states = states.into_iter();
        for (_, row) in found.iter_mut().filter(|(_, row)| matches!(row, Row::App(_))) {
            *row = Row::App(states.next().expect("every app has a state").app);
        }
        Ok(found)
    }

    async fn external_ids(&self, after: Option<EventId>, limit: usize) -> Result<Vec<ExternalId>, Error> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let rows = self.inner.read_pool.rows(EXTERNAL_IDS, &[&after, &to_i64(limit as u64)]).await?;
        rows.iter()
            .map(|row| {
                let id = row.get::<_, &str>(0).parse();
                let id = id.map_err(|_| Error::Damaged("an identifier cannot be read".to_owned()))?;
                Ok((id, parse_timeline_name(row.get(1))?, to_u64(row.get(2))))
            })
            .collect()
    }

    async fn put(&self, part: Part) -> Result<(), Error> {
        if !*self.inner.is_lock_held.borrow() {
            return Err(Error::Unavailable("the store's lock was lost".into()));
        }
        let effects = match part {
            Part::Events(events) => self.effects_of_events(events).await?,
            Part::Rows(rows) => self.effects_of_rows(rows).await?,
            Part::ExternalIds(external_ids) => return self.put_external_ids(external_ids).await,
            Part::Platform(commits) => return platform::put(&self.inner.read_pool, &commits).await,
        };
        let mut session = self.inner.connect().await?;
        record(&mut session, &effects, Begun::No).await.map_err(|failure| match failure {
            WriteError::Conflict => Error::Damaged("events do not continue their timeline".to_owned()),
            WriteError::ConnectionLost(error)
            | WriteError::Refused(error)
            | WriteError::OutcomeUnknown(error) => error,
        })
    }
}

impl PostgresStore {
    /// Events to be put, each timeline's after those that are there.
    async fn effects_of_events(&self, all: Vec<Events>) -> Result<Effects, Error> {
        let names: Vec<_> = all.iter().map(|events| timeline_name(events.timeline)).collect();
        let mut heads = HashMap::default();
        for row in self.inner.read_pool.rows(HEADS, &[&names]).await? {
            let head = head_from(row.get(1), row.get(2), row.get(3));
            heads.insert(parse_timeline_name(row.get(0))?, head);
        }
        let mut effects = Effects::default();
        for Events { timeline, first, events } in all {
            let before = heads.get(&timeline).copied().unwrap_or_default();
            let new = effects.heads.entry(timeline);
            // The clock of a copy is the length, so that what does not follow is noticed.
            let new = new.or_insert_with(|| NewHead::after(before, to_i64(first - 1), timeline));
            for json in events {
                let event = Event::from_json(&json)
                    .ok_or_else(|| Error::Damaged("an event cannot be read".to_owned()))?;
                let is_home = matches!(timeline, TimelineId::App(_)) || event.app.is_none();
                new.append(event.created_at, is_home, &json);
            }
            new.clock = to_i64(new.head.length);
        }
        Ok(effects)
    }

    /// Rows to be put. States are written whole, with all events in them that are there; what owns a row comes with it.
    async fn effects_of_rows(&self, rows: Vec<(RowKey, Row)>) -> Result<Effects, Error> {
        let owners: HashSet<_> =
            rows.iter().filter_map(|(key, _)| distribution_key::owning_timeline(key)).collect();
        let names: Vec<_> = owners.iter().copied().map(timeline_name).collect();
        let mut lengths = HashMap::default();
        for row in self.inner.read_pool.rows(HEADS, &[&names]).await? {
            lengths.insert(parse_timeline_name(row.get(0))?, to_u64(row.get(1)));
        }
        let mut effects = Effects { version: rand::random::<i64>() | 1, ..Effects::default() };
        for owner in owners.into_iter().filter(|owner| !lengths.contains_key(owner)) {
            let new = NewHead { clock: 1, ..NewHead::after(Head::default(), ABSENT, owner) };
            effects.heads.insert(owner, new);
        }
        for (key, row) in rows {
            if let RowKey::App(key::App(app)) = key {
                let length = lengths.get(&TimelineId::App(app)).copied().unwrap_or_default();
                effects.states.insert(app, NewState::written(&row, length));
            }
            effects.rows.insert(key, Some(row));
        }
        Ok(effects)
    }

    async fn put_external_ids(&self, all: Vec<ExternalId>) -> Result<(), Error> {
        let text = "INSERT INTO external_ids (id, timeline, position) \
                    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) ON CONFLICT (id) DO NOTHING";
        let ids: Vec<_> = all.iter().map(|(id, ..)| id.to_string()).collect();
        let timelines: Vec<_> = all.iter().map(|(_, timeline, _)| timeline_name(*timeline)).collect();
        let positions: Vec<_> = all.iter().map(|(.., position)| to_i64(*position)).collect();
        let connection = self.inner.read_pool.connection().await?;
        bounded(connection.execute(text, &[&ids, &timelines, &positions])).await?;
        Ok(())
    }
}
