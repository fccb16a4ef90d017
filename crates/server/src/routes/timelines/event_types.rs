//! The catalogue of event types. It needs no credential. Clients accept no other key beside the array.

use annals_model::catalogue::{self, Category, Origin, Scope};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::answer::ok;
use crate::api::{Api, op};

pub(crate) fn api() -> Api {
    Api::of("Events")
        .get(
            "/v1/event_types",
            list_event_types,
            op("List all event types with the schemas of their data").open().ok::<EventTypesAnswer>(),
        )
        .get(
            "/v1/event_categories",
            list_event_categories,
            op("List the categories of event types").open().ok::<EventCategoriesAnswer>(),
        )
}

/// Lists the event types.
async fn list_event_types() -> Response {
    let event_types = catalogue::all().iter().map(|event_type| EventTypeView {
        id: lasting_id("event type", event_type.name),
        category_id: lasting_id("event category", event_type.category.describe().0),
        name: event_type.name,
        display_name: event_type.display_name,
        description: event_type.when.trim(),
        template: event_type.display_name,
        scope: match event_type.scope {
            Scope::App => "app",
            Scope::Account => "account",
            Scope::Project => "project",
        },
        further: event_type.origin == Origin::Further,
        type_data_schema: (event_type.schema)().to_value(),
    });
    ok(&EventTypesAnswer { event_types: event_types.collect() })
}

/// Lists the categories of event types.
async fn list_event_categories() -> Response {
    let event_categories = Category::ALL.iter().map(|category| {
        let (name, display_name, position) = category.describe();
        EventCategoryView { id: lasting_id("event category", name), name, display_name, position }
    });
    ok(&EventCategoriesAnswer { event_categories: event_categories.collect() })
}

/// Returns an identifier in the form that clients know. It is the same in every installation and version.
fn lasting_id(kind: &str, name: &str) -> String {
    let digest = Sha256::new().chain_update(kind).chain_update([0]).chain_update(name).finalize();
    hex::encode(&digest[..12])
}

#[derive(Serialize, JsonSchema)]
struct EventTypesAnswer {
    event_types: Vec<EventTypeView>,
}

#[derive(Serialize, JsonSchema)]
struct EventTypeView {
    id: String,
    category_id: String,
    name: &'static str,
    display_name: &'static str,
    description: &'static str,
    template: &'static str,
    /// `app` if its events belong to an app, `account` if they belong to an account only, `project` if they belong to
    /// an account and name a project.
    scope: &'static str,
    /// Whether it is a further type: one that the Events API does not document.
    further: bool,
    /// The JSON Schema of `type_data`.
    type_data_schema: Value,
}

#[derive(Serialize, JsonSchema)]
struct EventCategoriesAnswer {
    event_categories: Vec<EventCategoryView>,
}

#[derive(Serialize, JsonSchema)]
struct EventCategoryView {
    id: String,
    name: &'static str,
    display_name: &'static str,
    position: u32,
}
