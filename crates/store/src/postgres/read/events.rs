//! Reading the heads of timelines and their events.

use std::ops::RangeInclusive;

use annals_model::EventId;
use bytes::Bytes;

use crate::contract::Head;
use crate::error::Error;
use crate::postgres::connection::read_pool::ReadPool;
use crate::postgres::connection::session::Param;
use crate::postgres::schema::values::{Json, head_from, parse_timeline_name, timeline_name, to_i64, to_u64};
use crate::timeline::TimelineId;

use super::search;

/// About the length of a short event. It determines how many rows one query asks for.
const SHORT_EVENT_BYTES: usize = 256;

const HEAD: &str = "SELECT length, latest, last_late FROM timelines WHERE timeline = $1";
const TIMELINES: &str = "SELECT timeline, length, latest, last_late FROM timelines WHERE timeline > $1 AND length > 0 \
                         ORDER BY timeline LIMIT $2";
const READ: &str = "SELECT event, position FROM entries WHERE timeline = $1 AND position BETWEEN $2 AND $3 \
                    ORDER BY position DESC LIMIT $4";
const FIND_EXTERNAL: &str = "SELECT position FROM external_ids WHERE id = $1 AND timeline = $2";

pub(crate) async fn head(read_pool: &ReadPool, timeline: TimelineId) -> Result<Head, Error> {
    let rows = read_pool.rows(HEAD, &[&timeline_name(timeline)]).await?;
    Ok(rows.first().map_or_else(Head::default, |row| head_from(row.get(0), row.get(1), row.get(2))))
}

pub(crate) async fn timelines(
    read_pool: &ReadPool,
    after: Option<TimelineId>,
    limit: usize,
) -> Result<Vec<(TimelineId, Head)>, Error> {
    // Apps sort before users: an app's name is hexadecimal, and a user's begins with "u".
    let after = after.map(timeline_name).unwrap_or_default();
    let rows = read_pool.rows(TIMELINES, &[&after, &to_i64(limit as u64)]).await?;
    rows.iter()
        .map(|row| Ok((parse_timeline_name(row.get(0))?, head_from(row.get(1), row.get(2), row.get(3)))))
        .collect()
}

pub(crate) async fn read(
    read_pool: &ReadPool,
    timeline: TimelineId,
    positions: RangeInclusive<u64>,
    bytes_max: usize,
) -> Result<Vec<Bytes>, Error> {
    let name = timeline_name(timeline);
    let (oldest, mut newest) = (*positions.start(), *positions.end());
    let (mut events, mut bytes) = (Vec::new(), 0);
    while oldest <= newest {
        // Events vary in length, so the number of rows that fit is not known in advance.
        let left = bytes_max.saturating_sub(bytes);
        let limit = left / SHORT_EVENT_BYTES + 1;
        let params: [Param<'_>; 4] = [&name, &to_i64(oldest), &to_i64(newest), &to_i64(limit as u64)];
        let (rows, is_full) = read_pool.rows_within(READ, &params, left, events.is_empty()).await?;
        for row in &rows {
            let Json(event) = row.get(0);
            bytes += event.len();
            events.push(event);
        }
        match rows.last() {
            Some(last) if !is_full && rows.len() == limit => newest = to_u64(last.get(1)) - 1,
            _ => break,
        }
    }
    Ok(events)
}

pub(crate) async fn find(
    read_pool: &ReadPool,
    home: TimelineId,
    event: EventId,
) -> Result<Option<Bytes>, Error> {
    let assigned = search::find_assigned(&mut &*read_pool, &[(event, home)]).await?.remove(&(event, home));
    if assigned.is_some() {
        return Ok(assigned);
    }
    let external = read_pool.rows(FIND_EXTERNAL, &[&event.to_string(), &timeline_name(home)]).await?;
    let Some(row) = external.first() else { return Ok(None) };
    let position = to_u64(row.get(0));
    Ok(read(read_pool, home, position..=position, usize::MAX).await?.pop())
}
