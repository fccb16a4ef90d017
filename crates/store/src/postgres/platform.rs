//! The platform timeline: commits in one order, which get their positions after they are visible.
//!
//! A position cannot be assigned before the commit: the commit might become visible after a reader has passed the
//! position, and the reader would never see it. So the next process that reads the platform timeline assigns positions
//! to the commits that are visible and have none. This is called numbering. One process at a time numbers commits.
//!
//! **Order.** Commits are numbered in the order of their clocks, which are hybrid logical clocks. The clock of a commit
//! is close to the time. It is greater than the clocks of all earlier commits of the same process, and of all earlier
//! commits to the same timelines. A commit waits for the row locks of its timelines, so it becomes visible after the
//! earlier commits to them. Therefore a snapshot that shows a commit also shows its predecessors along every timeline.
//! These have smaller clocks, so they get smaller positions, even if only the first commits of the snapshot are
//! numbered. A commit that becomes visible after the snapshot precedes no commit of it along any timeline.
//!
//! **Numbering** takes two transactions, both under the numbering lock. The first reads the length of the platform
//! timeline and which commits have no position. The second sets their positions, if the length is still the same and
//! none of them has a position yet. If a process dies between the two, nothing has happened. If another process numbers
//! commits between the two, the second does nothing, and the caller starts again. The lock is an advisory one, not a
//! row lock on the coordinator: Citus releases row locks there before all workers have committed, and advisory locks
//! only afterwards.
//!
//! **Citus.** A commit becomes visible on one worker after another, so a query over all workers is no snapshot.
//! Every commit holds a shared lock until all workers have committed. The first transaction takes this lock
//! exclusively, so that no commit is in flight, and every commit is visible as a whole or not at all. New commits wait
//! for the commits in flight and for one query. They do not wait while positions are written. If a worker fails while
//! positions are committed, its rows stay locked until Citus has recovered the transaction. The next process that
//! numbers commits waits for these rows, finds their positions set, and starts again.

use futures_util::future::try_join_all;

use crate::contract::PlatformCommit;
use crate::engine::platform::{decode, encode, trim};
use crate::error::Error;

use super::connection::read_pool::ReadPool;
use super::connection::session::bounded;
use super::schema::values::{Timestamp, timeline_name, to_i64, to_u64};
use super::schema::{COMMIT_LOCK_CLASS, LOCK_COMMITS_EXCLUSIVELY, NUMBERING_LOCK_CLASS};

/// How many commits are numbered at once.
const NUMBERED_AT_ONCE: usize = 5_000;

const IS_TO_NUMBER: &str = "SELECT 1 FROM commits WHERE first IS NULL LIMIT 1";
const LOCK: &str = "SELECT pg_advisory_xact_lock($1, hashtext(current_schema()))";
const LENGTH: &str = "SELECT length FROM platform";
const TO_NUMBER: &str = "SELECT timeline, position, events FROM commits WHERE first IS NULL \
                         ORDER BY clock, timeline, position LIMIT $1";
const GREATEST_CLOCK: &str = "SELECT max(clock) FROM commits WHERE first IS NULL";
const NUMBER: &str = "UPDATE commits c SET first = w.first \
                      FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS w (timeline, position, first) \
                      WHERE c.timeline = w.timeline AND c.position = w.position AND c.first IS NULL RETURNING 1";
const SET_LENGTH: &str = "UPDATE platform SET length = $1";
const PUT: &str = "INSERT INTO commits (timeline, position, clock, recorded_at, events, first, entry) \
                   VALUES ($1, $2, 1, $3, $4, $5, $6) ON CONFLICT (timeline, position) DO NOTHING";
const BEGINNING_WITHIN: &str =
    "SELECT first, entry FROM commits WHERE first > $1 AND first <= $2 ORDER BY first";
const BEGINNING_BEFORE: &str =
    "SELECT first, entry FROM commits WHERE first <= $1 ORDER BY first DESC LIMIT 1";

pub(super) async fn read(
    read_pool: &ReadPool,
    after: u64,
    limit_events: usize,
) -> Result<Vec<PlatformCommit>, Error> {
    let end = after.saturating_add(limit_events.max(1) as u64);
    number(read_pool, end).await?;
    if numbered(read_pool).await? <= after {
        return Ok(Vec::new());
    }
    let mut rows = read_pool.rows(BEGINNING_WITHIN, &[&to_i64(after), &to_i64(end)]).await?;
    if rows.first().is_none_or(|row| row.get::<_, i64>(0) != to_i64(after) + 1) {
        // The position `after` lies within a commit, which comes first.
        rows.splice(..0, read_pool.rows(BEGINNING_BEFORE, &[&to_i64(after)]).await?);
    }
    let (mut commits, mut reached) = (Vec::new(), after);
    for row in rows {
        let mut commit = decode(to_u64(row.get(0)), row.get(1))?;
        trim(&mut commit, reached);
        // Over Citus, workers answer at different moments, so the rows of one numbering may be there only in part.
        if commit.events.is_empty() || commit.first != reached + 1 {
            break;
        }
        reached = commit.last();
        commits.push(commit);
    }
    Ok(commits)
}

pub(super) async fn length(read_pool: &ReadPool) -> Result<u64, Error> {
    number(read_pool, u64::MAX).await?;
    numbered(read_pool).await
}

/// Returns the greatest clock of the commits that have no position. Commits of this process need greater clocks, to be
/// numbered after them. Commits that have a position come first anyway.
pub(super) async fn greatest_clock(read_pool: &ReadPool) -> Result<i64, Error> {
    let rows = read_pool.rows(GREATEST_CLOCK, &[]).await?;
    Ok(rows.first().and_then(|row| row.get::<_, Option<i64>>(0)).unwrap_or_default())
}

/// Imports commits of another store, with their positions.
pub(super) async fn put(read_pool: &ReadPool, commits: &[PlatformCommit]) -> Result<(), Error> {
    let mut connection = read_pool.connection().await?;
    let putting = async {
        let transaction = connection.transaction().await?;
        let statement = transaction.prepare(PUT).await?;
        // The statements are pipelined, so that the latency of the database matters little.
        try_join_all(commits.iter().map(async |commit| {
            let Some(event) = commit.events.first() else { return Ok(0) };
            let (timeline, position) = (timeline_name(event.timeline), to_i64(event.position));
            let (events, first) = (to_i64(commit.events.len() as u64), to_i64(commit.first));
            let (recorded_at, entry) = (Timestamp(commit.recorded_at), encode(commit));
            transaction
                .execute(&statement, &[&timeline, &position, &recorded_at, &events, &first, &entry])
                .await
        }))
        .await?;
        if let Some(last) = commits.last() {
            transaction.execute(SET_LENGTH, &[&to_i64(last.last())]).await?;
        }
        transaction.commit().await
    };
    bounded(putting).await
}

/// Returns the last position that has been assigned.
async fn numbered(read_pool: &ReadPool) -> Result<u64, Error> {
    let rows = read_pool.rows(LENGTH, &[]).await?;
    let row = rows.first().ok_or_else(|| Error::Damaged("the platform timeline has no length".to_owned()))?;
    Ok(to_u64(row.get(0)))
}

/// Numbers the commits without positions. Stops early only after the position `enough`.
async fn number(read_pool: &ReadPool, enough: u64) -> Result<(), Error> {
    while !read_pool.rows(IS_TO_NUMBER, &[]).await?.is_empty() {
        let Numbered { length, is_all } = number_some(read_pool).await?;
        // While other processes write, there are always more commits to number.
        if is_all || length >= enough {
            break;
        }
    }
    Ok(())
}

struct Numbered {
    length: u64,
    /// Whether all commits that were found have been numbered.
    is_all: bool,
}

async fn number_some(read_pool: &ReadPool) -> Result<Numbered, Error> {
    let mut connection = read_pool.connection().await?;
    let numbering = async {
        let looking = connection.transaction().await?;
        looking.execute(LOCK, &[&NUMBERING_LOCK_CLASS]).await?;
        if read_pool.is_distributed {
            looking.execute(LOCK_COMMITS_EXCLUSIVELY, &[&COMMIT_LOCK_CLASS]).await?;
        }
        // A statement sees what was committed before it began, so both of these run after the locks are acquired.
        let before: i64 = looking.query_one(LENGTH, &[]).await?.get(0);
        let rows = looking.query(TO_NUMBER, &[&to_i64(NUMBERED_AT_ONCE as u64)]).await?;
        looking.commit().await?;

        let (mut timelines, mut positions, mut firsts) = (Vec::new(), Vec::new(), Vec::new());
        let mut length = before;
        for row in &rows {
            timelines.push(row.get::<_, String>(0));
            positions.push(row.get::<_, i64>(1));
            firsts.push(length + 1);
            length += row.get::<_, i64>(2);
        }
        let writing = connection.transaction().await?;
        writing.execute(LOCK, &[&NUMBERING_LOCK_CLASS]).await?;
        let now: i64 = writing.query_one(LENGTH, &[]).await?.get(0);
        if now != before
            || writing.query(NUMBER, &[&timelines, &positions, &firsts]).await?.len() != firsts.len()
        {
            writing.rollback().await?;
            return Ok(Numbered { length: to_u64(before), is_all: false });
        }
        writing.execute(SET_LENGTH, &[&length]).await?;
        writing.commit().await?;
        Ok(Numbered { length: to_u64(length), is_all: rows.len() < NUMBERED_AT_ONCE })
    };
    bounded(numbering).await
}
