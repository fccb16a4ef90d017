//! Reading rows: a single one, the rows of a range, or the unclaimed rows of a range.

use std::sync::Arc;
use std::time::Duration;

use annals_model::{App, AppId};
use tokio_postgres::Row as DatabaseRow;

use crate::contract::Head;
use crate::engine;
use crate::error::Error;
use crate::postgres::cache::{Cache, CachedRow};
use crate::postgres::connection::read_pool::ReadPool;
use crate::postgres::connection::session::{Param, bounded};
use crate::postgres::schema::values::{Json, head_from, to_i64};
use crate::postgres::schema::{FENCE, LOCK_CLASS, distribution_key};
use crate::rows::{Row, RowKey, RowRange, key};

use super::states::{State, bring_up_to_date};

/// Returns the state only if the timeline's clock has moved since the cached state's.
const APP: &str = "SELECT coalesce(t.clock, 0), t.length, t.latest, t.last_late, r.position, r.key, \
                       CASE WHEN t.clock IS DISTINCT FROM $3 THEN r.value END \
                   FROM rows r LEFT JOIN timelines t ON t.timeline = r.distribution_key \
                   WHERE r.distribution_key = $1 AND r.key = $2";
/// A clock that no timeline has.
const UNKNOWN: i64 = -1;
const ROW: &str = "SELECT key, value FROM rows WHERE distribution_key = $1 AND key = $2";
const LIST: &str = "SELECT key, value FROM rows WHERE distribution_key = $1 AND key >= $2 AND key < $3 \
                    ORDER BY key LIMIT $4";
const CLAIM: &str = "WITH free AS ( \
         SELECT distribution_key, key FROM rows WHERE distribution_key = $1 AND key >= $2 AND key < $3 \
             AND (claimed_until IS NULL OR claimed_until < now()) \
         ORDER BY key LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED \
     ) \
     UPDATE rows r SET claimed_until = now() + $5 * interval '1 millisecond' FROM free \
     WHERE r.distribution_key = $1 AND r.distribution_key = free.distribution_key AND r.key = free.key \
     RETURNING r.key, r.value";

/// Returns the state of an app. Takes it from the cache if the timeline's clock has not moved since.
pub(crate) async fn app(
    read_pool: &ReadPool,
    cache: &Cache,
    id: AppId,
) -> Result<Option<(Arc<App>, Head)>, Error> {
    let key = RowKey::App(key::App(id));
    let cached = match cache.rows.get(&key) {
        Some(CachedRow { row: Some(Row::App(app)), version, .. }) => Some((app, version)),
        _ => None,
    };
    let clock = cached.as_ref().map_or(UNKNOWN, |(_, clock)| *clock);
    let params: [Param<'_>; 3] = [&distribution_key::of_row(&key), &key.to_bytes(), &clock];
    let rows = read_pool.rows(APP, &params).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let head = head_from(row.get(1), row.get(2), row.get(3));
    if let Some((app, clock)) = cached
        && clock == row.get::<_, i64>(0)
    {
        return Ok(Some((app, head)));
    }
    let (_, Row::App(app), bytes) = read_stored(row.get(5), row.get(6))? else {
        return Err(Error::Damaged("the row of an app's state holds something else".to_owned()));
    };
    let mut states = [State::read(app, row.get(4), row.get(1))];
    bring_up_to_date(&mut &*read_pool, &mut states).await?;
    let [State { app, checkpoint, .. }] = states;
    let found = Some(Row::App(Arc::clone(&app)));
    cache.rows.insert(key, CachedRow { row: found, version: row.get(0), bytes, checkpoint });
    Ok(Some((app, head)))
}

pub(crate) async fn row(read_pool: &ReadPool, key: &RowKey) -> Result<Option<Row>, Error> {
    let rows = read_pool.rows(ROW, &[&distribution_key::of_row(key), &key.to_bytes()]).await?;
    rows.first().map(|row| Ok(listed(row)?.1)).transpose()
}

pub(crate) async fn list(
    read_pool: &ReadPool,
    range: &RowRange,
    limit: usize,
) -> Result<Vec<(RowKey, Row)>, Error> {
    let keys = range.keys.clone();
    let params: [Param<'_>; 4] =
        [&distribution_key::of_range(range), &keys.start, &keys.end, &to_i64(limit as u64)];
    read_pool.rows(LIST, &params).await?.iter().map(listed).collect()
}

/// Claims rows. Unless this process has the store to itself, the claim is fenced: what is claimed while another process
/// copies the store could not be removed after it is done, and would be done again from the copy.
pub(crate) async fn claim(
    read_pool: &ReadPool,
    is_fenced: bool,
    range: &RowRange,
    limit: usize,
    lease: Duration,
) -> Result<Vec<(RowKey, Row)>, Error> {
    let keys = range.keys.clone();
    let lease_ms = lease.as_secs_f64() * 1000.0;
    let mut connection = read_pool.connection().await?;
    let claiming = async {
        let transaction = connection.transaction().await?;
        let is_unfenced = !is_fenced || transaction.query_one(FENCE, &[&LOCK_CLASS]).await?.get(0);
        if !is_unfenced {
            return Ok(None);
        }
        let statement = transaction.prepare_cached(CLAIM).await?;
        let params: [Param<'_>; 5] =
            [&distribution_key::of_range(range), &keys.start, &keys.end, &to_i64(limit as u64), &lease_ms];
        let rows = transaction.query(&statement, &params).await?;
        transaction.commit().await?;
        Ok(Some(rows))
    };
    let claimed = bounded(claiming).await?;
    let mut rows =
        claimed.ok_or_else(|| Error::Unavailable("another process has the store to itself".into()))?;
    rows.sort_by(|a, b| a.get::<_, &[u8]>(0).cmp(b.get(0)));
    rows.iter().map(listed).collect()
}

fn listed(row: &DatabaseRow) -> Result<(RowKey, Row), Error> {
    let (key, found, _) = read_stored(row.get(0), row.get(1))?;
    Ok((key, found))
}

/// Decodes a stored row. Returns its key, its value and the length of the encoded value.
pub(crate) fn read_stored(key: &[u8], value: Option<Json>) -> Result<(RowKey, Row, usize), Error> {
    let key = engine::read_key(key)?;
    let value = value.map(|Json(value)| value).unwrap_or_default();
    let row = engine::read_row(&key, &value)?;
    Ok((key, row, value.len()))
}
