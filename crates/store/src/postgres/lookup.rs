//! Looking up what decisions ask for: many keys with one statement, all as of one instant.

use tokio_postgres::Row as DatabaseRow;

use crate::contract::{Error, Head};
use crate::rows::{Row, RowKey};

use super::known::{ABSENT, Keys, Known, KnownHead, KnownRow};
use super::place;
use super::search;
use super::session::{Ask, Session, for_shards};
use super::values::{At, Json, timeline_named, timeline_text, to_u64};

const HEADS: &str = "SELECT timeline, length, last_time, clock FROM timelines WHERE timeline = ANY($1)";
const HEADS_HELD: &str = "SELECT timeline, length, last_time, clock FROM timelines WHERE timeline = ANY($1) \
                          ORDER BY timeline FOR NO KEY UPDATE";
const HEAD_HELD: &str = "SELECT timeline, length, last_time, clock FROM timelines WHERE timeline = $1 \
                         FOR NO KEY UPDATE";
const ROWS: &str = "SELECT r.key, r.value, r.version \
                    FROM unnest($1::text[], $2::bytea[]) AS w (place, key) \
                    JOIN rows r ON r.place = w.place AND r.key = w.key";
const ROWS_OF_PLACES: &str = "SELECT r.key, r.value, r.version \
                              FROM unnest($1::text[], $2::bytea[]) AS w (place, key) \
                              JOIN rows r ON r.place = w.place AND r.key = w.key WHERE r.place = ANY($1)";
const ROWS_HELD: &str = "SELECT r.key, r.value, r.version \
                         FROM unnest($1::text[], $2::bytea[]) AS w (place, key) \
                         JOIN rows r ON r.place = w.place AND r.key = w.key \
                         ORDER BY r.place, r.key FOR NO KEY UPDATE OF r";
const ROW_HELD: &str = "SELECT key, value, version FROM rows WHERE place = $1 AND key = $2 FOR NO KEY UPDATE";
const GIVEN: &str = "SELECT id FROM given_ids WHERE id = ANY($1)";

/// Whether what is found may be changed by others before the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    No,
    /// It is locked, in one order for everybody: timelines before rows, each by their key.
    Yes,
}

/// All that was asked for; what is not there is known to be not there.
pub(super) async fn look_up(session: &mut Session, keys: &Keys, hold: Hold) -> Result<Known, Error> {
    let mut known = Known::default();
    for row in heads(session, keys, hold).await? {
        let At(last_time) = row.get(2);
        let head = Head { length: to_u64(row.get(1)), last_time };
        known.heads.insert(timeline_named(row.get(0))?, KnownHead { head, clock: row.get(3) });
    }
    for timeline in &keys.heads {
        known.heads.entry(*timeline).or_default();
    }
    for row in rows(session, keys, hold).await? {
        let (key, found, bytes) = read_row(row.get(0), row.get(1))?;
        known.rows.insert(key, KnownRow { row: Some(found), version: row.get(2), bytes });
    }
    for key in &keys.rows {
        let absent = || KnownRow { row: None, version: ABSENT, bytes: 0 };
        known.rows.entry(key.clone()).or_insert_with(absent);
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

async fn heads(session: &mut Session, keys: &Keys, hold: Hold) -> Result<Vec<DatabaseRow>, Error> {
    let mut names: Vec<_> = keys.heads.iter().map(|timeline| timeline_text(*timeline)).collect();
    match hold {
        _ if names.is_empty() => Ok(Vec::new()),
        Hold::No => session.ask(HEADS, &[&names]).await,
        Hold::Yes if !session.is_spread => session.ask(HEADS_HELD, &[&names]).await,
        // Rows can be locked only one machine at a time.
        Hold::Yes => {
            names.sort_unstable();
            let mut held = Vec::new();
            for name in names {
                held.extend(session.ask(HEAD_HELD, &[&name]).await?);
            }
            Ok(held)
        }
    }
}

async fn rows(session: &mut Session, keys: &Keys, hold: Hold) -> Result<Vec<DatabaseRow>, Error> {
    let mut stored: Vec<_> = keys.rows.iter().map(|key| (place::of_row(key), key.to_bytes())).collect();
    stored.sort_unstable();
    if hold == Hold::Yes && session.is_spread {
        let mut held = Vec::new();
        for (place, key) in stored {
            held.extend(session.ask(ROW_HELD, &[&place, &key]).await?);
        }
        return Ok(held);
    }
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
