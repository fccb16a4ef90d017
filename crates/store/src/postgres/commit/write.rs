//! Writing a group: one transaction, with a fixed number of statements however much it writes.
//!
//! Every process acquires the locks that it waits for in the same order: timelines, then rows that may be removed,
//! then other rows, then external identifiers, each by key. What was only read is compared at the end, without
//! waiting. So groups that are decided for the first time do not deadlock. A group that is decided again first locks
//! all keys that it is known to need. It may deadlock; the database then aborts one of the transactions, and its group
//! is decided again. Over Citus, a statement locks rows on several workers at once, in no order. So after a conflict
//! over Citus, a process excludes the commits of others for a while.

use futures_util::future::try_join_all;
use tokio::time::timeout;
use tokio_postgres::Error as PgError;
use tokio_postgres::{Client, Row, Statement};

use crate::engine::platform;
use crate::error::Error;
use crate::rows::{RowKey, key};

use crate::postgres::cache::ABSENT;
use crate::postgres::connection::session::{Param, STEP_TIME_MAX, Session, for_shards};
use crate::postgres::failure::{is_conflict, is_connection_lost, store_error};
use crate::postgres::schema::values::{Json, Timestamp, timeline_name, to_i64};
use crate::postgres::schema::{
    COMMIT_LOCK_CLASS, FENCE, LOCK_CLASS, LOCK_COMMITS_EXCLUSIVELY, distribution_key,
};

use super::effects::{Effects, NewHead};
use super::entries;

/// Writes a head only if the timeline's clock is still the one that was read, and returns a row for each head written.
/// The command tag cannot be used for counting: over Citus it is the number of rows given, not written.
const PUT_HEADS: &str = "INSERT INTO timelines (timeline, length, latest, last_late, clock, clock_before) \
     SELECT w.timeline, w.length, w.latest, w.last_late, w.clock, w.clock_before \
     FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[]) \
         AS w (timeline, length, latest, last_late, clock, clock_before) \
     ON CONFLICT (timeline) DO UPDATE SET length = EXCLUDED.length, latest = EXCLUDED.latest, \
         last_late = EXCLUDED.last_late, \
         clock = EXCLUDED.clock, clock_before = EXCLUDED.clock_before \
     WHERE timelines.clock = EXCLUDED.clock_before RETURNING 1";

/// Locks the rows that will be written and that another process could remove meanwhile. Counts those that still have the
/// version that was read. Other rows are compared when they are written.
const LOCK_ROWS: &str = "SELECT count(locked.version) FROM ( \
         SELECT w.version FROM unnest($1::text[], $2::bytea[], $3::bigint[]) AS w (distribution_key, key, version) \
         JOIN rows r ON r.distribution_key = w.distribution_key AND r.key = w.key AND (w.version IS NULL OR r.version = w.version) \
         ORDER BY r.distribution_key, r.key FOR NO KEY UPDATE OF r \
     ) AS locked";
const LOCK_ROWS_OF_KEY: &str = "SELECT count(locked.version) FROM ( \
         SELECT w.version FROM unnest($1::text[], $2::bytea[], $3::bigint[]) AS w (distribution_key, key, version) \
         JOIN rows r ON r.distribution_key = w.distribution_key AND r.key = w.key AND (w.version IS NULL OR r.version = w.version) \
         WHERE r.distribution_key = $4 ORDER BY r.distribution_key, r.key FOR NO KEY UPDATE OF r \
     ) AS locked";

/// Counts rows that still have the version that was read, and that no other transaction is writing.
const COMPARE_ROWS: &str = "SELECT count(*) FROM ( \
         SELECT 1 FROM unnest($1::text[], $2::bytea[], $3::bigint[]) AS w (distribution_key, key, version) \
         JOIN rows r ON r.distribution_key = w.distribution_key AND r.key = w.key AND r.version = w.version \
         FOR SHARE OF r SKIP LOCKED \
     ) AS same";
const COMPARE_ROWS_OF_KEY: &str = "SELECT count(*) FROM ( \
         SELECT 1 FROM unnest($1::text[], $2::bytea[], $3::bigint[]) AS w (distribution_key, key, version) \
         JOIN rows r ON r.distribution_key = w.distribution_key AND r.key = w.key AND r.version = w.version \
         WHERE r.distribution_key = $4 FOR SHARE OF r SKIP LOCKED \
     ) AS same";

/// Counts timelines that still have the clock that was read. The key, which timelines do not have, is unused.
const COMPARE_CLOCKS: &str = "SELECT count(*) FROM ( \
         SELECT 1 FROM unnest($1::text[], $2::bytea[], $3::bigint[]) AS w (timeline, key, clock) \
         JOIN timelines t ON t.timeline = w.timeline AND t.clock = w.clock FOR SHARE OF t SKIP LOCKED \
     ) AS same";
const COMPARE_CLOCKS_OF_KEY: &str = "SELECT count(*) FROM ( \
         SELECT 1 FROM unnest($1::text[], $2::bytea[], $3::bigint[]) AS w (timeline, key, clock) \
         JOIN timelines t ON t.timeline = w.timeline AND t.clock = w.clock \
         WHERE t.timeline = $4 FOR SHARE OF t SKIP LOCKED \
     ) AS same";

const PUT_ROWS: &str = "INSERT INTO rows (distribution_key, key, value, position, version, version_before) \
     SELECT w.distribution_key, w.key, w.value, w.position, $6::bigint, w.version_before \
     FROM unnest($1::text[], $2::bytea[], $3::json[], $4::bigint[], $5::bigint[]) \
         AS w (distribution_key, key, value, position, version_before) \
     ON CONFLICT (distribution_key, key) DO UPDATE SET value = EXCLUDED.value, position = EXCLUDED.position, \
         version = EXCLUDED.version, version_before = EXCLUDED.version_before, claimed_until = NULL \
     WHERE EXCLUDED.version_before IS NULL OR rows.version = EXCLUDED.version_before RETURNING 1";

const REMOVE_ROWS: &str = "DELETE FROM rows r USING unnest($1::text[], $2::bytea[]) AS w (distribution_key, key) \
     WHERE r.distribution_key = w.distribution_key AND r.key = w.key";

const REMOVE_ROWS_OF_KEYS: &str = "DELETE FROM rows r \
     USING unnest($1::text[], $2::bytea[]) AS w (distribution_key, key) \
     WHERE r.distribution_key = w.distribution_key AND r.key = w.key AND r.distribution_key = ANY($1)";

const PUT_EXTERNAL_IDS: &str = "INSERT INTO external_ids (id, timeline, position) \
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) ON CONFLICT (id) DO NOTHING RETURNING 1";

/// Adds the commit to the platform timeline, still without a position.
const PUT_COMMIT: &str = "INSERT INTO commits (timeline, position, clock, recorded_at, events, entry) \
     VALUES ($1, $2, $3, $4, $5, $6)";

/// Over Citus, every commit holds this lock until it is visible on all workers. It is acquired before any other lock.
const LOCK_COMMITS_SHARED: &str = "SELECT pg_advisory_xact_lock_shared($1, hashtext(current_schema()))";

/// Why a group was not committed, or may not have been.
pub(crate) enum WriteError {
    /// Another process has committed in between. Nothing was recorded; the group can be decided again.
    Conflict,
    /// The connection failed before COMMIT was sent. Nothing was recorded; the group can be retried.
    ConnectionLost(Error),
    /// The database refused the group, or the store is being copied. Nothing was recorded.
    Refused(Error),
    /// COMMIT was sent, and its outcome is unknown.
    OutcomeUnknown(Error),
}

/// Whether the transaction has begun already, with the locks it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    No,
    Yes,
}

/// Writes a group and commits. The session can be used again only after a success or a conflict.
pub(crate) async fn record(session: &mut Session, effects: &Effects, begun: Begun) -> Result<(), WriteError> {
    let prepared = timeout(STEP_TIME_MAX, prepare(session, effects, begun));
    match prepared.await {
        Ok(Ok(Prepared::Ready)) => {}
        Ok(Ok(Prepared::Conflict)) => return roll_back(session).await,
        Ok(Ok(Prepared::Fenced)) => {
            return Err(WriteError::Refused(Error::Unavailable("the store is being copied".into())));
        }
        Ok(Err(error)) if is_conflict(&error) => return roll_back(session).await,
        Ok(Err(error)) if is_connection_lost(&error) => {
            return Err(WriteError::ConnectionLost(store_error(error)));
        }
        Ok(Err(error)) => return Err(WriteError::Refused(store_error(error))),
        Err(elapsed) => return Err(WriteError::Refused(Error::Unavailable(elapsed.into()))),
    }
    match timeout(STEP_TIME_MAX, session.client.batch_execute("COMMIT")).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if is_conflict(&error) => Err(WriteError::Conflict),
        Ok(Err(error)) => Err(WriteError::OutcomeUnknown(store_error(error))),
        Err(elapsed) => Err(WriteError::OutcomeUnknown(Error::Unavailable(elapsed.into()))),
    }
}

async fn roll_back(session: &mut Session) -> Result<(), WriteError> {
    match timeout(STEP_TIME_MAX, session.client.batch_execute("ROLLBACK")).await {
        Ok(Ok(())) => Err(WriteError::Conflict),
        Ok(Err(error)) => Err(WriteError::ConnectionLost(store_error(error))),
        Err(elapsed) => Err(WriteError::ConnectionLost(Error::Unavailable(elapsed.into()))),
    }
}

/// The state of a transaction before COMMIT.
enum Prepared {
    Ready,
    /// Another process has committed in between.
    Conflict,
    /// Another process holds the store exclusively.
    Fenced,
}

/// Begins a writing transaction. Waits for the response before anything else is sent: if BEGIN failed, each of the later
/// statements would commit by itself.
pub(crate) async fn begin(session: &mut Session) -> Result<(), PgError> {
    session.client.batch_execute("BEGIN").await?;
    if session.is_distributed {
        let lock = if session.is_exclusive { LOCK_COMMITS_EXCLUSIVELY } else { LOCK_COMMITS_SHARED };
        let lock = session.statement(lock).await?;
        session.client.execute(&lock, &[&COMMIT_LOCK_CLASS]).await?;
    }
    Ok(())
}

/// Does everything except COMMIT.
async fn prepare(session: &mut Session, effects: &Effects, begun: Begun) -> Result<Prepared, PgError> {
    let new_heads = effects.sorted_heads();
    let (heads, rows) = (HeadColumns::of(effects, &new_heads), RowColumns::of(effects));
    let is_distributed = session.is_distributed;
    let [fence, put_heads, lock_rows, compare_clocks, compare, put, remove, external_ids, commit] = [
        session.statement(FENCE).await?,
        session.statement(PUT_HEADS).await?,
        session.statement(if is_distributed { LOCK_ROWS_OF_KEY } else { LOCK_ROWS }).await?,
        session.statement(if is_distributed { COMPARE_CLOCKS_OF_KEY } else { COMPARE_CLOCKS }).await?,
        session.statement(if is_distributed { COMPARE_ROWS_OF_KEY } else { COMPARE_ROWS }).await?,
        session.statement(PUT_ROWS).await?,
        session
            .statement(for_shards(is_distributed, rows.removed.keys.len(), REMOVE_ROWS, REMOVE_ROWS_OF_KEYS))
            .await?,
        session.statement(PUT_EXTERNAL_IDS).await?,
        session.statement(PUT_COMMIT).await?,
    ];
    if begun == Begun::No {
        begin(session).await?;
    }
    let client = &session.client;
    // All statements are pipelined: they are sent at once, and run in this order.
    let (
        is_unfenced,
        are_heads_put,
        locked,
        are_rows_put,
        removed,
        are_external_ids_new,
        commit_put,
        clocks,
        compared,
    ) = tokio::join!(
        biased;
        async {
            if !session.is_fenced {
                return Ok(true);
            }
            Ok(client.query_one(&fence, &[&LOCK_CLASS]).await?.get(0))
        },
        async {
            let HeadColumns { timelines, lengths, latest, last_late, clocks, clocks_before, .. } = &heads;
            if timelines.is_empty() {
                return Ok(true);
            }
            let params: [Param<'_>; 6] =
                [timelines, lengths, latest, last_late, clocks, clocks_before];
            Ok(client.query(&put_heads, &params).await?.len() == timelines.len())
        },
        count_rows(client, &lock_rows, &rows.locked, is_distributed),
        async {
            if rows.put.is_empty() {
                return Ok(true);
            }
            let KeyColumns { distribution_keys, keys, versions } = &rows.put;
            let params: [Param<'_>; 6] =
                [distribution_keys, keys, &rows.values, &rows.positions, versions, &effects.version];
            Ok(client.query(&put, &params).await?.len() == keys.len())
        },
        async {
            if !rows.removed.is_empty() {
                client.execute(&remove, &[&rows.removed.distribution_keys, &rows.removed.keys]).await?;
            }
            Ok(())
        },
        async {
            if effects.external_ids.is_empty() {
                return Ok(true);
            }
            let (mut ids, mut timelines, mut positions) = (Vec::new(), Vec::new(), Vec::new());
            let mut sorted: Vec<_> = effects.external_ids.iter().collect();
            sorted.sort_unstable();
            for (id, (timeline, position)) in sorted {
                ids.push(id.to_string());
                timelines.push(timeline_name(*timeline));
                positions.push(to_i64(*position));
            }
            Ok(client.query(&external_ids, &[&ids, &timelines, &positions]).await?.len() == ids.len())
        },
        async {
            let Some(event) = effects.platform.events.first() else { return Ok(()) };
            let (timeline, position) = (timeline_name(event.timeline), to_i64(event.position));
            let (recorded_at, events) =
                (Timestamp(effects.platform.recorded_at), to_i64(effects.platform.events.len() as u64));
            let entry = platform::encode(&effects.platform);
            let params: [Param<'_>; 6] =
                [&timeline, &position, &effects.clock, &recorded_at, &events, &entry];
            client.execute(&commit, &params).await?;
            Ok(())
        },
        count_rows(client, &compare_clocks, &heads.compared, is_distributed),
        count_rows(client, &compare, &rows.compared, is_distributed),
    );
    // The first error is the cause: the statements after it fail because the transaction is aborted.
    let (is_unfenced, are_heads_put, locked, are_rows_put) =
        (is_unfenced?, are_heads_put?, locked?, are_rows_put?);
    removed?;
    let are_external_ids_new = are_external_ids_new?;
    commit_put?;
    let (clocks, compared) = (clocks?, compared?);
    let are_locked_same = locked == rows.locked.versions.iter().flatten().count();
    let are_read_same = clocks == heads.compared.keys.len() && compared == rows.compared.keys.len();
    if !(are_heads_put && are_locked_same && are_read_same && are_rows_put && are_external_ids_new) {
        return Ok(Prepared::Conflict);
    }
    if !is_unfenced {
        return Ok(Prepared::Fenced);
    }
    let all: Vec<_> = new_heads.iter().map(|new| &new.entries).collect();
    entries::append(&session.client, &all).await?;
    Ok(Prepared::Ready)
}

/// Counts rows with one statement. Over Citus, with one statement per distribution key, because rows can be locked only
/// one shard at a time.
async fn count_rows(
    client: &Client,
    statement: &Statement,
    rows: &KeyColumns,
    is_distributed: bool,
) -> Result<usize, PgError> {
    let count = |row: Row| usize::try_from(row.get::<_, i64>(0)).unwrap_or_default();
    if rows.is_empty() {
        return Ok(0);
    }
    if !is_distributed {
        let row = client.query_one(statement, &[&rows.distribution_keys, &rows.keys, &rows.versions]).await?;
        return Ok(count(row));
    }
    let parts = rows.by_distribution_key();
    let counting = parts.iter().map(async |columns| {
        let KeyColumns { distribution_keys, keys, versions } = columns;
        client
            .query_one(statement, &[distribution_keys, keys, versions, &distribution_keys[0]])
            .await
            .map(count)
    });
    Ok(try_join_all(counting).await?.into_iter().sum())
}

/// The heads that a group writes, as parameters: one array per column.
#[derive(Default)]
struct HeadColumns {
    timelines: Vec<String>,
    lengths: Vec<i64>,
    latest: Vec<Timestamp>,
    last_late: Vec<i64>,
    clocks: Vec<i64>,
    clocks_before: Vec<i64>,
    /// The timelines that are only read.
    compared: KeyColumns,
}

impl HeadColumns {
    fn of(effects: &Effects, sorted: &[&NewHead]) -> Self {
        let mut heads = Self::default();
        for new in sorted {
            heads.timelines.push(new.entries.timeline().to_owned());
            heads.lengths.push(to_i64(new.head.length));
            heads.latest.push(Timestamp(new.head.latest));
            heads.last_late.push(to_i64(new.head.last_late));
            heads.clocks.push(new.clock);
            heads.clocks_before.push(new.clock_before);
        }
        let mut read: Vec<_> = effects.clocks_read.iter().collect();
        read.sort_unstable();
        for (timeline, clock) in read.into_iter().filter(|(_, clock)| **clock != ABSENT) {
            heads.compared.push((timeline_name(*timeline), Vec::new()), Some(*clock));
        }
        heads
    }
}

/// Keys, and the versions that their rows must still have, as parameters. A row that was not read may have any version.
#[derive(Default)]
struct KeyColumns {
    distribution_keys: Vec<String>,
    keys: Vec<Vec<u8>>,
    versions: Vec<Option<i64>>,
}

impl KeyColumns {
    fn push(&mut self, (distribution_key, key): (String, Vec<u8>), version: Option<i64>) {
        self.distribution_keys.push(distribution_key);
        self.keys.push(key);
        self.versions.push(version);
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Splits the keys by distribution key. They must be sorted by it.
    fn by_distribution_key(&self) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        for ((distribution_key, key), version) in
            self.distribution_keys.iter().zip(&self.keys).zip(&self.versions)
        {
            if parts.last().is_none_or(|last| last.distribution_keys[0] != *distribution_key) {
                parts.push(Self::default());
            }
            let last = parts.last_mut().expect("one was just pushed");
            last.push((distribution_key.clone(), key.clone()), *version);
        }
        parts
    }
}

/// The rows that a group reads and writes, as parameters.
#[derive(Default)]
struct RowColumns {
    /// Rows that exist, are written, and could be removed by another process.
    locked: KeyColumns,
    /// Rows that are only read.
    compared: KeyColumns,
    /// Rows to put, with `values` and `positions`.
    put: KeyColumns,
    values: Vec<Option<Json>>,
    positions: Vec<Option<i64>>,
    removed: KeyColumns,
}

impl RowColumns {
    fn of(effects: &Effects) -> Self {
        let mut rows = Self::default();
        let mut sorted: Vec<_> = effects
            .rows
            .iter()
            .map(|(key, row)| ((distribution_key::of_row(key), key.to_bytes()), key, row))
            .collect();
        sorted.sort_unstable_by(|(a, ..), (b, ..)| a.cmp(b));
        for (stored, key, row) in sorted {
            let state = match key {
                RowKey::App(key::App(app)) => effects.states.get(app),
                _ => None,
            };
            if state.is_some_and(|state| state.value.is_none()) {
                continue;
            }
            let version = effects.read.get(key).copied();
            if version != Some(ABSENT) && !key.is_permanent() {
                rows.locked.push(stored.clone(), version);
            }
            match row {
                Some(row) => {
                    rows.values.push(match state {
                        Some(state) => state.value.clone(),
                        None => Some(row.to_bytes())
                            .filter(|bytes| !bytes.is_empty())
                            .map(|bytes| Json(bytes.into())),
                    });
                    rows.positions.push(state.map(|state| to_i64(state.checkpoint.position)));
                    rows.put.push(stored, version);
                }
                None => {
                    // The group put the row and removed it again. It is put once more here, because that detects if
                    // another process has put the row meanwhile.
                    if version == Some(ABSENT) {
                        rows.values.push(None);
                        rows.positions.push(None);
                        rows.put.push(stored.clone(), version);
                    }
                    rows.removed.push(stored, version);
                }
            }
        }
        let only_read = effects
            .read
            .iter()
            .filter(|(key, version)| **version != ABSENT && !effects.rows.contains_key(*key));
        let mut only_read: Vec<_> = only_read
            .map(|(key, version)| ((distribution_key::of_row(key), key.to_bytes()), *version))
            .collect();
        only_read.sort_unstable();
        for (stored, version) in only_read {
            rows.compared.push(stored, Some(version));
        }
        rows
    }
}
