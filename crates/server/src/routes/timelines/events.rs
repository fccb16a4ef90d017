//! Timelines.

use std::borrow::Cow;

use annals_model::{EventId, UserId};
use annals_store::TimelineId;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::access::{LastSegment, Readable, Segments};
use crate::api::{Api, op};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::page::{Pagination, Selection};
use crate::service::Service;
use crate::timeline::{self, EventForm};

pub(crate) fn api() -> Api {
    let list = |summary| {
        op(summary)
            .query_number("page", "Which page, from 1, which has the newest events.")
            .query_number("per_page", "How many events a page has: 20, or up to 100.")
            .query_number("from", "Instead of a page, all events of that many hours, up to 72.")
            .ok::<EventsAnswer>()
    };
    Api::of("Events")
        .get(
            "/v1/events",
            list_own_events,
            list("What you did, on any app, and what happened to your account"),
        )
        .get("/v1/users/{user}/events", list_user_events, list("What a user did").anybody_known())
        .get("/v1/apps/{app}/events", list_app_events, list("The timeline of an app").anybody_known())
        .get("/v1/apps/{app}/events/{event}", show_event, op("One event").anybody_known().ok::<EventAnswer>())
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

/// An event, as it is described once for all.
#[derive(Serialize)]
struct EventReference;

impl JsonSchema for EventReference {
    fn schema_name() -> Cow<'static, str> {
        "Event".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "$ref": "#/components/schemas/Event" })
    }
}

/// The timeline of an app.
async fn list_app_events(
    State(service): State<Service>,
    Readable { app, role, head }: Readable,
    selection: Selection,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let form = EventForm::new(&service, &headers, role);
    timeline::respond(&service, TimelineId::App(app.id), head.length, selection, form).await
}

/// One event of an app.
async fn show_event(
    State(service): State<Service>,
    Readable { app, role, .. }: Readable,
    Segments([_, event]): Segments<2>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let event: EventId = event.parse().map_err(|_| ApiError::NotFound("event"))?;
    let found =
        service.store.find(TimelineId::App(app.id), event).await?.ok_or(ApiError::NotFound("event"))?;
    Ok(timeline::respond_with_one(&service, &found, EventForm::new(&service, &headers, role)))
}

/// The timeline of who asks: what they did, on any app, and what happened to their account.
async fn list_own_events(
    State(service): State<Service>,
    caller: Caller,
    selection: Selection,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Caller::User(user) = caller else {
        let message = "the operator has no timeline: name a user, as in /v1/users/us-…/events";
        return Err(ApiError::Forbidden(message.to_owned()));
    };
    let form = EventForm::new(&service, &headers, None);
    let timeline = TimelineId::User(user.id());
    let length = service.store.head(timeline).await?.length;
    timeline::respond(&service, timeline, length, selection, form).await
}

/// The timeline of a user, for themself and for the operator.
async fn list_user_events(
    State(service): State<Service>,
    caller: Caller,
    LastSegment(user): LastSegment,
    selection: Selection,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let user: UserId = user.parse().map_err(|_| ApiError::NotFound("user"))?;
    let may_read = match caller {
        Caller::Operator => true,
        Caller::User(caller) => caller.id() == user,
    };
    if !may_read || service.store.row(&annals_store::RowKey::Account(user)).await?.is_none() {
        return Err(ApiError::NotFound("user"));
    }
    let form = EventForm::new(&service, &headers, None);
    let timeline = TimelineId::User(user);
    let length = service.store.head(timeline).await?.length;
    timeline::respond(&service, timeline, length, selection, form).await
}
