//! The time machine: the state of an app at any time, folded from its timeline. Folding a timeline means to apply its events,
//! one after another.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use annals_model::{App, AppId, Event, Rejection, Time};
use annals_store::{Error as StoreError, TimelineId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::spans::Segment;
use crate::authorization::Access;
use crate::{Error, Service};

/// While a timeline is folded, the state is cached each time after this many events.
const FOLD_STEP: u64 = 1_000;
/// The most bytes of a timeline that are read at once.
const FOLD_BYTES: usize = 4 << 20;
/// States are cached only on the way through so many segments: where late events scatter a span over more, a key would be long.
const WAY_SEGMENTS_MAX: usize = 8;
/// The number of cached states.
pub(crate) const STATES_MAX: usize = 200;
/// The number of timelines that are folded at once.
pub(crate) const FOLDS_MAX: usize = 4;

/// A time, and the number of events up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Point {
    /// The time.
    pub at: Time,
    /// The number of events in the timeline up to this time.
    pub position: u64,
}

/// The state of an app at a time.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StateAt {
    /// The time, and the number of events up to it.
    #[serde(flatten)]
    pub point: Point,
    /// The app's public state; `null` before its first event.
    pub state: Value,
}

/// The difference between the states of an app at two times.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Difference {
    /// The earlier time.
    pub from: Point,
    /// The later time.
    pub to: Point,
    /// The values that differ.
    pub changes: Vec<StateChange>,
}

/// A value that differs between two states.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StateChange {
    /// The place of the value in the state, as a JSON Pointer (RFC 6901).
    pub path: String,
    /// The value before; `null` if there was none.
    pub before: Value,
    /// The value after; `null` if there is none.
    pub after: Value,
}

impl Service {
    /// Returns the state of an app as it is, without the fields that the caller may not see.
    pub fn state_now(&self, access: &Access) -> StateAt {
        let point = Point { at: self.now(), position: access.head.length };
        StateAt { point, state: access.visibility().state(&access.app) }
    }

    /// Returns the state of an app at a time, without the fields that the caller may not see: what the events up to that time
    /// result in, in the order in which they were recorded.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn state_at(&self, access: &Access, at: Time) -> Result<StateAt, Error> {
        let timeline = TimelineId::App(access.app.id);
        let segments = self.segments_until(timeline, access.head, at).await?;
        let Folded { state, events } = self.fold(access.app.id, &segments, at).await?;
        let state = state.map_or(Value::Null, |state| access.visibility().state(&state));
        Ok(StateAt { point: Point { at, position: events }, state })
    }

    /// Returns the difference between the states of an app at two times, without the fields that the caller may not see. Without
    /// `to`, the second state is that of now.
    ///
    /// # Errors
    ///
    /// Fails if `from` is after `to`, or if the store cannot be read.
    pub async fn difference(
        &self,
        access: &Access,
        from: Time,
        to: Option<Time>,
    ) -> Result<Difference, Error> {
        if from > to.unwrap_or(self.now()) {
            return Err(Rejection::invalid("from", "must not be after to").into());
        }
        let from = self.state_at(access, from).await?;
        let to = match to {
            Some(to) => self.state_at(access, to).await?,
            None => self.state_now(access),
        };
        let mut changes = Vec::new();
        compare(&mut String::new(), &from.state, &to.state, &mut changes);
        Ok(Difference { from: from.point, to: to.point, changes })
    }

    /// Returns the state of an app after the first events of its timeline; `None` after none.
    pub(crate) async fn state_after(&self, app: AppId, events: u64) -> Result<Option<Arc<App>>, Error> {
        if events == 0 {
            return Ok(None);
        }
        let segments = [Segment { positions: 1..=events, is_whole: true }];
        Ok(self.fold(app, &segments, Time::MAX).await?.state)
    }

    /// Returns the state that the events of these segments up to a time result in. Caches states on the way, so that the next
    /// fold starts from one of them: recorded events never change.
    async fn fold(&self, app: AppId, segments: &[Segment], until: Time) -> Result<Folded, Error> {
        let _permit = self.inner().folds.acquire().await.expect("this semaphore is never closed");
        let states = &self.inner().states;
        let (steps, rest) = steps(segments);
        let cached = (1..=steps.len()).rev().find_map(|done| {
            let way = steps[done - 1].way.clone();
            let events = way.iter().map(|positions| positions.end() - positions.start() + 1).sum();
            Some((done, Folded { state: Some(states.get(&(app, way))?), events }))
        });
        let (done, mut folded) = cached.unwrap_or_default();
        for Step { positions, way } in steps.into_iter().skip(done) {
            let is_cached = positions.end() % FOLD_STEP == 0;
            folded = self.fold_on(app, folded, positions, None).await?;
            if let Some(state) = folded.state.as_ref().filter(|_| is_cached) {
                states.insert((app, way), Arc::clone(state));
            }
        }
        for Segment { positions, is_whole } in rest {
            let until = if *is_whole { None } else { Some(until) };
            folded = self.fold_on(app, folded, positions.clone(), until).await?;
        }
        Ok(folded)
    }

    /// Applies the events at these positions, or those of them up to a time.
    async fn fold_on(
        &self,
        app: AppId,
        before: Folded,
        positions: RangeInclusive<u64>,
        until: Option<Time>,
    ) -> Result<Folded, Error> {
        let unreadable = || StoreError::Damaged("a timeline cannot be folded".to_owned());
        // A read returns the newest events that fit. The older ones are read next.
        let mut all = Vec::new();
        let mut end = *positions.end();
        while end >= *positions.start() {
            let read = self.store().read(TimelineId::App(app), *positions.start()..=end, FOLD_BYTES).await?;
            if read.is_empty() {
                return Err(unreadable().into());
            }
            end -= read.len() as u64;
            all.extend(read);
        }
        let fold = move || {
            let Folded { mut state, mut events } = before;
            for json in all.iter().rev() {
                let event = Event::from_json(json)?;
                if until.is_some_and(|until| event.created_at > until) {
                    continue;
                }
                let named = event.app.as_ref()?;
                let state = state.get_or_insert_with(|| Arc::new(App::first_seen(named, event.created_at)));
                App::apply(state, &event);
                events += 1;
            }
            Some(Folded { state, events })
        };
        let folded = tokio::task::spawn_blocking(fold).await;
        Ok(folded.ok().flatten().ok_or_else(unreadable)?)
    }
}

/// A state, and how many events resulted in it.
#[derive(Default)]
struct Folded {
    state: Option<Arc<App>>,
    events: u64,
}

/// A part of a fold, after which its state may be cached.
struct Step {
    positions: RangeInclusive<u64>,
    /// All positions folded so far, these included: what the state is the state of.
    way: Vec<RangeInclusive<u64>>,
}

/// Cuts the first whole segments into steps. Returns the other segments with them.
fn steps(segments: &[Segment]) -> (Vec<Step>, &[Segment]) {
    let whole = segments.iter().take(WAY_SEGMENTS_MAX).take_while(|segment| segment.is_whole).count();
    let (whole, rest) = segments.split_at(whole);
    let (mut steps, mut before) = (Vec::new(), Vec::new());
    for Segment { positions, .. } in whole {
        let mut first = *positions.start();
        while first <= *positions.end() {
            let last = first.next_multiple_of(FOLD_STEP).min(*positions.end());
            let mut way = before.clone();
            way.push(*positions.start()..=last);
            steps.push(Step { positions: first..=last, way });
            first = last + 1;
        }
        before.push(positions.clone());
    }
    (steps, rest)
}

/// Adds the leaves that differ between two values.
fn compare(path: &mut String, before: &Value, after: &Value, changes: &mut Vec<StateChange>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let length = path.len();
                path.push('/');
                path.push_str(&key.replace('~', "~0").replace('/', "~1"));
                let side = |value: &Map<String, Value>| value.get(key).cloned().unwrap_or_default();
                compare(path, &side(old), &side(new), changes);
                path.truncate(length);
            }
        }
        (before, after) if before != after => {
            changes.push(StateChange { path: path.clone(), before: before.clone(), after: after.clone() });
        }
        _ => {}
    }
}
