//! The URL table. Each line of [`api`] is a part of the API, with one file per resource below `routes/`:
//!
//! | part | paths |
//! |---|---|
//! | `timelines` | `/v1/events`, `/v1/apps/{app}/events`, `/v1/users/{user}/events`, `/v1/event_types` |
//! | `apps` | `/v1/apps`, and below `/v1/apps/{app}`: state, containers, deployments, variables, domains, collaborators, … |
//! | `addons` | `/v1/addon_providers`, `/v1/apps/{app}/addons`, log drains, `/api/databases`, `/v1/provider` |
//! | `source_control` | `/v1/scm_integrations`, and below `/v1/apps/{app}/scm_repo_link`: the link, review apps, webhooks |
//! | `people` | `/v1/users`, `/v1/tokens`, `/v1/keys`, `/v1/account/billing`, `/v1/operator` |
//! | `platform` | `/healthz`, `/readyz`, `/metrics`, `/docs`, `/openapi.json`, regions, backups |
//!
//! A resource's file begins with a function `api()`: its paths, their handlers, and what the OpenAPI document says of them.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::{Extensions, HeaderMap, HeaderName, Method, StatusCode, Uri, Version, header};
use serde_json::json;
use tower::util::option_layer;
use tower::{Layer, ServiceExt as _};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tower_http::cors::{AllowHeaders, CorsLayer};
use tower_http::decompression::RequestDecompression;
use tower_http::normalize_path::NormalizePathLayer;

use crate::answer::ok;
use crate::api::Api;
use crate::documents::Documents;
use crate::error::ApiError;
use crate::limits::COMPRESSED_BYTES_MIN;
use crate::middleware::surround;
use crate::operations::Operations;
use crate::paths;
use crate::routes::*;
use crate::state::AppState;

/// Routes every request of the server.
pub fn router(state: AppState) -> Router {
    let (router, document) = api().finish();
    state.documents.get_or_init(|| Documents::new(&document));
    state.operations.get_or_init(|| Operations::new(&document));
    let router = router
        .route("/", get(welcome))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(compressed())
        .layer(from_fn(unpack))
        .layer(option_layer(for_browsers(&state)))
        .layer(from_fn_with_state(state.clone(), surround))
        .with_state(state);
    // A slash at the end of a path makes no difference.
    Router::new().fallback_service(NormalizePathLayer::trim_trailing_slash().layer(router))
}

/// Compresses text that is long, for clients that take it: to compress it takes less time than to send it. Backups are not text.
fn compressed() -> CompressionLayer<impl Predicate> {
    let is_text = |_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions| {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        // Compression would hold back what a stream has to send at once.
        !kind.starts_with("text/event-stream")
            && ["application/json", "text/"].iter().any(|text| kind.starts_with(text))
    };
    let is_worth_it = SizeAbove::new(COMPRESSED_BYTES_MIN).and(is_text);
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(is_worth_it)
}

/// Unpacks a compressed body; limits are those of the body after that. Other bodies stay as they are: one in the layer does not
/// say that its only frame is its last, so it would be copied.
async fn unpack(request: Request, next: Next) -> Response {
    if !request.headers().contains_key(header::CONTENT_ENCODING) {
        return next.run(request).await;
    }
    let next = next.map_request(|request: http::Request<_>| request.map(Body::new));
    RequestDecompression::new(next).oneshot(request).await.into_response()
}

/// Lets scripts of pages from the allowed origins call the server. They send a token, as every client does: annals sets no
/// cookies for them.
fn for_browsers(state: &AppState) -> Option<CorsLayer> {
    const PREFLIGHT_VALID_FOR: Duration = Duration::from_secs(600);
    let origins = state.config().allowed_origins;
    let layer = CorsLayer::new()
        .allow_origin(origins.clone())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            HeaderName::from_static("x-dry-run"),
            HeaderName::from_static("x-request-id"),
        ])
        .max_age(PREFLIGHT_VALID_FOR);
    (!origins.is_empty()).then_some(layer)
}

/// The OpenAPI document of the API.
pub fn openapi() -> serde_json::Value {
    api().finish().1
}

fn api() -> Api {
    timelines::api()
        .and(apps::api())
        .and(addons::api())
        .and(source_control::api())
        .and(people::api())
        .and(platform::api())
}

/// Sends browsers to the documentation, and tells other clients where it is.
async fn welcome(headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut response = match accept.contains("text/html") {
        true => Redirect::to("/docs").into_response(),
        false => ok(&json!({
            "name": "annals",
            "version": env!("CARGO_PKG_VERSION"),
            "documentation": "/docs",
            "openapi": "/openapi.json",
        })),
    };
    response.headers_mut().insert(header::VARY, header::HeaderValue::from_static("Accept"));
    response
}

/// Refuses a path that is not served.
async fn unknown_path(State(state): State<AppState>, uri: Uri) -> ApiError {
    let path = uri.path();
    let meant = || {
        let meant = paths::meant(path, state.operations.get()?.paths())?;
        Some(format!("no such path; did you mean {meant}? list: /docs"))
    };
    paths::not_offered(path).or_else(meant).map_or(ApiError::NoSuchPath, ApiError::NotOffered)
}

/// Refuses a method that a path does not have.
async fn unknown_method(
    State(state): State<AppState>,
    path: Option<MatchedPath>,
    method: Method,
    uri: Uri,
) -> ApiError {
    // Clients print the text of a 404, but not that of a 405.
    if let Some(text) = paths::method_not_offered(method.as_str(), uri.path()) {
        return ApiError::NotOffered(text);
    }
    let path = path.as_ref().map_or("/", MatchedPath::as_str);
    let methods = state.operations.get().map(|operations| operations.methods(path)).unwrap_or_default();
    ApiError::MethodNotAllowed(if methods.is_empty() { "GET".to_owned() } else { methods })
}
