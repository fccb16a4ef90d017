//! Figures about the store.

use tokio_postgres::Row;

use crate::contract::Statistics;
use crate::error::Error;
use crate::postgres::connection::read_pool::ReadPool;
use crate::postgres::schema::values::to_u64;

/// The number of timelines above which it is estimated instead of counted.
const COUNTED_MAX: f32 = 100_000.0;

const ESTIMATE: &str = "SELECT reltuples FROM pg_class WHERE oid = 'timelines'::regclass";
const COUNT: &str = "SELECT count(*) FROM timelines WHERE length > 0";
const SIZE: &str = "SELECT sum(pg_total_relation_size(name::regclass))::bigint \
                    FROM unnest(ARRAY['timelines', 'entries', 'rows', 'external_ids', 'commits']) AS name";
const SIZE_DISTRIBUTED: &str = "SELECT sum(citus_total_relation_size(name::regclass))::bigint \
     FROM unnest(ARRAY['timelines', 'entries', 'rows', 'external_ids', 'commits']) AS name";

pub(crate) async fn statistics(read_pool: &ReadPool) -> Result<Statistics, Error> {
    let estimate: f32 = one(read_pool, ESTIMATE).await?.get(0);
    let timelines = match estimate > COUNTED_MAX {
        true => estimate as u64,
        false => to_u64(one(read_pool, COUNT).await?.get(0)),
    };
    let size = if read_pool.is_distributed { SIZE_DISTRIBUTED } else { SIZE };
    Ok(Statistics { timelines, bytes: to_u64(one(read_pool, size).await?.get(0)) })
}

async fn one(read_pool: &ReadPool, text: &'static str) -> Result<Row, Error> {
    let rows = read_pool.rows(text, &[]).await?;
    rows.into_iter().next().ok_or_else(|| Error::Damaged("a table cannot be counted".to_owned()))
}
