//! Timelines.

use annals_model::{EventId, UserId};
use annals_store::TimelineId;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;

use crate::access::{LastSegment, Readable};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::page::Selection;
use crate::service::Service;
use crate::timeline;

/// The timeline of an app.
pub(crate) async fn list_app_events(
    State(service): State<Service>,
    Readable { app, .. }: Readable,
    selection: Selection,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    timeline::respond(&service, TimelineId::App(app.id), selection, &headers).await
}

/// One event of an app.
pub(crate) async fn show_event(
    State(service): State<Service>,
    Readable { app, .. }: Readable,
    Path((_, event)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let event: EventId = event.parse().map_err(|_| ApiError::NotFound("event"))?;
    let found =
        service.store.find(TimelineId::App(app.id), event).await?.ok_or(ApiError::NotFound("event"))?;
    Ok(timeline::respond_with_one(&service, &found, &headers))
}

/// The timeline of who asks: what they did, on any app, and what happened to their account.
pub(crate) async fn list_own_events(
    State(service): State<Service>,
    caller: Caller,
    selection: Selection,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Caller::User(user) = caller else {
        let message = "the operator has no timeline: name a user, as in /v1/users/us-…/events";
        return Err(ApiError::Forbidden(message.to_owned()));
    };
    timeline::respond(&service, TimelineId::User(user.id()), selection, &headers).await
}

/// The timeline of a user, for themself and for the operator.
pub(crate) async fn list_user_events(
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
    timeline::respond(&service, TimelineId::User(user), selection, &headers).await
}
