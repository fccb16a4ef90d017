//! Every path, on one screen.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, patch, post};

use crate::error::ApiError;
use crate::middleware::surround;
use crate::routes::{
    apps, containers, event_types, events, health, regions, reports, tokens, users, variables,
};
use crate::service::Service;

/// All that the service answers.
pub fn router(service: Service) -> Router {
    Router::new()
        // What happened.
        .route("/v1/events", get(events::list_own_events).post(reports::report_events))
        .route("/v1/users/{user}/events", get(events::list_user_events))
        .route("/v1/apps/{app}/events", get(events::list_app_events))
        .route("/v1/apps/{app}/events/{event}", get(events::show_event))
        .route("/v1/event_types", get(event_types::list_event_types))
        .route("/v1/event_categories", get(event_types::list_event_categories))
        // Apps.
        .route("/v1/apps", get(apps::list_apps).post(apps::create_app))
        .route("/v1/apps/{app}", get(apps::show_app).delete(apps::delete_app))
        .route("/v1/apps/{app}/rename", post(apps::rename_app))
        .route("/v1/apps/{app}/containers", get(containers::list_containers))
        .route("/v1/apps/{app}/autoscalers", get(containers::list_autoscalers))
        .route("/v1/apps/{app}/scale", post(containers::scale_app))
        .route(
            "/v1/apps/{app}/variables",
            get(variables::list_variables)
                .post(variables::set_variable)
                .put(variables::set_variables)
                .delete(variables::delete_variables),
        )
        .route(
            "/v1/apps/{app}/variables/{variable}",
            patch(variables::change_variable)
                .put(variables::change_variable)
                .delete(variables::delete_variable),
        )
        // People.
        .route("/v1/users", post(users::register_user))
        .route("/v1/users/self", get(users::show_self))
        .route("/v1/tokens", get(tokens::list_tokens).post(tokens::create_token))
        .route("/v1/tokens/exchange", post(tokens::exchange_token))
        .route("/v1/tokens/{token}", axum::routing::delete(tokens::revoke_token))
        .route("/v1/tokens/{token}/renew", patch(tokens::renew_token).put(tokens::renew_token))
        // The service itself.
        .route("/v1/regions", get(regions::list_regions))
        .route("/healthz", get(health::health))
        .route("/readyz", get(health::readiness))
        .route("/metrics", get(health::metrics))
        .fallback(|| async { ApiError::NoSuchPath })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .layer(from_fn_with_state(service.clone(), surround))
        .with_state(service)
}
