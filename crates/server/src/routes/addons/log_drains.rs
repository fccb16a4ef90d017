//! Log drains: where the logs of an app and its add-ons are sent.

use std::collections::HashMap;

use annals_model::AppId;
use annals_model::app::{
    AddAddonLogDrain, AddLogDrain, DeleteAddonLogDrain, DeleteLogDrain, Drain, find_addon,
};
use annals_service::Access;
use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::{created, ok};
use crate::api::{Api, op};
use crate::error::ApiError;
use crate::extract::{Authorized, JsonBody, LastSegment, Readable, Segments, given, required};

pub(crate) fn api() -> Api {
    const OF_APP: &str = "/v1/apps/{app}/log_drains";
    const OF_ADDON: &str = "/v1/apps/{app}/addons/{addon}/log_drains";
    let deletes = |summary| op(summary).query("url", "The drain's URL.").body::<DeleteBody>().no_content();
    Api::of("Log drains")
        .get(OF_APP, list_drains, op("Where an app's logs are sent").anybody_known().ok::<DrainsAnswer>())
        .post(
            OF_APP,
            add_drain,
            op("Send an app's logs somewhere (new_log_drain)").body::<DrainBody>().created::<DrainAnswer>(),
        )
        .delete(OF_APP, delete_drain, deletes("Send an app's logs there no longer (delete_log_drain)"))
        .get(
            OF_ADDON,
            list_addon_drains,
            op("Where an add-on's logs are sent").anybody_known().ok::<DrainsAnswer>(),
        )
        .post(
            OF_ADDON,
            add_addon_drain,
            op("Send an add-on's logs somewhere (new_addon_log_drain)")
                .body::<DrainBody>()
                .created::<DrainAnswer>(),
        )
        .delete(
            OF_ADDON,
            delete_addon_drain,
            deletes("Send an add-on's logs there no longer (delete_addon_log_drain)"),
        )
}

#[derive(Deserialize, JsonSchema)]
struct DrainBody {
    drain: Option<DrainFields>,
}

/// Clients send an empty string for what a type does not need.
#[derive(Deserialize, JsonSchema)]
struct DrainFields {
    /// appsignal, betterstack, datadog, elk, logtail, ovh-graylog, papertrail or syslog.
    #[serde(rename = "type")]
    kind: Option<String>,
    url: Option<String>,
    host: Option<String>,
    port: Option<String>,
    token: Option<String>,
    drain_region: Option<String>,
}

impl DrainBody {
    fn into_drain(self) -> Result<Drain, ApiError> {
        let fields = required(self.drain, "drain")?;
        Ok(Drain {
            kind: fields.kind.unwrap_or_default(),
            url: given(fields.url),
            host: given(fields.host),
            port: given(fields.port),
            token: given(fields.token),
            drain_region: given(fields.drain_region),
        })
    }
}

/// Lists the log drains of an app.
async fn list_drains(readable: Readable) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live_not_limited()?;
    Ok(ok(&DrainsAnswer::new(app.id, &app.log_drains)))
}

/// Adds a log drain to an app.
async fn add_drain(access: Authorized<AddLogDrain>, body: JsonBody<DrainBody>) -> Result<Response, ApiError> {
    let drain = body.value.into_drain()?;
    let outcome = access.act(AddLogDrain(drain), &body.bytes).await?;
    Ok(created(&DrainAnswer { drain: DrainView { app_id: outcome.app.id, url: outcome.created } }))
}

#[derive(Deserialize, JsonSchema)]
struct DeleteBody {
    url: Option<String>,
}

/// Removes a log drain from an app.
async fn delete_drain(
    access: Authorized<DeleteLogDrain>,
    Query(mut query): Query<HashMap<String, String>>,
    body: JsonBody<DeleteBody>,
) -> Result<Response, ApiError> {
    let url = required(query.remove("url").or(body.value.url), "url")?;
    access.act(DeleteLogDrain { url }, &body.bytes).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Lists the log drains of an add-on.
async fn list_addon_drains(
    readable: Readable,
    LastSegment(addon): LastSegment,
) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live_not_limited()?;
    let (_, addon) = find_addon(&app, &addon)?;
    Ok(ok(&DrainsAnswer::new(app.id, &addon.log_drains)))
}

/// Adds a log drain to an add-on.
async fn add_addon_drain(
    access: Authorized<AddAddonLogDrain>,
    Segments([_, addon_id]): Segments<2>,
    body: JsonBody<DrainBody>,
) -> Result<Response, ApiError> {
    let drain = body.value.into_drain()?;
    find_addon(&access.app, &addon_id)?;
    let outcome = access.act(AddAddonLogDrain { addon_id, drain }, &body.bytes).await?;
    Ok(created(&DrainAnswer { drain: DrainView { app_id: outcome.app.id, url: outcome.created } }))
}

/// Removes a log drain from an add-on.
async fn delete_addon_drain(
    access: Authorized<DeleteAddonLogDrain>,
    Segments([_, addon_id]): Segments<2>,
    Query(mut query): Query<HashMap<String, String>>,
    body: JsonBody<DeleteBody>,
) -> Result<Response, ApiError> {
    let url = required(query.remove("url").or(body.value.url), "url")?;
    access.act(DeleteAddonLogDrain { addon_id, url }, &body.bytes).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Serialize, JsonSchema)]
struct DrainsAnswer {
    drains: Vec<DrainView>,
}

#[derive(Serialize, JsonSchema)]
struct DrainAnswer {
    drain: DrainView,
}

#[derive(Serialize, JsonSchema)]
struct DrainView {
    app_id: AppId,
    /// The destination. It may contain a token.
    url: String,
}

impl DrainsAnswer {
    fn new<'a>(app_id: AppId, urls: impl IntoIterator<Item = &'a String>) -> Self {
        Self { drains: urls.into_iter().map(|url| DrainView { app_id, url: url.clone() }).collect() }
    }
}
