//! Reading, from the caches or from the LSM tree.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use annals_model::{App, AppId, EventId, Time};
use bytes::Bytes;

use crate::contract::Head;
use crate::engine::checkpoint::Checkpoint;
use crate::engine::{read_key, read_row};
use crate::error::Error;
use crate::rows::{Row, RowKey, RowRange, key};
use crate::timeline::TimelineId;

use super::run::{self, Content, Run, read_timeline, run_key, timeline_key};
use super::{CachedRow, Inner, checkpoint, ids};

/// An event, and its place.
pub(super) struct Found {
    /// The position of the first event of its run.
    pub(super) first: u64,
    /// Its index in the run.
    pub(super) index: u8,
    pub(super) json: Bytes,
}

impl Inner {
    pub(super) fn list(&self, range: &RowRange) -> impl Iterator<Item = Result<(RowKey, Row), Error>> {
        self.rows.range(range.keys.clone()).map(|guard| {
            let (key, value) = guard.into_inner()?;
            let key = read_key(&key)?;
            let row = read_row(&key, &value)?;
            Ok((key, row))
        })
    }

    pub(super) fn head(&self, timeline: TimelineId) -> Result<Head, Error> {
        // If the committer inserts a newer head during this read, the cache drops the one read here.
        self.heads.get_or_insert_with(&timeline, || {
            let Some(guard) = self.runs.prefix(timeline_key(timeline)).next_back() else {
                return Ok(Head::default());
            };
            let (key, value) = guard.into_inner()?;
            Ok(Run::read(&key, value.into())?.head())
        })
    }

    pub(super) fn timelines(
        &self,
        after: Option<TimelineId>,
        limit: usize,
    ) -> Result<Vec<(TimelineId, Head)>, Error> {
        let mut found = Vec::new();
        let mut start = after.map_or_else(Vec::new, after_timeline);
        while found.len() < limit {
            let Some(guard) = self.runs.range(start..).next() else { break };
            let (timeline, _) = read_timeline(&guard.key()?)
                .ok_or_else(|| Error::Damaged("the key of a run cannot be read".to_owned()))?;
            found.push((timeline, self.head(timeline)?));
            start = after_timeline(timeline);
        }
        Ok(found)
    }

    pub(super) fn row(&self, key: &RowKey) -> Result<Option<Row>, Error> {
        let cached = self.row_cache.get_or_insert_with(key, || -> Result<_, Error> {
            let Some(value) = self.rows.get(key.to_bytes())? else {
                return Ok(CachedRow { row: None, bytes: 0, checkpoint: Checkpoint::default() });
            };
            if let RowKey::App(key::App(app)) = key {
                let (app, checkpoint) = self.app_from(*app, &value)?;
                return Ok(CachedRow { row: Some(Row::App(app)), bytes: value.len(), checkpoint });
            }
            let row = read_row(key, &value)?;
            Ok(CachedRow { row: Some(row), bytes: value.len(), checkpoint: Checkpoint::default() })
        })?;
        Ok(cached.row)
    }

    /// Rebuilds the state of an app from its stored checkpoint and the events since.
    pub(super) fn app_from(&self, id: AppId, value: &[u8]) -> Result<(Arc<App>, Checkpoint), Error> {
        let (mut app, position) = checkpoint::read(value)?;
        let mut checkpoint = Checkpoint::at(position);
        let timeline = TimelineId::App(id);
        let since = position + 1..=self.head(timeline)?.length;
        if !since.is_empty() {
            for json in self.read(timeline, &since, usize::MAX)?.iter().rev() {
                checkpoint.apply(&mut app, json)?;
            }
        }
        Ok((app, checkpoint))
    }

    pub(super) fn read(
        &self,
        timeline: TimelineId,
        positions: &RangeInclusive<u64>,
        bytes_max: usize,
    ) -> Result<Vec<Bytes>, Error> {
        let (oldest, newest) = (*positions.start(), *positions.end());
        let mut events = Vec::new();
        let mut bytes = 0;
        // The references of a page often point to the same few runs.
        let mut referenced = HashMap::new();
        // A run has at most `EVENTS_MAX` events, so the run with the oldest position begins at `lowest` or later. A
        // narrow range reads fewer tables.
        let lowest = oldest.saturating_sub(u64::from(run::EVENTS_MAX) - 1);
        for guard in self.runs.range(run_key(timeline, lowest)..=run_key(timeline, newest)).rev() {
            let (key, value) = guard.into_inner()?;
            let run = Run::read(&key, value.into())?;
            for position in (run.first.max(oldest)..=run.last().min(newest)).rev() {
                let index = usize::try_from(position - run.first).expect("a run has at most 64 events");
                let event = match run.content(index)? {
                    Content::Event(event) => event,
                    Content::Reference(reference) => self.resolve(reference, &mut referenced)?,
                };
                bytes += event.len();
                if bytes > bytes_max && !events.is_empty() {
                    return Ok(events);
                }
                events.push(event);
            }
            if run.first <= oldest {
                break;
            }
        }
        Ok(events)
    }

    /// Returns the event that a reference points to.
    fn resolve(
        &self,
        reference: run::Reference,
        referenced: &mut HashMap<(AppId, u64), Run>,
    ) -> Result<Bytes, Error> {
        let damaged = || Error::Damaged("a reference points to no event".to_owned());
        let run = match referenced.entry((reference.app, reference.first)) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let key = run_key(TimelineId::App(reference.app), reference.first);
                let value = self.runs.get(&key)?.ok_or_else(damaged)?;
                entry.insert(Run::read(&key, value.into())?)
            }
        };
        match run.content(usize::from(reference.index))? {
            Content::Event(event) => Ok(event),
            Content::Reference(_) => Err(damaged()),
        }
    }

    pub(super) fn length_before(&self, timeline: TimelineId, time: Time) -> Result<u64, Error> {
        let head = self.head(timeline)?;
        if time > head.latest {
            return Ok(head.length);
        }
        // The latest time so far never decreases along a timeline. At positions 1..=low it is before `time`, from
        // high + 1 on it is not.
        let (mut low, mut high) = (0, head.length);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let run = self.run_with(timeline, middle)?;
            match run.length_before(time) {
                0 => high = run.first - 1,
                count if run.first + count > run.last() => low = run.last(),
                count => return Ok(run.first + count - 1),
            }
        }
        Ok(low)
    }

    /// Returns the run that contains `position`, which must be in the timeline.
    pub(super) fn run_with(&self, timeline: TimelineId, position: u64) -> Result<Run, Error> {
        let entry = self
            .runs
            .range(
                run_key(timeline, position.saturating_sub(u64::from(run::EVENTS_MAX) - 1))
                    ..=run_key(timeline, position),
            )
            .next_back()
            .ok_or_else(|| Error::Damaged("a timeline has a gap".to_owned()))?;
        let (key, value) = entry.into_inner()?;
        Run::read(&key, value.into())
    }

    pub(super) fn find(&self, home: TimelineId, event: EventId) -> Result<Option<Bytes>, Error> {
        if let Some(found) = self.find_by_time(home, event, event.time())? {
            return Ok(Some(found.json));
        }
        Ok(self.find_by_index(home, event)?.map(|found| found.json))
    }

    /// Returns an indexed event.
    pub(super) fn find_by_index(&self, home: TimelineId, event: EventId) -> Result<Option<Found>, Error> {
        let Some(value) = self.ids.get(event.as_bytes())? else { return Ok(None) };
        let (timeline, position) = ids::read(&value)?;
        if timeline != home {
            return Ok(None);
        }
        let run = self.run_with(home, position)?;
        let index = position - run.first;
        match run.content(usize::try_from(index).expect("a run has at most 64 events"))? {
            Content::Event(json) => {
                let index = u8::try_from(index).expect("a run has at most 64 events");
                Ok(Some(Found { first: run.first, index, json }))
            }
            Content::Reference(_) => Err(Error::Damaged("an index names a reference as an event".to_owned())),
        }
    }

    /// Returns the event with that identifier and time, unless it is late: it is among those at which the timeline first
    /// has that time as its latest.
    pub(super) fn find_by_time(
        &self,
        home: TimelineId,
        event: EventId,
        time: Time,
    ) -> Result<Option<Found>, Error> {
        let head = self.head(home)?;
        if head.length == 0 || time > head.latest {
            return Ok(None);
        }
        let first = self.length_before(home, time)? + 1;
        let start = self.run_with(home, first)?.first;
        for guard in self.runs.range(run_key(home, start)..=run_key(home, u64::MAX)) {
            let (key, value) = guard.into_inner()?;
            let run = Run::read(&key, value.into())?;
            let mut index = usize::try_from(run.length_before(time)).expect("a run has at most 64 events");
            while run.latest_at(index) == Some(time) {
                if let Content::Event(json) = run.content(index)?
                    && annals_model::event::id_in(&json) == Some(event)
                {
                    let index = u8::try_from(index).expect("a run has at most 64 events");
                    return Ok(Some(Found { first: run.first, index, json }));
                }
                index += 1;
            }
            if run.head().latest > time {
                break;
            }
        }
        Ok(None)
    }
}

/// Returns a key that is greater than those of all runs of a timeline.
fn after_timeline(timeline: TimelineId) -> Vec<u8> {
    let mut key = timeline_key(timeline);
    key.extend_from_slice(&[u8::MAX; 9]);
    key
}
