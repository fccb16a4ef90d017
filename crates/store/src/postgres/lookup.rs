//! Looking up what decisions ask for: many keys with one statement, all as of one instant.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_postgres::Row as DatabaseRow;

use crate::checkpoint::Checkpoint;
use crate::contract::{Error, Head, TimelineId};
use crate::rows::{Row, RowKey};

use super::known::{ABSENT, Keys, Known, KnownHead, KnownRow};
use super::place;
use super::search;
use super::session::{Ask, Session, for_shards};
use super::states::{State, bring_up_to_date};
use super::values::{At, Json, timeline_named, timeline_text, to_i64, to_u64};

const HEADS: &str = "SELECT timeline, length, last_time, clock FROM timelines WHERE timeline = ANY($1)";
const HEADS_HELD: &str = "SELECT timeline, length, last_time, clock FROM timelines WHERE timeline = ANY($1) \
                          ORDER BY timeline FOR NO KEY UPDATE";
const ROWS: &str = "SELECT r.key, r.value, r.version, r.position \
                    FROM unnest($1::text[], $2::bytea[]) AS w (place, key) \
                    JOIN rows r ON r.place = w.place AND r.key = w.key";
const ROWS_OF_PLACES: &str = "SELECT r.key, r.value, r.version, r.position \
                              FROM unnest($1::text[], $2::bytea[]) AS w (place, key) \
                              JOIN rows r ON r.place = w.place AND r.key = w.key WHERE r.place = ANY($1)";
const ROWS_HELD: &str = "SELECT r.key, r.value, r.version, r.position \
                         FROM unnest($1::text[], $2::bytea[]) AS w (place, key) \
                         JOIN rows r ON r.place = w.place AND r.key = w.key \
                         ORDER BY r.place, r.key FOR NO KEY UPDATE OF r";
const GIVEN: &str = "SELECT id FROM external_ids WHERE id = ANY($1)";

/// Whether what is found may be changed by others before the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    No,
    /// It is locked, in one order for everybody: timelines before rows, each by their key.
    Yes,
}

/// All that was asked for, and the timelines that guard it; what is not there is known to be not there.
pub(super) async fn look_up(session: &mut Session, keys: &Keys, hold: Hold) -> Result<Known, Error> {
    let mut known = Known::default();
    // Before the rows that they guard: a row that is newer than its clock is noticed when it matters, an older one is not.
    let timelines: BTreeSet<_> =
        keys.heads.iter().copied().chain(keys.rows.iter().filter_map(place::guard)).collect();
    for row in heads(session, &timelines, hold).await? {
        let At(last_time) = row.get(2);
        let head = Head { length: to_u64(row.get(1)), last_time };
        known.heads.insert(timeline_named(row.get(0))?, KnownHead { head, clock: row.get(3) });
    }
    for timeline in timelines {
        known.heads.entry(timeline).or_default();
    }
    let clock_of = |key: &RowKey| place::guard(key).map(|timeline| known.heads[&timeline].clock);
    let mut states = Vec::new();
    for row in rows(session, keys, hold).await? {
        let (key, found, bytes) = read_row(row.get(0), row.get(1))?;
        let version = clock_of(&key).unwrap_or(row.get(2));
        if let Row::App(app) = &found {
            let length = known.heads[&TimelineId::App(app.id)].head.length;
            states.push(State::read(Arc::clone(app), row.get(3), Some(to_i64(length))));
        }
        let found = KnownRow { row: Some(found), version, bytes, checkpoint: Checkpoint::default() };
        known.rows.insert(key, found);
    }
    bring_up_to_date(session, &mut states).await?;
    for State { app, checkpoint, .. } in states {
        if let Some(found) = known.rows.get_mut(&RowKey::App(app.id)) {
            (found.row, found.checkpoint) = (Some(Row::App(app)), checkpoint);
        }
    }
    for key in &keys.rows {
        let version = place::guard(key).map_or(ABSENT, |timeline| known.heads[&timeline].clock);
        known.rows.entry(key.clone()).or_insert_with(|| KnownRow::absent(version));
    }
    if !keys.events.is_empty() {
        let ids: Vec<_> = keys.events.iter().map(|(id, _)| id.to_string()).collect();
        let mut recorded = Vec::new();
        for row in session.ask(GIVEN, &[&ids]).await? {
            recorded.push(row.get::<_, String>(0));
        }
        let assigned: Vec<_> = keys.events.iter().copied().collect();
        let assigned = search::find_assigned(session, &assigned).await?;
        known.events.extend(keys.events.iter().map(|(id, home)| {
            let is_given = recorded.contains(&id.to_string());
            ((*id, *home), is_given || assigned.contains_key(&(*id, *home)))
        }));
    }
    Ok(known)
}

async fn heads(
    session: &mut Session,
    timelines: &BTreeSet<TimelineId>,
    hold: Hold,
) -> Result<Vec<DatabaseRow>, Error> {
    let names: Vec<_> = timelines.iter().map(|timeline| timeline_text(*timeline)).collect();
    match hold {
        _ if names.is_empty() => Ok(Vec::new()),
        Hold::No => session.ask(HEADS, &[&names]).await,
        Hold::Yes => session.ask(HEADS_HELD, &[&names]).await,
    }
}

async fn rows(session: &mut Session, keys: &Keys, hold: Hold) -> Result<Vec<DatabaseRow>, Error> {
    let mut stored: Vec<_> = keys.rows.iter().map(|key| (place::of_row(key), key.to_bytes())).collect();
    stored.sort_unstable();
    let (places, stored): (Vec<_>, Vec<_>) = stored.into_iter().unzip();
    match hold {
        _ if places.is_empty() => Ok(Vec::new()),
        Hold::No => {
            let text = for_shards(session.is_spread, places.len(), ROWS, ROWS_OF_PLACES);
            session.ask(text, &[&places, &stored]).await
        }
        Hold::Yes => session.ask(ROWS_HELD, &[&places, &stored]).await,
    }
}

/// A row as it is stored, and how long it is.
pub(super) fn read_row(key: &[u8], value: Option<Json>) -> Result<(RowKey, Row, usize), Error> {
    let key =
        RowKey::from_bytes(key).ok_or_else(|| Error::Damaged("a row's key cannot be read".to_owned()))?;
    let value = value.map(|Json(value)| value).unwrap_or_default();
    let row = Row::from_bytes(&key, &value)
        .map_err(|error| Error::Damaged(format!("a row cannot be read: {error}")))?;
    Ok((key, row, value.len()))
}
