//! The parts of the API, one per resource. Each file names its own paths, and what the documents say of them.

use axum::Router;
use axum::middleware::from_fn_with_state;

use crate::api::Api;
use crate::documents::Documents;
use crate::error::ApiError;
use crate::middleware::surround;
use crate::routes::*;
use crate::service::Service;

/// All that the service answers.
pub fn router(service: Service) -> Router {
    let (router, document) = api().finish();
    service.documents.get_or_init(|| Documents::new(&document));
    router
        .fallback(|| async { ApiError::NoSuchPath })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .layer(from_fn_with_state(service.clone(), surround))
        .with_state(service)
}

/// The OpenAPI document of all that is answered.
pub fn openapi() -> serde_json::Value {
    api().finish().1
}

fn api() -> Api {
    // What happened.
    events::api()
        .and(reports::api())
        .and(event_types::api())
        // Apps.
        .and(apps::api())
        .and(state::api())
        .and(containers::api())
        .and(restarts::api())
        .and(runs::api())
        .and(deployments::api())
        .and(variables::api())
        .and(domains::api())
        .and(collaborators::api())
        .and(consents::api())
        .and(hds_contact::api())
        // What apps have.
        .and(addons::api())
        .and(databases::api())
        .and(log_drains::api())
        .and(provider::api())
        // Source control.
        .and(scm_links::api())
        .and(review_apps::api())
        .and(scm_hooks::api())
        .and(integrations::api())
        // People.
        .and(users::api())
        .and(tokens::api())
        .and(passwords::api())
        .and(keys::api())
        .and(billing::api())
        // The service itself.
        .and(features::api())
        .and(regions::api())
        .and(backup::api())
        .and(documents::api())
        .and(health::api())
}
