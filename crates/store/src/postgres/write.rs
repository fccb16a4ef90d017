//! Writing a group: one transaction, a handful of statements however much there is to write.
//!
//! Locks that are waited for are taken in one order by everybody (timelines, then rows that may go, then the others, then
//! identifiers, each by their key), and what was only read is compared at the end, without waiting. So two commits that
//! are decided for the first time never wait for each other. Where they do after all (what is decided again locks what it
//! knows of first), the database ends one, and it is decided again. Over Citus a statement locks on several machines at once,
//! in no order; so there, who met somebody else writes alone for a while.

use futures_util::future::try_join_all;
use tokio::time::timeout;
use tokio_postgres::Error as PgError;
use tokio_postgres::{Client, Row, Statement};

use crate::contract::Error;
use crate::rows::RowKey;

use super::entries;
use super::failure::{failed, is_conflict, is_lost};
use super::group::{Effects, NewHead};
use super::known::ABSENT;
use super::place;
use super::schema::{ALONE_AMONG_COMMITS, COMMIT_LOCK_CLASS, LOCK_CLASS};
use super::session::{Param, STEP_TIME_MAX, Session, for_shards};
use super::values::{At, Json, timeline_text, to_i64};

/// Appending is right only where nobody else appended since. Where somebody did, a row less is written, and comes back:
/// what a statement says of itself to have written is over Citus what it was given to write.
const HEADS: &str = "INSERT INTO timelines (timeline, length, last_time, clock, clock_before) \
     SELECT w.timeline, w.length, w.last_time, w.clock, w.clock_before \
     FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::bigint[]) \
         AS w (timeline, length, last_time, clock, clock_before) \
     ON CONFLICT (timeline) DO UPDATE SET length = EXCLUDED.length, last_time = EXCLUDED.last_time, \
         clock = EXCLUDED.clock, clock_before = EXCLUDED.clock_before \
     WHERE timelines.clock = EXCLUDED.clock_before RETURNING 1";

/// Holds rows that are going to be written and might go meanwhile, and counts those that still have the version they were
/// read with. The others are compared as they are written.
const HOLD_ROWS: &str = "SELECT count(held.version) FROM ( \
         SELECT w.version FROM unnest($1::text[], $2::bytea[], $3::bigint[]) AS w (place, key, version) \
         JOIN rows r ON r.place = w.place AND r.key = w.key AND (w.version IS NULL OR r.version = w.version) \
         ORDER BY r.place, r.key FOR NO KEY UPDATE OF r \
     ) AS held";
const HOLD_ROWS_OF_PLACE: &str = "SELECT count(held.version) FROM ( \
         SELECT w.version FROM unnest($1::text[], $2::bytea[], $3::bigint[]) AS w (place, key, version) \
         JOIN rows r ON r.place = w.place AND r.key = w.key AND (w.version IS NULL OR r.version = w.version) \
         WHERE r.place = $4 ORDER BY r.place, r.key FOR NO KEY UPDATE OF r \
     ) AS held";

/// Counts rows that still have the version they were read with, and that nobody is about to write.
const COMPARE_ROWS: &str = "SELECT count(*) FROM ( \
         SELECT 1 FROM unnest($1::text[], $2::bytea[], $3::bigint[]) AS w (place, key, version) \
         JOIN rows r ON r.place = w.place AND r.key = w.key AND r.version = w.version \
         FOR SHARE OF r SKIP LOCKED \
     ) AS same";
const COMPARE_ROWS_OF_PLACE: &str = "SELECT count(*) FROM ( \
         SELECT 1 FROM unnest($1::text[], $2::bytea[], $3::bigint[]) AS w (place, key, version) \
         JOIN rows r ON r.place = w.place AND r.key = w.key AND r.version = w.version \
         WHERE r.place = $4 FOR SHARE OF r SKIP LOCKED \
     ) AS same";

/// Counts timelines that are where they were when they were read. They have no key besides their name.
const COMPARE_CLOCKS: &str = "SELECT count(*) FROM ( \
         SELECT 1 FROM unnest($1::text[], $2::bytea[], $3::bigint[]) AS w (timeline, key, clock) \
         JOIN timelines t ON t.timeline = w.timeline AND t.clock = w.clock FOR SHARE OF t SKIP LOCKED \
     ) AS same";
const COMPARE_CLOCKS_OF_PLACE: &str = "SELECT count(*) FROM ( \
         SELECT 1 FROM unnest($1::text[], $2::bytea[], $3::bigint[]) AS w (timeline, key, clock) \
         JOIN timelines t ON t.timeline = w.timeline AND t.clock = w.clock \
         WHERE t.timeline = $4 FOR SHARE OF t SKIP LOCKED \
     ) AS same";

const PUT_ROWS: &str = "INSERT INTO rows (place, key, value, position, version, version_before) \
     SELECT w.place, w.key, w.value, w.position, $6::bigint, w.version_before \
     FROM unnest($1::text[], $2::bytea[], $3::json[], $4::bigint[], $5::bigint[]) \
         AS w (place, key, value, position, version_before) \
     ON CONFLICT (place, key) DO UPDATE SET value = EXCLUDED.value, position = EXCLUDED.position, \
         version = EXCLUDED.version, version_before = EXCLUDED.version_before \
     WHERE EXCLUDED.version_before IS NULL OR rows.version = EXCLUDED.version_before RETURNING 1";

const REMOVE_ROWS: &str = "DELETE FROM rows r USING unnest($1::text[], $2::bytea[]) AS w (place, key) \
     WHERE r.place = w.place AND r.key = w.key";

const REMOVE_ROWS_OF_PLACES: &str = "DELETE FROM rows r \
     USING unnest($1::text[], $2::bytea[]) AS w (place, key) \
     WHERE r.place = w.place AND r.key = w.key AND r.place = ANY($1)";

const GIVEN: &str = "INSERT INTO external_ids (id, timeline, position) \
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) ON CONFLICT (id) DO NOTHING RETURNING 1";

const COMMIT: &str = "INSERT INTO commits (timeline, position, clock, timelines, firsts, lasts) \
     VALUES ($1, $2, $3, $4, $5, $6)";

/// Fails where somebody has taken the store for themself since it was last looked.
const FENCE: &str = "SELECT pg_try_advisory_xact_lock_shared($1, hashtext(current_schema()))";
/// Held over Citus by every commit until all machines have it, and taken before any other lock.
const AMONG_COMMITS: &str = "SELECT pg_advisory_xact_lock_shared($1, hashtext(current_schema()))";

/// Why a group is not recorded, or may not be.
pub(super) enum Failure {
    /// Others recorded something in between: nothing is recorded, and it can be decided again.
    Conflict,
    /// The connection failed before the commit was asked for: nothing is recorded, and it can be done again.
    Lost(Error),
    /// The database refuses, or the store is being moved: nothing is recorded.
    Refused(Error),
    /// The commit was asked for and not answered.
    Maybe(Error),
}

/// Whether the transaction is still to be begun, or has begun with what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    No,
    Yes,
}

/// WriteSet a group and commits. The session is good for further use after success and conflict only.
pub(super) async fn record(session: &mut Session, effects: &Effects, begun: Begun) -> Result<(), Failure> {
    let prepared = timeout(STEP_TIME_MAX, prepare(session, effects, begun));
    match prepared.await {
        Ok(Ok(Prepared::Ready)) => {}
        Ok(Ok(Prepared::Late)) => return roll_back(session).await,
        Ok(Ok(Prepared::Fenced)) => {
            return Err(Failure::Refused(Error::Unavailable("the store is being moved".into())));
        }
        Ok(Err(error)) if is_conflict(&error) => return roll_back(session).await,
        Ok(Err(error)) if is_lost(&error) => return Err(Failure::Lost(failed(error))),
        Ok(Err(error)) => return Err(Failure::Refused(failed(error))),
        Err(elapsed) => return Err(Failure::Refused(Error::Unavailable(elapsed.into()))),
    }
    match timeout(STEP_TIME_MAX, session.client.batch_execute("COMMIT")).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if is_conflict(&error) => Err(Failure::Conflict),
        Ok(Err(error)) => Err(Failure::Maybe(failed(error))),
        Err(elapsed) => Err(Failure::Maybe(Error::Unavailable(elapsed.into()))),
    }
}

async fn roll_back(session: &mut Session) -> Result<(), Failure> {
    match timeout(STEP_TIME_MAX, session.client.batch_execute("ROLLBACK")).await {
        Ok(Ok(())) => Err(Failure::Conflict),
        Ok(Err(error)) => Err(Failure::Lost(failed(error))),
        Err(elapsed) => Err(Failure::Lost(Error::Unavailable(elapsed.into()))),
    }
}

/// How far a transaction came.
enum Prepared {
    Ready,
    /// Somebody was in between.
    Late,
    /// The store is somebody's alone.
    Fenced,
}

/// Begins a transaction that writes. Answered before anything else is sent, which would be recorded piece by piece if this
/// failed.
pub(super) async fn begin(session: &mut Session) -> Result<(), PgError> {
    session.client.batch_execute("BEGIN").await?;
    if session.is_spread {
        let lock = if session.is_alone { ALONE_AMONG_COMMITS } else { AMONG_COMMITS };
        let lock = session.statement(lock).await?;
        session.client.execute(&lock, &[&COMMIT_LOCK_CLASS]).await?;
    }
    Ok(())
}

/// Does everything but commit.
async fn prepare(session: &mut Session, effects: &Effects, begun: Begun) -> Result<Prepared, PgError> {
    let new_heads = effects.sorted_heads();
    let (heads, rows) = (Heads::of(effects, &new_heads), Rows::of(effects));
    let is_spread = session.is_spread;
    let [fence, put_heads, hold, compare_clocks, compare, put, remove, given, commit] = [
        session.statement(FENCE).await?,
        session.statement(HEADS).await?,
        session.statement(if is_spread { HOLD_ROWS_OF_PLACE } else { HOLD_ROWS }).await?,
        session.statement(if is_spread { COMPARE_CLOCKS_OF_PLACE } else { COMPARE_CLOCKS }).await?,
        session.statement(if is_spread { COMPARE_ROWS_OF_PLACE } else { COMPARE_ROWS }).await?,
        session.statement(PUT_ROWS).await?,
        session
            .statement(for_shards(is_spread, rows.removed.keys.len(), REMOVE_ROWS, REMOVE_ROWS_OF_PLACES))
            .await?,
        session.statement(GIVEN).await?,
        session.statement(COMMIT).await?,
    ];
    if begun == Begun::No {
        begin(session).await?;
    }
    let client = &session.client;
    // All are sent at once, in this order, and answered in it.
    let (is_ours, heads_are_right, held, put_are_right, removed, given_are_new, noted, clocks, compared) = tokio::join!(
        biased;
        async {
            if !session.is_fenced {
                return Ok(true);
            }
            Ok(client.query_one(&fence, &[&LOCK_CLASS]).await?.get(0))
        },
        async {
            let Heads { timelines, lengths, last_times, clocks, clocks_before, .. } = &heads;
            if timelines.is_empty() {
                return Ok(true);
            }
            let params: [Param<'_>; 5] =
                [timelines, lengths, last_times, clocks, clocks_before];
            Ok(client.query(&put_heads, &params).await?.len() == timelines.len())
        },
        count_rows(client, &hold, &rows.held, is_spread),
        async {
            if rows.put.is_empty() {
                return Ok(true);
            }
            let Stored { places, keys, versions } = &rows.put;
            let params: [Param<'_>; 6] =
                [places, keys, &rows.values, &rows.positions, versions, &effects.version];
            Ok(client.query(&put, &params).await?.len() == keys.len())
        },
        async {
            if !rows.removed.is_empty() {
                client.execute(&remove, &[&rows.removed.places, &rows.removed.keys]).await?;
            }
            Ok(())
        },
        async {
            if effects.given.is_empty() {
                return Ok(true);
            }
            let (mut ids, mut timelines, mut positions) = (Vec::new(), Vec::new(), Vec::new());
            let mut sorted: Vec<_> = effects.given.iter().collect();
            sorted.sort_unstable();
            for (id, (timeline, position)) in sorted {
                ids.push(id.to_string());
                timelines.push(timeline_text(*timeline));
                positions.push(to_i64(*position));
            }
            Ok(client.query(&given, &[&ids, &timelines, &positions]).await?.len() == ids.len())
        },
        async {
            let (mut timelines, mut firsts, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
            let mut sorted: Vec<_> = effects.ranges.iter().collect();
            sorted.sort_unstable_by_key(|(timeline, _)| **timeline);
            for (timeline, ranges) in sorted {
                let name = timeline_text(*timeline);
                for range in ranges {
                    timelines.push(name.clone());
                    firsts.push(to_i64(*range.start()));
                    lasts.push(to_i64(*range.end()));
                }
            }
            let (Some(home), Some(first)) = (timelines.first(), firsts.first()) else { return Ok(()) };
            client.execute(&commit, &[home, first, &effects.clock, &timelines, &firsts, &lasts]).await?;
            Ok(())
        },
        count_rows(client, &compare_clocks, &heads.compared, is_spread),
        count_rows(client, &compare, &rows.compared, is_spread),
    );
    // The first that failed says why; after it the others could not but fail.
    let (is_ours, heads_are_right, held, put_are_right) = (is_ours?, heads_are_right?, held?, put_are_right?);
    removed?;
    let given_are_new = given_are_new?;
    noted?;
    let (clocks, compared) = (clocks?, compared?);
    let held_are_right = held == rows.held.versions.iter().flatten().count();
    let compared_are_right = clocks == heads.compared.keys.len() && compared == rows.compared.keys.len();
    if !(heads_are_right && held_are_right && compared_are_right && put_are_right && given_are_new) {
        return Ok(Prepared::Late);
    }
    if !is_ours {
        return Ok(Prepared::Fenced);
    }
    entries::append(&session.client, &new_heads).await?;
    Ok(Prepared::Ready)
}

/// Counts rows with one statement; where tables are spread over machines, with one for each place, since rows can be
/// locked only one machine at a time.
async fn count_rows(
    client: &Client,
    statement: &Statement,
    rows: &Stored,
    is_spread: bool,
) -> Result<usize, PgError> {
    let count = |row: Row| usize::try_from(row.get::<_, i64>(0)).unwrap_or_default();
    if rows.is_empty() {
        return Ok(0);
    }
    if !is_spread {
        let row = client.query_one(statement, &[&rows.places, &rows.keys, &rows.versions]).await?;
        return Ok(count(row));
    }
    let places = rows.places();
    let counting = places.iter().map(async |of_place| {
        let Stored { places, keys, versions } = of_place;
        client.query_one(statement, &[places, keys, versions, &places[0]]).await.map(count)
    });
    Ok(try_join_all(counting).await?.into_iter().sum())
}

#[derive(Default)]
struct Heads {
    timelines: Vec<String>,
    lengths: Vec<i64>,
    last_times: Vec<At>,
    clocks: Vec<i64>,
    clocks_before: Vec<i64>,
    /// Those that are only read.
    compared: Stored,
}

impl Heads {
    fn of(effects: &Effects, sorted: &[&NewHead]) -> Self {
        let mut heads = Self::default();
        for new in sorted {
            heads.timelines.push(new.entries.timeline().to_owned());
            heads.lengths.push(to_i64(new.head.length));
            heads.last_times.push(At(new.head.last_time));
            heads.clocks.push(new.clock);
            heads.clocks_before.push(new.clock_before);
        }
        let mut read: Vec<_> = effects.clocks_read.iter().collect();
        read.sort_unstable();
        for (timeline, clock) in read.into_iter().filter(|(_, clock)| **clock != ABSENT) {
            heads.compared.push((timeline_text(*timeline), Vec::new()), Some(*clock));
        }
        heads
    }
}

/// Keys of rows, and the versions they are expected to have, where that matters.
#[derive(Default)]
struct Stored {
    places: Vec<String>,
    keys: Vec<Vec<u8>>,
    versions: Vec<Option<i64>>,
}

impl Stored {
    fn push(&mut self, (place, key): (String, Vec<u8>), version: Option<i64>) {
        self.places.push(place);
        self.keys.push(key);
        self.versions.push(version);
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The same, place by place.
    fn places(&self) -> Vec<Self> {
        let mut places: Vec<Self> = Vec::new();
        for ((place, key), version) in self.places.iter().zip(&self.keys).zip(&self.versions) {
            if places.last().is_none_or(|last| last.places[0] != *place) {
                places.push(Self::default());
            }
            let last = places.last_mut().expect("one was just put there");
            last.push((place.clone(), key.clone()), *version);
        }
        places
    }
}

#[derive(Default)]
struct Rows {
    /// Those that are there and are written.
    held: Stored,
    /// Those that are only read.
    compared: Stored,
    put: Stored,
    values: Vec<Option<Json>>,
    positions: Vec<Option<i64>>,
    removed: Stored,
}

impl Rows {
    fn of(effects: &Effects) -> Self {
        let mut rows = Self::default();
        let mut sorted: Vec<_> =
            effects.rows.iter().map(|(key, row)| ((place::of_row(key), key.to_bytes()), key, row)).collect();
        sorted.sort_unstable_by(|(a, ..), (b, ..)| a.cmp(b));
        for (stored, key, row) in sorted {
            let state = match key {
                RowKey::App(app) => effects.states.get(app),
                _ => None,
            };
            if state.is_some_and(|state| state.value.is_none()) {
                continue;
            }
            let version = effects.read.get(key).copied();
            if version != Some(ABSENT) && !place::is_lasting(key) {
                rows.held.push(stored.clone(), version);
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
                    // A row that came and went within the group: putting it sees that nobody else has put one.
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
        let mut only_read: Vec<_> =
            only_read.map(|(key, version)| ((place::of_row(key), key.to_bytes()), *version)).collect();
        only_read.sort_unstable();
        for (stored, version) in only_read {
            rows.compared.push(stored, Some(version));
        }
        rows
    }
}
