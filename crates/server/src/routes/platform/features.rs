//! Stacks and container sizes. They need no credential. Clients accept no other key beside the list.

use annals_model::app::CONTAINER_SIZES;
use annals_model::directory::{STACKS, Stack};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use crate::answer::ok;
use crate::api::{Api, op};

pub(crate) fn api() -> Api {
    Api::of("Platform")
        .get("/v1/features/stacks", list_stacks, op("List the stacks").open().ok::<StacksAnswer>())
        .get(
            "/v1/features/container_sizes",
            list_container_sizes,
            op("List the container sizes").open().ok::<ContainerSizesAnswer>(),
        )
}

/// Lists the stacks, oldest first.
async fn list_stacks() -> Response {
    ok(&StacksAnswer { stacks: STACKS.to_vec() })
}

/// Lists the container sizes, smallest first.
async fn list_container_sizes() -> Response {
    ok(&ContainerSizesAnswer {
        container_sizes: CONTAINER_SIZES.iter().map(|name| ContainerSizeView::of(name)).collect(),
    })
}

#[derive(Serialize, JsonSchema)]
struct StacksAnswer {
    stacks: Vec<Stack>,
}

#[derive(Serialize, JsonSchema)]
struct ContainerSizesAnswer {
    container_sizes: Vec<ContainerSizeView>,
}

/// A container size. Each size has twice the memory of the previous one.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ContainerSizeView {
    id: String,
    name: String,
    human_name: String,
    human_cpu: String,
    /// Memory in bytes.
    memory: u64,
    pids_limit: u32,
    hourly_price: u32,
    thirtydays_price: u32,
    swap: u64,
    ordinal: usize,
    sku: Option<String>,
}

impl ContainerSizeView {
    pub(crate) fn of(name: &str) -> Self {
        let ordinal = CONTAINER_SIZES.iter().position(|size| *size == name).unwrap_or_default();
        Self {
            id: name.to_owned(),
            name: name.to_owned(),
            human_name: name.to_owned(),
            human_cpu: "shared".to_owned(),
            memory: (256 << 20) << ordinal,
            pids_limit: 256,
            hourly_price: 0,
            thirtydays_price: 0,
            swap: 0,
            ordinal,
            sku: None,
        }
    }
}
