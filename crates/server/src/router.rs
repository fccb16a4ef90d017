//! The parts of the API, one per resource. Each file names its own paths, and what the documents say of them.

use axum::Router;
use axum::middleware::from_fn_with_state;

use crate::api::Api;
use crate::documents::Documents;
use crate::error::ApiError;
use crate::middleware::surround;
use crate::routes::*;
use crate::state::AppState;

/// All that the service answers.
pub fn router(state: AppState) -> Router {
    let (router, document) = api().finish();
    state.documents.get_or_init(|| Documents::new(&document));
    router
        .fallback(|| async { ApiError::NoSuchPath })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .layer(from_fn_with_state(state.clone(), surround))
        .with_state(state)
}

/// The OpenAPI document of all that is answered.
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
