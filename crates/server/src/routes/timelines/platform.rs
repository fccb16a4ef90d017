//! The audit log: the events of the whole platform, newest first.

use std::borrow::Cow;

use annals_model::{FieldErrors, Time};
use annals_service::Positioned;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::events::{EventReference, Meta};
use super::forward::write_positioned;
use crate::answer::json_bytes;
use crate::api::{Api, op};
use crate::error::ApiError;
use crate::extract::{EventQuery, PlatformReader, Selection};
use crate::state::AppState;
use crate::timeline::{respond_with, with_links};

pub(crate) fn api() -> Api {
    Api::of("Platform").get(
        "/v1/operator/events",
        list_platform_events,
        op("List the events of all apps and users, in the order of their recording")
            .auditor()
            .filtered()
            .ok::<PlatformEventsAnswer>(),
    )
}

#[derive(Serialize, JsonSchema)]
struct PlatformEventsAnswer {
    /// The events, the one recorded last first.
    events: Vec<PlatformEvent>,
    meta: Meta,
}

/// The schema of an event with its position.
#[derive(Serialize)]
struct PlatformEvent;

impl JsonSchema for PlatformEvent {
    fn schema_name() -> Cow<'static, str> {
        "PlatformEvent".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let position = generator.subschema_for::<u64>();
        let recorded_at = generator.subschema_for::<Time>();
        json_schema!({
            "description": "An event, with its position among those of the whole platform, and when it was recorded.",
            "type": "object",
            "required": ["position", "recorded_at"],
            "properties": { "position": position, "recorded_at": recorded_at },
            "allOf": [generator.subschema_for::<EventReference>()],
        })
    }
}

/// Lists the events of all apps and users.
async fn list_platform_events(
    State(state): State<AppState>,
    PlatformReader(reader): PlatformReader,
    query: EventQuery,
) -> Result<Response, ApiError> {
    if matches!(query.selection, Selection::LastHours(_)) {
        return Err(ApiError::Invalid(FieldErrors::one("from", "is not offered here; write since=-72h")));
    }
    if query.beside.is_some() {
        let message =
            "is not offered here; pages with as_of do not shift, and exports go on after a position";
        return Err(ApiError::invalid("before", message));
    }
    let service = &state.service;
    let length = service.platform_length().await?;
    let (events, total_count) = if query.filter.is_everything() {
        let total_count = query.pinned(length)?;
        (service.platform_page(reader, query.selection.positions(total_count)).await?, total_count)
    } else {
        let found = service.search_platform(reader, length, &query.filter).await?;
        let total_count = query.pinned(found.total_count)?;
        let numbers = query.numbers(found.total_count, total_count);
        (service.found_on_platform(reader, &query.filter, &found, numbers).await?, total_count)
    };
    let write = |event: &Positioned, out: &mut Vec<u8>| write_positioned(event, out);
    let body = respond_with(&events, query.selection, total_count, write);
    let links = query.links(&query.selection.pagination(total_count));
    Ok(with_links(json_bytes(StatusCode::OK, body.into()), links))
}
