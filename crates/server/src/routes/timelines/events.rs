//! Timelines.

use std::borrow::Cow;

use annals_model::{EventId, UserId};
use annals_service::{Credential, TimelineId};
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use crate::api::{Api, event_schema, op};
use crate::error::ApiError;
use crate::extract::{Caller, EventQuery, NamedUser, Pagination, Readable, Segments};
use crate::state::AppState;
use crate::timeline::Reading;

pub(crate) fn api() -> Api {
    let list = |summary| op(summary).timeline().ok::<EventsAnswer>();
    Api::of("Events")
        .get(
            "/v1/events",
            list_own_events,
            list("List what you did on any app, and what happened to your account"),
        )
        .get("/v1/users/{user}/events", list_user_events, list("List what a user did").anybody_known())
        .get("/v1/apps/{app}/events", list_app_events, list("List the events of an app").anybody_known())
        .get(
            "/v1/apps/{app}/events/{event}",
            show_event,
            op("Get an event of an app").anybody_known().ok::<EventAnswer>(),
        )
}

#[derive(Serialize, JsonSchema)]
struct EventsAnswer {
    /// The events, newest first.
    events: Vec<EventReference>,
    meta: Meta,
}

#[derive(Serialize, JsonSchema)]
struct EventAnswer {
    event: EventReference,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Meta {
    pub(crate) pagination: Pagination,
}

/// A reference to the schema of events.
#[derive(Serialize)]
pub(super) struct EventReference;

impl JsonSchema for EventReference {
    fn schema_name() -> Cow<'static, str> {
        "Event".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        event_schema()
    }
}

/// Lists the events of an app.
async fn list_app_events(
    State(state): State<AppState>,
    Readable(access): Readable,
    query: EventQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let reading = Reading::new(&state, TimelineId::App(access.app.id), access.reader(), &headers);
    reading.respond(access.head, &query).await
}

/// Shows one event of an app.
async fn show_event(
    State(state): State<AppState>,
    Readable(access): Readable,
    Segments([_, event]): Segments<2>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let event: EventId = event.parse().map_err(|_| ApiError::NotFound("event"))?;
    Reading::new(&state, TimelineId::App(access.app.id), access.reader(), &headers)
        .respond_with_one(event)
        .await
}

/// Lists the caller's events: what they did, on any app, and what happened to their account.
async fn list_own_events(
    State(state): State<AppState>,
    Caller(credential): Caller,
    query: EventQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Credential::User(user) = &credential else {
        let message = "the operator has no timeline: name a user, as in /v1/users/us-…/events, or read /v1/operator/events";
        return Err(ApiError::Forbidden(message.to_owned()));
    };
    list_events_of(&state, &credential, user.id(), query, &headers).await
}

/// Lists a user's events, for the user and the operator.
async fn list_user_events(
    State(state): State<AppState>,
    Caller(credential): Caller,
    NamedUser(user): NamedUser,
    query: EventQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    list_events_of(&state, &credential, user, query, &headers).await
}

async fn list_events_of(
    state: &AppState,
    credential: &Credential,
    user: UserId,
    query: EventQuery,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let (timeline, reader) = state.service.user_timeline(credential, user).await?;
    let head = state.service.head(timeline).await?;
    Reading::new(state, timeline, reader, headers).respond(head, &query).await
}
