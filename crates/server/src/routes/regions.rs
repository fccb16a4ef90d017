//! Regions. There is one; clients look for its addresses here before they do anything else.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use crate::answer::ok;
use crate::service::Service;

/// The one region.
pub(crate) async fn list_regions(State(service): State<Service>) -> Response {
    let config = &service.config;
    let url = &config.public_url;
    ok(&json!({ "regions": [{
        "name": config.region,
        "display_name": config.region,
        "ssh": "",
        "api": url,
        "dashboard": url,
        "database_api": url,
        "default": true,
    }] }))
}
