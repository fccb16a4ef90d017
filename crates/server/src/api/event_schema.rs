//! The schema of events.

use annals_model::catalogue;
use schemars::{Schema, json_schema};
use serde_json::{Value, json};

/// The schema of an event of any type of the catalogue.
pub(crate) fn event_schema() -> Schema {
    let types: Vec<Value> = catalogue::all()
        .iter()
        .map(|event_type| {
            json!({
                "type": "object",
                "title": event_type.name,
                "description": event_type.when.trim(),
                "required": ["type", "type_data"],
                "properties": {
                    "type": { "const": event_type.name },
                    // Its fields vary: Go clients get counts with sizes, and some roles see no secrets.
                    "type_data": { "type": "object" },
                },
            })
        })
        .collect();
    let user = json!({
        "type": "object",
        "required": ["username", "email", "id"],
        "properties": {
            "username": { "type": "string" }, "email": { "type": "string" }, "id": { "type": "string" },
        },
    });
    json_schema!({
        "type": "object",
        "description": "One immutable record of who did what, to which app, when.",
        "required": ["id", "created_at", "type", "type_data"],
        "properties": {
            "id": { "type": "string" },
            "created_at": { "type": "string", "format": "date-time" },
            "user": user,
            "app_id": { "type": "string" },
            "app_name": { "type": "string" },
            "type": { "type": "string" },
            "type_data": { "type": "object" },
        },
        "oneOf": types,
    })
}
