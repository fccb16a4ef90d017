//! The time machine: an app as it was at any instant, folded from its timeline.

use std::collections::HashMap;
use std::sync::Arc;

use annals_model::{App, AppId, Event, Role, Time};
use annals_store::TimelineId;
use axum::extract::{Query, State};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::access::Readable;
use crate::answer::ok;
use crate::api::{Api, op};
use crate::error::ApiError;
use crate::limits::{FOLD_BYTES, FOLD_STEP};
use crate::service::Service;

pub(crate) fn api() -> Api {
    Api::of("Apps").get(
        "/v1/apps/{app}/state",
        show_state,
        op("An app as it was at an instant, or what changed between two")
            .query("at", "The instant, as an RFC 3339 date-time; now, where nothing is said.")
            .query("from", "For what changed: from that instant on.")
            .query("to", "For what changed: until that instant; now, where nothing is said.")
            .anybody_known()
            .ok::<StateAnswer>(),
    )
}

/// The state at an instant, or the difference between two.
async fn show_state(
    State(service): State<Service>,
    Readable { app, role, .. }: Readable,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, ApiError> {
    let instant = |field: &str| -> Result<Option<Time>, ApiError> {
        // In a query a plus stands for a space, and offsets are written with one.
        let text = query.get(field).map(|text| text.replace(' ', "+"));
        text.map(|text| text.parse())
            .transpose()
            .map_err(|error: annals_model::time::InvalidTime| ApiError::invalid(field, &error.to_string()))
    };
    let now = service.clock.now();
    let view = |at| state_at(&service, app.id, role, at);
    let answer = match (instant("from")?, instant("to")?, instant("at")?) {
        (None, None, at) => StateAnswer::At(view(at.unwrap_or(now)).await?),
        (Some(from), to, None) => {
            let to = to.unwrap_or(now);
            if from > to {
                return Err(ApiError::invalid("from", "must not be after to"));
            }
            let (from, to) = (view(from).await?, view(to).await?);
            let mut changes = Vec::new();
            compare(&mut String::new(), &from.state, &to.state, &mut changes);
            StateAnswer::Between(Difference { from: from.point, to: to.point, changes })
        }
        (None, Some(_), None) => return Err(ApiError::invalid("from", "is missing")),
        (_, _, Some(_)) => {
            return Err(ApiError::invalid("at", "cannot be asked for together with from and to"));
        }
    };
    Ok(ok(&answer))
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum StateAnswer {
    At(StateAt),
    Between(Difference),
}

#[derive(Serialize, JsonSchema)]
struct StateAt {
    #[serde(flatten)]
    point: Point,
    /// The app's public state; null before its first event.
    state: Value,
}

#[derive(Serialize, JsonSchema)]
struct Point {
    at: Time,
    /// How many events the timeline had by then.
    position: u64,
}

#[derive(Serialize, JsonSchema)]
struct Difference {
    from: Point,
    to: Point,
    /// What is not as it was, by its place in the state.
    changes: Vec<Change>,
}

#[derive(Serialize, JsonSchema)]
struct Change {
    /// Where, as a JSON Pointer (RFC 6901).
    path: String,
    /// What was there; null where there was nothing.
    before: Value,
    /// What is there; null where there is nothing.
    after: Value,
}

/// The state at an instant, as far as somebody in that role may see it.
async fn state_at(service: &Service, app: AppId, role: Option<Role>, at: Time) -> Result<StateAt, ApiError> {
    let timeline = TimelineId::App(app);
    let length = service.store.head(timeline).await?.length;
    let position = service.store.count_before(timeline, at.plus_millis(1)).await?.min(length);
    let state = fold(service, app, position).await?;
    let mut state = serde_json::to_value(&state).map_err(|_| ApiError::Internal)?;
    if role == Some(Role::LimitedCollaborator) {
        hide_values(&mut state);
    }
    Ok(StateAt { point: Point { at, position }, state })
}

/// Hides what a limited collaborator may not see.
fn hide_values(state: &mut Value) {
    if let Some(variables) = state.get_mut("variables").and_then(Value::as_object_mut) {
        variables.values_mut().for_each(|value| *value = Value::Null);
    }
    let Some(state) = state.as_object_mut() else { return };
    state.remove("log_drains");
    state.remove("hds_contact");
    if let Some(addons) = state.get_mut("addons").and_then(Value::as_object_mut) {
        addons.values_mut().filter_map(Value::as_object_mut).for_each(|addon| _ = addon.remove("log_drains"));
    }
}

/// The state after that many events. What a timeline holds never changes, so states on the way are kept: the next one
/// that is asked for need not be folded from the beginning.
async fn fold(service: &Service, app: AppId, position: u64) -> Result<Option<Arc<App>>, ApiError> {
    let _in_work = service.folds.acquire().await.map_err(|_| ApiError::Unavailable)?;
    let kept = (1..=position / FOLD_STEP).rev().map(|step| step * FOLD_STEP);
    let kept = kept.filter_map(|at| Some((at, service.states.get(&(app, at))?))).next();
    let (mut done, mut state) = kept.map_or((0, None), |(at, state)| (at, Some(state)));
    while done < position {
        let until = position.min((done / FOLD_STEP + 1) * FOLD_STEP);
        // The newest come first, and as many as fit: what is missing at the old end is read again.
        let mut stretch = Vec::new();
        let mut end = until;
        while end > done {
            let events = service.store.read(TimelineId::App(app), done + 1..=end, FOLD_BYTES).await?;
            if events.is_empty() {
                return Err(ApiError::Internal);
            }
            end -= events.len() as u64;
            stretch.extend(events);
        }
        let fold = move |mut state: Option<Arc<App>>| {
            for json in stretch.iter().rev() {
                let event = Event::from_json(json)?;
                let named = event.app.as_ref()?;
                let state = state.get_or_insert_with(|| Arc::new(App::first_seen(named, event.created_at)));
                App::apply(state, &event);
            }
            Some(state)
        };
        let before = state.take();
        let folded =
            tokio::task::spawn_blocking(move || fold(before)).await.map_err(|_| ApiError::Internal)?;
        state = folded.ok_or(ApiError::Internal)?;
        done = until;
        if let Some(state) = state.as_ref().filter(|_| done % FOLD_STEP == 0) {
            service.states.insert((app, done), Arc::clone(state));
        }
    }
    Ok(state)
}

/// Adds what differs between two values, leaf by leaf.
fn compare(path: &mut String, before: &Value, after: &Value, changes: &mut Vec<Change>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let length = path.len();
                path.push('/');
                path.push_str(&key.replace('~', "~0").replace('/', "~1"));
                let side =
                    |value: &serde_json::Map<String, Value>| value.get(key).cloned().unwrap_or_default();
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
