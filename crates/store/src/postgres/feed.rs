//! The feed: commits in one order, numbered when they are read.
//!
//! A number taken before the commit would come too late where the commit does: a reader that has gone past it would
//! never see it. So a commit has no number until it is there for everybody to see; then whoever reads the feed numbers
//! what has none, one process at a time. The order is that of the commits' clocks: a commit's clock is greater than that
//! of every earlier one that touched one of its timelines.

use futures_util::future::try_join_all;

use crate::contract::{Error, FeedEntry};

use super::readers::Readers;
use super::schema::{ALONE_AMONG_COMMITS, COMMIT_LOCK_CLASS};
use super::session::bounded;
use super::values::{timeline_named, timeline_text, to_i64, to_u64};

/// How many commits are numbered at a time.
const NUMBERED_AT_ONCE: usize = 5_000;

const IS_TO_NUMBER: &str = "SELECT 1 FROM commits WHERE number IS NULL LIMIT 1";
const LAST_NUMBER: &str = "SELECT last_number FROM feed FOR UPDATE";
const TO_NUMBER: &str = "SELECT timeline, position FROM commits WHERE number IS NULL \
                         ORDER BY clock, timeline, position LIMIT $1";
const NUMBER: &str = "UPDATE commits c SET number = w.number \
                      FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS w (timeline, position, number) \
                      WHERE c.timeline = w.timeline AND c.position = w.position";
const PUT: &str = "INSERT INTO commits (timeline, position, clock, number, timelines, firsts, lasts) \
                   VALUES ($1, $2, 1, $3, $4, $5, $6) ON CONFLICT (timeline, position) DO NOTHING";
const ENTRIES: &str = "SELECT number, timelines, firsts, lasts FROM commits \
                       WHERE number IS NOT NULL AND number > $1 ORDER BY number LIMIT $2";

pub(super) async fn read(readers: &Readers, after: u64, limit: usize) -> Result<Vec<FeedEntry>, Error> {
    let enough = after.saturating_add(limit as u64);
    while !readers.rows(IS_TO_NUMBER, &[]).await?.is_empty() {
        let (last, count) = number_some(readers).await?;
        // Where others go on writing, there is always something more.
        if last >= enough || count < NUMBERED_AT_ONCE {
            break;
        }
    }
    let rows = readers.rows(ENTRIES, &[&to_i64(after), &to_i64(limit as u64)]).await?;
    // Numbers have no gaps. Where several machines answer, one may do so before it has what another one has.
    let follow = rows
        .iter()
        .zip(to_i64(after).saturating_add(1)..)
        .take_while(|(row, number)| row.get::<_, i64>(0) == *number);
    follow
        .map(|(row, _)| {
            let (timelines, firsts, lasts): (Vec<String>, Vec<i64>, Vec<i64>) =
                (row.get(1), row.get(2), row.get(3));
            let ranges = timelines.iter().zip(firsts).zip(lasts);
            let ranges = ranges
                .map(|((name, first), last)| Ok((timeline_named(name)?, to_u64(first)..=to_u64(last))))
                .collect::<Result<_, Error>>()?;
            Ok(FeedEntry { number: to_u64(row.get(0)), ranges })
        })
        .collect()
}

/// Puts entries of another store's feed in this one.
pub(super) async fn put(readers: &Readers, entries: &[FeedEntry]) -> Result<(), Error> {
    let mut connection = readers.connection().await?;
    let putting = async {
        let change = connection.transaction().await?;
        let statement = change.prepare(PUT).await?;
        // All are sent at once, so it matters little how far away the database is.
        try_join_all(entries.iter().map(async |entry| {
            let Some((home, first)) = entry.ranges.first() else { return Ok(0) };
            let timelines: Vec<_> =
                entry.ranges.iter().map(|(timeline, _)| timeline_text(*timeline)).collect();
            let firsts: Vec<_> = entry.ranges.iter().map(|(_, range)| to_i64(*range.start())).collect();
            let lasts: Vec<_> = entry.ranges.iter().map(|(_, range)| to_i64(*range.end())).collect();
            let (home, first, number) = (timeline_text(*home), to_i64(*first.start()), to_i64(entry.number));
            change.execute(&statement, &[&home, &first, &number, &timelines, &firsts, &lasts]).await
        }))
        .await?;
        if let Some(last) = entries.last() {
            change.execute("UPDATE feed SET last_number = $1", &[&to_i64(last.number)]).await?;
        }
        change.commit().await
    };
    bounded(putting).await
}

/// Numbers some of the commits that have no number. Gives the last number there is, and how many commits got one.
async fn number_some(readers: &Readers) -> Result<(u64, usize), Error> {
    let mut connection = readers.connection().await?;
    let numbering = async {
        let change = connection.transaction().await?;
        if readers.is_spread {
            // A commit comes into view on one machine after another. Alone, each is seen whole or not at all.
            change.execute(ALONE_AMONG_COMMITS, &[&COMMIT_LOCK_CLASS]).await?;
        }
        let last: i64 = change.query_one(LAST_NUMBER, &[]).await?.get(0);
        // After the lock: a statement sees what was committed before it began, so also what was just numbered.
        let rows = change.query(TO_NUMBER, &[&to_i64(NUMBERED_AT_ONCE as u64)]).await?;
        let timelines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let positions: Vec<i64> = rows.iter().map(|row| row.get(1)).collect();
        let numbers: Vec<i64> = (last + 1..).take(rows.len()).collect();
        let last = numbers.last().copied().unwrap_or(last);
        change.execute(NUMBER, &[&timelines, &positions, &numbers]).await?;
        change.execute("UPDATE feed SET last_number = $1", &[&last]).await?;
        change.commit().await?;
        Ok((to_u64(last), rows.len()))
    };
    bounded(numbering).await
}
