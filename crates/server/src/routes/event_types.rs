//! The catalogue. Anybody may read it; clients want nothing beside the one array.

use annals_model::catalogue::{self, Category, Origin, Scope};
use axum::response::Response;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::answer::ok;

/// Every event type.
pub(crate) async fn list_event_types() -> Response {
    let event_types: Vec<Value> = catalogue::all()
        .iter()
        .map(|event_type| {
            json!({
                "id": lasting_id("event type", event_type.name),
                "category_id": lasting_id("event category", event_type.category.describe().0),
                "name": event_type.name,
                "display_name": event_type.display_name,
                "description": event_type.when.trim(),
                "template": event_type.display_name,
                "scope": match event_type.scope {
                    Scope::App => "app",
                    Scope::Account => "account",
                },
                "further": event_type.origin == Origin::Further,
                "type_data_schema": (event_type.schema)(),
            })
        })
        .collect();
    ok(&json!({ "event_types": event_types }))
}

/// Every category of event types.
pub(crate) async fn list_event_categories() -> Response {
    let categories: Vec<Value> = Category::ALL
        .iter()
        .map(|category| {
            let (name, display_name, position) = category.describe();
            let id = lasting_id("event category", name);
            json!({ "id": id, "name": name, "display_name": display_name, "position": position })
        })
        .collect();
    ok(&json!({ "event_categories": categories }))
}

/// An identifier in the form clients know, the same in every installation and version.
fn lasting_id(kind: &str, name: &str) -> String {
    let digest = Sha256::new().chain_update(kind).chain_update([0]).chain_update(name).finalize();
    hex::encode(&digest[..12])
}
