//! The time machine: the state of an app at any time, folded from its timeline. Folding a timeline means to apply its events,
//! one after another.

use std::collections::BTreeSet;
use std::sync::Arc;

use annals_model::{App, AppId, Event, Rejection, Time};
use annals_store::{Error as StoreError, TimelineId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::authorization::Access;
use crate::{Error, Service};

/// While a timeline is folded, the state is cached each time after this many events.
const FOLD_STEP: u64 = 1_000;
/// The most bytes of a timeline that are read at once.
const FOLD_BYTES: usize = 4 << 20;
/// The number of cached states.
pub(crate) const STATES_MAX: usize = 200;
/// The number of timelines that are folded at once.
pub(crate) const FOLDS_MAX: usize = 4;

/// A time, and the length of a timeline at that time.
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
    /// The time, and the timeline's length then.
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
    /// Returns the state of an app at a time, without the fields that the caller may not see.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn state_at(&self, access: &Access, at: Time) -> Result<StateAt, Error> {
        let timeline = TimelineId::App(access.app.id);
        let length = self.timeline_length(timeline).await?;
        let position = self.count_before(timeline, at.plus_millis(1)).await?.min(length);
        let state = self.fold(access.app.id, position).await?;
        let state = state.map_or(Value::Null, |state| access.visibility().state(&state));
        Ok(StateAt { point: Point { at, position }, state })
    }

    /// Returns the difference between the states of an app at two times, without the fields that the caller may not see.
    ///
    /// # Errors
    ///
    /// Fails if `from` is after `to`, or if the store cannot be read.
    pub async fn difference(&self, access: &Access, from: Time, to: Time) -> Result<Difference, Error> {
        if from > to {
            return Err(Rejection::invalid("from", "must not be after to").into());
        }
        let (from, to) = (self.state_at(access, from).await?, self.state_at(access, to).await?);
        let mut changes = Vec::new();
        compare(&mut String::new(), &from.state, &to.state, &mut changes);
        Ok(Difference { from: from.point, to: to.point, changes })
    }

    /// Returns the state after the first `position` events. Caches states on the way, so that a later fold can start from one
    /// of them. They stay right, because recorded events never change.
    async fn fold(&self, app: AppId, position: u64) -> Result<Option<Arc<App>>, Error> {
        let _permit = self.inner().folds.acquire().await.expect("this semaphore is never closed");
        let states = &self.inner().states;
        let steps = (1..=position / FOLD_STEP).rev().map(|step| step * FOLD_STEP);
        let cached = steps.filter_map(|at| Some((at, states.get(&(app, at))?))).next();
        let (mut done, mut state) = cached.map_or((0, None), |(at, state)| (at, Some(state)));
        while done < position {
            let until = position.min((done / FOLD_STEP + 1) * FOLD_STEP);
            state = Some(self.fold_on(app, state.take(), done, until).await?);
            done = until;
            if let Some(state) = state.as_ref().filter(|_| done % FOLD_STEP == 0) {
                states.insert((app, done), Arc::clone(state));
            }
        }
        Ok(state)
    }

    /// Returns the state after `until` events, given the state after `done` events.
    async fn fold_on(
        &self,
        app: AppId,
        before: Option<Arc<App>>,
        done: u64,
        until: u64,
    ) -> Result<Arc<App>, Error> {
        let unreadable = || StoreError::Damaged("a timeline cannot be folded".to_owned());
        // A read returns the newest events that fit. The older ones are read next.
        let mut events = Vec::new();
        let mut end = until;
        while end > done {
            let read = self.store().read(TimelineId::App(app), done + 1..=end, FOLD_BYTES).await?;
            if read.is_empty() {
                return Err(unreadable().into());
            }
            end -= read.len() as u64;
            events.extend(read);
        }
        let fold = move || {
            let mut state = before;
            for json in events.iter().rev() {
                let event = Event::from_json(json)?;
                let named = event.app.as_ref()?;
                let state = state.get_or_insert_with(|| Arc::new(App::first_seen(named, event.created_at)));
                App::apply(state, &event);
            }
            state
        };
        let folded = tokio::task::spawn_blocking(fold).await;
        Ok(folded.ok().flatten().ok_or_else(unreadable)?)
    }
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
