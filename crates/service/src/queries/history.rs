//! The time machine: an app as it was at any instant, folded from its timeline.

use std::collections::BTreeSet;
use std::sync::Arc;

use annals_model::{App, AppId, Event, Rejection, Time};
use annals_store::{Error as StoreError, TimelineId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::authorization::Access;
use crate::{Error, Service};

/// A state is cached after this many events, on the way through a timeline.
const FOLD_STEP: u64 = 1_000;
/// How much of a timeline is read at once while it is folded.
const FOLD_BYTES: usize = 4 << 20;
/// How many states are cached.
pub(crate) const STATES_MAX: usize = 200;
/// How many timelines are folded at once.
pub(crate) const FOLDS_MAX: usize = 4;

/// An instant, and where a timeline stood then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Point {
    /// The instant.
    pub at: Time,
    /// How many events the timeline had by then.
    pub position: u64,
}

/// An app as it was at an instant.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StateAt {
    /// When.
    #[serde(flatten)]
    pub point: Point,
    /// The app's public state; null before its first event.
    pub state: Value,
}

/// What changed between two instants.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Difference {
    /// The instant before.
    pub from: Point,
    /// The instant after.
    pub to: Point,
    /// What changed, by its place in the state.
    pub changes: Vec<Change>,
}

/// A value that changed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Change {
    /// Where, as a JSON Pointer (RFC 6901).
    pub path: String,
    /// What was there; null where there was nothing.
    pub before: Value,
    /// What is there; null where there is nothing.
    pub after: Value,
}

impl Service {
    /// The state at an instant, as far as the caller may see it.
    pub async fn state_at(&self, access: &Access, at: Time) -> Result<StateAt, Error> {
        let timeline = TimelineId::App(access.app.id);
        let length = self.timeline_length(timeline).await?;
        let position = self.count_before(timeline, at.plus_millis(1)).await?.min(length);
        let state = self.fold(access.app.id, position).await?;
        let state = state.map_or(Value::Null, |state| access.visibility().state(&state));
        Ok(StateAt { point: Point { at, position }, state })
    }

    /// What changed between two instants, as far as the caller may see it.
    pub async fn difference(&self, access: &Access, from: Time, to: Time) -> Result<Difference, Error> {
        if from > to {
            return Err(Rejection::invalid("from", "must not be after to").into());
        }
        let (from, to) = (self.state_at(access, from).await?, self.state_at(access, to).await?);
        let mut changes = Vec::new();
        compare(&mut String::new(), &from.state, &to.state, &mut changes);
        Ok(Difference { from: from.point, to: to.point, changes })
    }

    /// The state after that many events. Recorded events never change, so states on the way are cached, and the next fold
    /// need not start from the beginning.
    async fn fold(&self, app: AppId, position: u64) -> Result<Option<Arc<App>>, Error> {
        let _in_work = self.inner().folds.acquire().await.expect("this semaphore is never closed");
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

    /// The state after `until` events, from that after `done`.
    async fn fold_on(
        &self,
        app: AppId,
        before: Option<Arc<App>>,
        done: u64,
        until: u64,
    ) -> Result<Arc<App>, Error> {
        let unreadable = || StoreError::Damaged("a timeline cannot be folded".to_owned());
        // The newest come first, and as many as fit: what is missing at the old end is read again.
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

/// Adds what differs between two values, leaf by leaf.
fn compare(path: &mut String, before: &Value, after: &Value, changes: &mut Vec<Change>) {
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
            changes.push(Change { path: path.clone(), before: before.clone(), after: after.clone() });
        }
        _ => {}
    }
}
