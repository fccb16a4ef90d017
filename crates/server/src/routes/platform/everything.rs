//! All apps and all users, for the operator and auditors.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use annals_model::{Account, App, AppId, FieldErrors, Person, Time, UserId};
use annals_service::{Head, Service};
use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::request::Parts;
use schemars::JsonSchema;
use serde::Serialize;

use crate::answer::ok;
use crate::api::{Api, op};
use crate::error::ApiError;
use crate::extract::{PlatformReader, by_name, parameters, per_page, refuse_unknown};
use crate::state::AppState;

pub(crate) fn api() -> Api {
    Api::of("Platform")
        .get(
            "/v1/operator/apps",
            list_all_apps,
            op("List the apps of all users, deleted ones included").auditor().read_on().ok::<AllAppsAnswer>(),
        )
        .get(
            "/v1/operator/users",
            list_all_users,
            op("List all users who have events").auditor().read_on().ok::<AllUsersAnswer>(),
        )
}

/// Which part of a list is asked for: so many items after an identifier.
struct ListQuery<Id> {
    after: Option<Id>,
    limit: usize,
}

impl<Id: FromStr + Display> FromRequestParts<AppState> for ListQuery<Id> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let parameters = parameters(parts, state).await?;
        Self::new(&by_name(&parameters).map_err(ApiError::Invalid)?).map_err(ApiError::Invalid)
    }
}

impl<Id: FromStr + Display> ListQuery<Id> {
    fn new(query: &HashMap<String, String>) -> Result<Self, FieldErrors> {
        refuse_unknown(query, &["after", "per_page"])?;
        let after = query.get("after").map(|text| text.parse()).transpose();
        let after = after.map_err(|_| FieldErrors::one("after", "must be an identifier of such a list"))?;
        Ok(Self { after, limit: per_page(query)? as usize })
    }

    /// Returns the identifier after which the list goes on; `None` if this was its end.
    fn next_after<T>(&self, listed: &[T], id: impl Fn(&T) -> Id) -> NextMeta {
        let last = listed.last().filter(|_| listed.len() == self.limit);
        NextMeta { next_after: last.map(|last| id(last).to_string()) }
    }
}

#[derive(Serialize, JsonSchema)]
struct NextMeta {
    /// The identifier to send as `after` for what follows; null at the end of the list.
    next_after: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct AllAppsAnswer {
    apps: Vec<ListedApp>,
    meta: NextMeta,
}

#[derive(Serialize, JsonSchema)]
struct ListedApp {
    id: AppId,
    name: String,
    owner: Option<Person>,
    /// When the app was deleted; null if it was not.
    deleted_at: Option<Time>,
    #[serde(flatten)]
    timeline: ListedTimeline,
}

#[derive(Serialize, JsonSchema)]
struct AllUsersAnswer {
    users: Vec<ListedUser>,
    meta: NextMeta,
}

#[derive(Serialize, JsonSchema)]
struct ListedUser {
    #[serde(flatten)]
    person: Person,
    #[serde(flatten)]
    timeline: ListedTimeline,
}

#[derive(Serialize, JsonSchema)]
struct ListedTimeline {
    /// The number of its events.
    events: u64,
    /// When the latest of them happened.
    latest_event_at: Time,
}

impl ListedTimeline {
    fn of(head: Head) -> Self {
        Self { events: head.length, latest_event_at: head.latest }
    }
}

/// Lists all apps, by identifier.
async fn list_all_apps(
    State(service): State<Service>,
    _: PlatformReader,
    query: ListQuery<AppId>,
) -> Result<Response, ApiError> {
    let listed = service.all_apps(query.after, query.limit).await?;
    let meta = query.next_after(&listed, |(id, ..)| *id);
    let view = |(id, app, head): &(AppId, Arc<App>, Head)| ListedApp {
        id: *id,
        name: app.name.clone(),
        owner: app.owner.clone(),
        deleted_at: app.deleted_at,
        timeline: ListedTimeline::of(*head),
    };
    Ok(ok(&AllAppsAnswer { apps: listed.iter().map(view).collect(), meta }))
}

/// Lists all users, by identifier.
async fn list_all_users(
    State(service): State<Service>,
    _: PlatformReader,
    query: ListQuery<UserId>,
) -> Result<Response, ApiError> {
    let listed = service.all_users(query.after, query.limit).await?;
    let meta = query.next_after(&listed, |(account, _)| account.id());
    let view = |(account, head): &(Arc<Account>, Head)| ListedUser {
        person: account.person.clone(),
        timeline: ListedTimeline::of(*head),
    };
    Ok(ok(&AllUsersAnswer { users: listed.iter().map(view).collect(), meta }))
}
