//! Looking up what commands read: many keys with one statement, all in one snapshot.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_postgres::Row as DatabaseRow;

use crate::engine::checkpoint::Checkpoint;
use crate::error::Error;
use crate::rows::{Row, RowKey, key};
use crate::timeline::TimelineId;

use crate::postgres::cache::{ABSENT, CachedHead, CachedRow, Found, Keys};
use crate::postgres::connection::session::{Executor, Session, for_shards};
use crate::postgres::read::rows::read_stored;
use crate::postgres::read::search;
use crate::postgres::read::states::{State, bring_up_to_date};
use crate::postgres::schema::distribution_key;
use crate::postgres::schema::values::{head_from, parse_timeline_name, timeline_name, to_i64};

const HEADS: &str =
    "SELECT timeline, length, latest, last_late, clock FROM timelines WHERE timeline = ANY($1)";
const HEADS_LOCKED: &str = "SELECT timeline, length, latest, last_late, clock FROM timelines WHERE timeline = ANY($1) \
                          ORDER BY timeline FOR NO KEY UPDATE";
const ROWS: &str = "SELECT r.key, r.value, r.version, r.position \
                    FROM unnest($1::text[], $2::bytea[]) AS w (distribution_key, key) \
                    JOIN rows r ON r.distribution_key = w.distribution_key AND r.key = w.key";
const ROWS_OF_KEYS: &str = "SELECT r.key, r.value, r.version, r.position \
                              FROM unnest($1::text[], $2::bytea[]) AS w (distribution_key, key) \
                              JOIN rows r ON r.distribution_key = w.distribution_key AND r.key = w.key WHERE r.distribution_key = ANY($1)";
const ROWS_LOCKED: &str = "SELECT r.key, r.value, r.version, r.position \
                         FROM unnest($1::text[], $2::bytea[]) AS w (distribution_key, key) \
                         JOIN rows r ON r.distribution_key = w.distribution_key AND r.key = w.key \
                         ORDER BY r.distribution_key, r.key FOR NO KEY UPDATE OF r";
const EXTERNAL_IDS: &str = "SELECT id FROM external_ids WHERE id = ANY($1)";

/// Whether a lookup locks what it finds until the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locking {
    No,
    /// Locks in the same order as every other process, to avoid deadlocks: timelines before rows, each by key.
    Yes,
}

/// Looks up `keys`, and the timelines that own rows among them. The result also has what does not exist, as absent.
pub(crate) async fn look_up(session: &mut Session, keys: &Keys, locking: Locking) -> Result<Found, Error> {
    let mut all = Found::default();
    // Timelines are read before the rows that they own, so a row may be newer than the clock read for it. A commit
    // notices that, because the clock has moved. It would not notice a row that is older than the clock.
    let timelines: BTreeSet<_> = keys
        .heads
        .iter()
        .copied()
        .chain(keys.rows.iter().filter_map(distribution_key::owning_timeline))
        .collect();
    for row in heads(session, &timelines, locking).await? {
        let head = head_from(row.get(1), row.get(2), row.get(3));
        all.heads.insert(parse_timeline_name(row.get(0))?, CachedHead { head, clock: row.get(4) });
    }
    for timeline in timelines {
        all.heads.entry(timeline).or_default();
    }
    let clock_of =
        |key: &RowKey| distribution_key::owning_timeline(key).map(|timeline| all.heads[&timeline].clock);
    let mut states = Vec::new();
    for row in rows(session, keys, locking).await? {
        let (key, found, bytes) = read_stored(row.get(0), row.get(1))?;
        let version = clock_of(&key).unwrap_or(row.get(2));
        if let Row::App(app) = &found {
            let length = all.heads[&TimelineId::App(app.id)].head.length;
            states.push(State::read(Arc::clone(app), row.get(3), Some(to_i64(length))));
        }
        let found = CachedRow { row: Some(found), version, bytes, checkpoint: Checkpoint::default() };
        all.rows.insert(key, found);
    }
    bring_up_to_date(session, &mut states).await?;
    for State { app, checkpoint, .. } in states {
        if let Some(found) = all.rows.get_mut(&RowKey::App(key::App(app.id))) {
            (found.row, found.checkpoint) = (Some(Row::App(app)), checkpoint);
        }
    }
    for key in &keys.rows {
        let version =
            distribution_key::owning_timeline(key).map_or(ABSENT, |timeline| all.heads[&timeline].clock);
        all.rows.entry(key.clone()).or_insert_with(|| CachedRow::absent(version));
    }
    if !keys.events.is_empty() {
        let ids: Vec<_> = keys.events.iter().map(|(id, _)| id.to_string()).collect();
        let mut recorded = Vec::new();
        for row in session.query(EXTERNAL_IDS, &[&ids]).await? {
            recorded.push(row.get::<_, String>(0));
        }
        let assigned: Vec<_> = keys.events.iter().copied().collect();
        let assigned = search::find_assigned(session, &assigned).await?;
        all.events.extend(keys.events.iter().map(|(id, home)| {
            let is_external = recorded.contains(&id.to_string());
            ((*id, *home), is_external || assigned.contains_key(&(*id, *home)))
        }));
    }
    Ok(all)
}

async fn heads(
    session: &mut Session,
    timelines: &BTreeSet<TimelineId>,
    locking: Locking,
) -> Result<Vec<DatabaseRow>, Error> {
    let names: Vec<_> = timelines.iter().map(|timeline| timeline_name(*timeline)).collect();
    match locking {
        _ if names.is_empty() => Ok(Vec::new()),
        Locking::No => session.query(HEADS, &[&names]).await,
        Locking::Yes => session.query(HEADS_LOCKED, &[&names]).await,
    }
}

async fn rows(session: &mut Session, keys: &Keys, locking: Locking) -> Result<Vec<DatabaseRow>, Error> {
    let mut stored: Vec<_> =
        keys.rows.iter().map(|key| (distribution_key::of_row(key), key.to_bytes())).collect();
    stored.sort_unstable();
    let (distribution_keys, stored): (Vec<_>, Vec<_>) = stored.into_iter().unzip();
    match locking {
        _ if distribution_keys.is_empty() => Ok(Vec::new()),
        Locking::No => {
            let text = for_shards(session.is_distributed, distribution_keys.len(), ROWS, ROWS_OF_KEYS);
            session.query(text, &[&distribution_keys, &stored]).await
        }
        Locking::Yes => session.query(ROWS_LOCKED, &[&distribution_keys, &stored]).await,
    }
}
