//! The parts of the API, one per resource. Each file names its own paths, and what the documents say of them.

use axum::Router;
use axum::extract::MatchedPath;
use axum::middleware::from_fn_with_state;
use serde_json::Value;

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
    let paths = document["paths"].clone();
    router
        .fallback(|| async { ApiError::NoSuchPath })
        .method_not_allowed_fallback(move |path: MatchedPath| {
            let known = methods(&paths[path.as_str()]);
            async { ApiError::MethodNotAllowed(known) }
        })
        .layer(from_fn_with_state(state.clone(), surround))
        .with_state(state)
}

/// The methods that a path is documented with, as `GET or POST`.
fn methods(path: &Value) -> String {
    let names = path.as_object().into_iter().flat_map(|operations| operations.keys());
    let methods = names.filter(|name| *name != "parameters").map(|name| name.to_uppercase());
    methods.collect::<Vec<_>>().join(" or ")
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
