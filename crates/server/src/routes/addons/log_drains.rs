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
use serde_json::json;

use crate::answer::{created, ok};
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{Authorized, JsonBody, LastSegment, Readable, Segments, given, required};

pub(crate) fn api() -> Api {
    const OF_APP: &str = "/v1/apps/{app}/log_drains";
    const OF_ADDON: &str = "/v1/apps/{app}/addons/{addon}/log_drains";
    let deletes = |summary, url| {
        action(summary)
            .query("url", "The drain's URL.")
            .body::<DeleteLogDrainBody>()
            .example(json!({ "url": url }))
            .no_content()
    };
    Api::of("Log drains")
        .get(
            OF_APP,
            list_log_drains,
            op("List the log drains of an app").anybody_known().ok::<LogDrainsAnswer>(),
        )
        .post(
            OF_APP,
            add_log_drain,
            action("Add a log drain to an app")
                .records(&["new_log_drain"])
                .body::<LogDrainBody>()
                .example(json!({ "drain": { "type": "syslog", "host": "logs.example.com", "port": "514" } }))
                .created::<LogDrainAnswer>(),
        )
        .delete(
            OF_APP,
            delete_log_drain,
            deletes("Remove a log drain, named in the query or in the body", "tcp+tls://logs.example.com:1")
                .records(&["delete_log_drain"]),
        )
        .get(
            OF_ADDON,
            list_addon_log_drains,
            op("List the log drains of an add-on").anybody_known().ok::<LogDrainsAnswer>(),
        )
        .post(
            OF_ADDON,
            add_addon_log_drain,
            action("Add a log drain to an add-on")
                .records(&["new_addon_log_drain"])
                .body::<LogDrainBody>()
                .example(json!({ "drain": { "type": "elk", "url": "https://elk.example.com" } }))
                .created::<LogDrainAnswer>(),
        )
        .delete(
            OF_ADDON,
            delete_addon_log_drain,
            deletes(
                "Remove a log drain of an add-on, named in the query or in the body",
                "tcp+tls://logs.example.com:2",
            )
            .records(&["delete_addon_log_drain"]),
        )
}

#[derive(Deserialize, JsonSchema)]
struct LogDrainBody {
    drain: Option<LogDrainFields>,
}

/// Clients send an empty string for what a type does not need.
#[derive(Deserialize, JsonSchema)]
struct LogDrainFields {
    /// appsignal, betterstack, datadog, elk, logtail, ovh-graylog, papertrail or syslog.
    #[serde(rename = "type")]
    kind: Option<String>,
    url: Option<String>,
    host: Option<String>,
    port: Option<String>,
    token: Option<String>,
    drain_region: Option<String>,
}

impl LogDrainBody {
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
async fn list_log_drains(readable: Readable) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live_not_limited()?;
    Ok(ok(&LogDrainsAnswer::new(app.id, &app.log_drains)))
}

/// Adds a log drain to an app.
async fn add_log_drain(
    access: Authorized<AddLogDrain>,
    body: JsonBody<LogDrainBody>,
) -> Result<Response, ApiError> {
    let drain = body.value.into_drain()?;
    let url = drain.clone().into_url()?;
    let app = access.act(AddLogDrain(drain), &body.bytes).await?.app;
    Ok(created(&LogDrainAnswer { drain: LogDrainView { app_id: app.id, url } }))
}

#[derive(Deserialize, JsonSchema)]
struct DeleteLogDrainBody {
    url: Option<String>,
}

/// Removes a log drain from an app.
async fn delete_log_drain(
    access: Authorized<DeleteLogDrain>,
    Query(mut query): Query<HashMap<String, String>>,
    body: JsonBody<DeleteLogDrainBody>,
) -> Result<Response, ApiError> {
    let url = required(query.remove("url").or(body.value.url), "url")?;
    access.act(DeleteLogDrain { url }, &body.bytes).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Lists the log drains of an add-on.
async fn list_addon_log_drains(
    readable: Readable,
    LastSegment(addon): LastSegment,
) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live_not_limited()?;
    let (_, addon) = find_addon(&app, &addon)?;
    Ok(ok(&LogDrainsAnswer::new(app.id, &addon.log_drains)))
}

/// Adds a log drain to an add-on.
async fn add_addon_log_drain(
    access: Authorized<AddAddonLogDrain>,
    Segments([_, addon_id]): Segments<2>,
    body: JsonBody<LogDrainBody>,
) -> Result<Response, ApiError> {
    let drain = body.value.into_drain()?;
    find_addon(&access.app, &addon_id)?;
    let url = drain.clone().into_url()?;
    let app = access.act(AddAddonLogDrain { addon_id, drain }, &body.bytes).await?.app;
    Ok(created(&LogDrainAnswer { drain: LogDrainView { app_id: app.id, url } }))
}

/// Removes a log drain from an add-on.
async fn delete_addon_log_drain(
    access: Authorized<DeleteAddonLogDrain>,
    Segments([_, addon_id]): Segments<2>,
    Query(mut query): Query<HashMap<String, String>>,
    body: JsonBody<DeleteLogDrainBody>,
) -> Result<Response, ApiError> {
    let url = required(query.remove("url").or(body.value.url), "url")?;
    access.act(DeleteAddonLogDrain { addon_id, url }, &body.bytes).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Serialize, JsonSchema)]
struct LogDrainsAnswer {
    drains: Vec<LogDrainView>,
}

#[derive(Serialize, JsonSchema)]
struct LogDrainAnswer {
    drain: LogDrainView,
}

#[derive(Serialize, JsonSchema)]
struct LogDrainView {
    app_id: AppId,
    /// The destination. It may contain a token.
    url: String,
}

impl LogDrainsAnswer {
    fn new<'a>(app_id: AppId, urls: impl IntoIterator<Item = &'a String>) -> Self {
        Self { drains: urls.into_iter().map(|url| LogDrainView { app_id, url: url.clone() }).collect() }
    }
}
