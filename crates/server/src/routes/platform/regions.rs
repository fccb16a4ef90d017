//! Regions. There is only one; clients read its URLs here before any other request.

use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use crate::answer::ok;
use crate::api::{Api, op};
use crate::state::AppState;

pub(crate) fn api() -> Api {
    Api::of("Platform").get(
        "/v1/regions",
        list_regions,
        op("List the regions: always one").open().ok::<RegionsAnswer>(),
    )
}

/// Lists the only region.
async fn list_regions(State(state): State<AppState>) -> Response {
    let config = &state.config;
    let url = &config.public_url;
    let region = RegionView {
        name: config.region.clone(),
        display_name: config.region.clone(),
        ssh: "",
        api: url.clone(),
        dashboard: url.clone(),
        database_api: url.clone(),
        default: true,
    };
    ok(&RegionsAnswer { regions: vec![region] })
}

#[derive(Serialize, JsonSchema)]
struct RegionsAnswer {
    regions: Vec<RegionView>,
}

#[derive(Serialize, JsonSchema)]
struct RegionView {
    name: String,
    display_name: String,
    ssh: &'static str,
    api: String,
    dashboard: String,
    database_api: String,
    default: bool,
}
