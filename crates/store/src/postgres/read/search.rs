//! Finding events by time. The latest time so far never decreases along a timeline, so a binary search over positions finds
//! where a timeline reaches a time.
//!
//! Each step queries many positions at once, so a timeline of a million events takes three steps.

use std::collections::BTreeSet;

use annals_model::{EventId, Time};
use bytes::Bytes;
use foldhash::{HashMap, HashMapExt};

use crate::contract::Head;
use crate::error::Error;
use crate::timeline::TimelineId;

use crate::postgres::connection::session::{Executor, for_shards};
use crate::postgres::schema::values::{
    Json, Timestamp, head_from, parse_timeline_name, timeline_name, to_i64, to_u64,
};

/// How many positions a step queries in all timelines together.
const PROBES_MAX: usize = 4096;
/// How many positions a step queries in one timeline.
const PROBES_OF_ONE_MAX: usize = 128;

const HEADS: &str = "SELECT timeline, length, latest, last_late FROM timelines WHERE timeline = ANY($1)";
const TIMES: &str = "SELECT e.timeline, e.position, coalesce(e.latest, e.created_at) \
                     FROM unnest($1::text[], $2::bigint[]) AS w (timeline, position) \
                     JOIN entries e ON e.timeline = w.timeline AND e.position = w.position";
const TIMES_OF_TIMELINES: &str = "SELECT e.timeline, e.position, coalesce(e.latest, e.created_at) \
                                  FROM unnest($1::text[], $2::bigint[]) AS w (timeline, position) \
                                  JOIN entries e ON e.timeline = w.timeline AND e.position = w.position \
                                  WHERE e.timeline = ANY($3)";
/// An event's JSON begins with `{"id":"` and its identifier. The query compares the identifiers, so that the database does
/// not send all events of a millisecond.
const RANGES: &str = "SELECT e.timeline, e.event \
                         FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS w (timeline, first, last) \
                         JOIN entries e ON e.timeline = w.timeline AND e.position BETWEEN w.first AND w.last \
                         WHERE e.is_home AND substr(e.event, 8, 24) = ANY($4)";

const RANGES_OF_TIMELINES: &str = "SELECT e.timeline, e.event \
     FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS w (timeline, first, last) \
     JOIN entries e ON e.timeline = w.timeline AND e.position BETWEEN w.first AND w.last \
     WHERE e.is_home AND substr(e.event, 8, 24) = ANY($4) AND e.timeline = ANY($1)";

/// A search for where a timeline reaches a time: at `low` it has not, after `high` it has.
struct Search {
    timeline: TimelineId,
    time: Time,
    low: u64,
    high: u64,
}

/// Returns how long each timeline was when it reached each time.
pub(crate) async fn lengths_before(
    database: &mut impl Executor,
    wanted: &[(TimelineId, Time)],
) -> Result<Vec<u64>, Error> {
    let names: Vec<_> = wanted.iter().map(|(timeline, _)| timeline_name(*timeline)).collect();
    let mut heads = HashMap::new();
    for row in database.query(HEADS, &[&names]).await? {
        heads.insert(parse_timeline_name(row.get(0))?, head_from(row.get(1), row.get(2), row.get(3)));
    }
    let mut searches: Vec<_> = wanted
        .iter()
        .map(|&(timeline, time)| {
            let Head { length, latest, .. } = heads.get(&timeline).copied().unwrap_or_default();
            Search { timeline, time, low: if time > latest { length } else { 0 }, high: length }
        })
        .collect();
    loop {
        let mut open: Vec<_> = searches.iter_mut().filter(|search| search.low < search.high).collect();
        if open.is_empty() {
            break;
        }
        let each = (PROBES_MAX / open.len()).clamp(1, PROBES_OF_ONE_MAX);
        for part in open.chunks_mut(PROBES_MAX) {
            step(database, part, each).await?;
        }
    }
    Ok(searches.into_iter().map(|search| search.low).collect())
}

async fn step(database: &mut impl Executor, searches: &mut [&mut Search], each: usize) -> Result<(), Error> {
    let (mut names, mut positions) = (Vec::new(), Vec::new());
    for search in &*searches {
        let name = timeline_name(search.timeline);
        for position in search.probes(each as u64) {
            names.push(name.clone());
            positions.push(to_i64(position));
        }
    }
    let mut times = HashMap::new();
    let mut shards = names.clone();
    shards.dedup();
    let rows = match for_shards(database.is_distributed(), shards.len(), TIMES, TIMES_OF_TIMELINES) {
        TIMES => database.query(TIMES, &[&names, &positions]).await?,
        pruned => database.query(pruned, &[&names, &positions, &shards]).await?,
    };
    for row in rows {
        let Timestamp(time) = row.get(2);
        times.insert((parse_timeline_name(row.get(0))?, to_u64(row.get(1))), time);
    }
    for search in searches {
        for position in search.probes(each as u64).collect::<Vec<_>>() {
            match times.get(&(search.timeline, position)) {
                Some(time) if *time < search.time => search.low = search.low.max(position),
                Some(_) => search.high = search.high.min(position - 1),
                None => return Err(Error::Damaged("a timeline has a gap".to_owned())),
            }
        }
    }
    Ok(())
}

impl Search {
    /// Returns up to `count` positions, spread evenly between `low` and `high`.
    fn probes(&self, count: u64) -> impl Iterator<Item = u64> + use<> {
        let (low, left) = (self.low, self.high - self.low);
        let count = count.min(left);
        (1..=count).map(move |index| low + (left * index).div_ceil(count + 1))
    }
}

/// Finds those of the wanted events whose identifiers annals assigned. Such an identifier contains the event's time, so
/// only the events of that millisecond are searched.
pub(crate) async fn find_assigned(
    database: &mut impl Executor,
    wanted: &[(EventId, TimelineId)],
) -> Result<HashMap<(EventId, TimelineId), Bytes>, Error> {
    let mut found = HashMap::new();
    let bounds: Vec<_> = wanted
        .iter()
        .flat_map(|(id, home)| [(*home, id.time()), (*home, id.time().plus_millis(1))])
        .collect();
    let counts = lengths_before(database, &bounds).await?;
    let (mut names, mut firsts, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
    // A set, since several wanted events may have the same millisecond.
    let ranges: BTreeSet<_> = wanted
        .iter()
        .zip(counts.chunks_exact(2))
        .filter(|(_, counts)| counts[0] < counts[1])
        .map(|((_, home), counts)| (*home, counts[0] + 1, counts[1]))
        .collect();
    for (home, first, last) in ranges {
        names.push(timeline_name(home));
        firsts.push(to_i64(first));
        lasts.push(to_i64(last));
    }
    if names.is_empty() {
        return Ok(found);
    }
    let ids: Vec<_> = wanted.iter().map(|(id, _)| id.to_string()).collect();
    let text = for_shards(database.is_distributed(), names.len(), RANGES, RANGES_OF_TIMELINES);
    for row in database.query(text, &[&names, &firsts, &lasts, &ids]).await? {
        let Json(event) = row.get(1);
        if let Some(id) = annals_model::event::id_in(&event) {
            found.insert((id, parse_timeline_name(row.get(0))?), event);
        }
    }
    Ok(found)
}
