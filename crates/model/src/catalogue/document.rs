//! The reference of event types, `docs/events.md`, generated so that it cannot differ from the catalogue.

use std::fmt::Write as _;

use crate::field_class::{Class, Field, FieldShape};

use super::{Category, EventType, Origin, Scope, all};

/// Returns the text of `docs/events.md`: every event type with its fields, and its example if there is one.
///
/// `example` returns the JSON of an example event of the named type.
pub fn events_document(example: impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::from(
        "# Event types\n\nGenerated from the catalogue in `crates/model/src/catalogue`. To change this page, change the catalogue.\n\n\
         Every event has `id`, `created_at`, `type` and `type_data`. It has a `user` unless an add-on or the platform \
         acted. It has `app_id` and `app_name` unless it concerns only an account. The tables below list the fields of \
         `type_data`.\n\n\
         A field's class decides who may read it. A **secret** field may contain a credential. A limited collaborator gets \
         null for secret and **personal** fields, and a **URL** without its user information, query and fragment. So does a \
         user without a role in the app, who sees the event in their own timeline. Fields without a class here are \
         public.\n\n\
         A **required** field must be in every report of its event; the others may be left out.\n",
    );
    let mut categories = Category::ALL.to_vec();
    categories.sort_by_key(|category| category.describe().2);
    for category in categories {
        _ = write!(text, "\n## {}\n", category.describe().1);
        for event_type in all().iter().filter(|event_type| event_type.category == category) {
            describe(event_type, example(event_type.name), &mut text);
        }
    }
    text
}

fn describe(event_type: &EventType, example: Option<String>, text: &mut String) {
    let scope = match event_type.scope {
        Scope::App => "the app's timeline and the timeline of the user who acted",
        Scope::Account => "the user's timeline",
        Scope::Project => "the user's timeline, with `project_id` and `project_name`",
    };
    let further = match event_type.origin {
        Origin::Contract => "",
        Origin::Further => " A further type: the Events API does not document it.",
    };
    _ = write!(
        text,
        "\n### `{}`: {}\n\n{} Recorded in {scope}.{further}\n\n",
        event_type.name,
        event_type.display_name,
        event_type.when.trim()
    );
    let schema = (event_type.schema)();
    let mut rows = String::new();
    list_fields(schema.as_value(), schema.as_value(), event_type.fields, "", &mut rows);
    if rows.is_empty() {
        text.push_str("No fields.\n");
    } else {
        _ = write!(text, "| field | type | required | class | meaning |\n|---|---|---|---|---|\n{rows}");
    }
    if let Some(example) = example {
        _ = write!(text, "\n```json\n{example}\n```\n");
    }
}

/// Appends one row per field; fields of nested objects are named by their path.
fn list_fields(
    root: &serde_json::Value,
    object: &serde_json::Value,
    fields: &[Field],
    prefix: &str,
    rows: &mut String,
) {
    let Some(properties) = object.get("properties").and_then(|properties| properties.as_object()) else {
        // Only the classes list these fields; the schema does not. The last field stands for all others.
        for field in fields {
            _ = writeln!(rows, "| `{prefix}{}` | anything | | {} | |", field.name, class_of(&field.shape).0);
        }
        return;
    };
    for (name, property) in properties {
        let path = format!("{prefix}{name}");
        let meaning = property.get("description").and_then(|text| text.as_str()).unwrap_or_default();
        let (kind, nested) = kind_of(root, property);
        let is_required =
            object["required"].as_array().is_some_and(|names| names.iter().any(|it| it == name));
        let required = if is_required { "yes" } else { "" };
        let (class, within) = Field::find(fields, name).map_or(("", &[][..]), class_of);
        _ = writeln!(rows, "| `{path}` | {kind} | {required} | {class} | {} |", meaning.replace('\n', " "));
        if let Some(nested) = nested {
            let suffix = if kind.starts_with("array") { "[]." } else { "." };
            list_fields(root, nested, within, &format!("{path}{suffix}"), rows);
        }
    }
}

/// Returns the class of a field in words, and the fields within it.
fn class_of(shape: &FieldShape) -> (&'static str, &'static [Field]) {
    match shape {
        FieldShape::Leaf(Class::Public) => ("", &[]),
        FieldShape::Leaf(Class::Secret) => ("secret", &[]),
        FieldShape::Leaf(Class::Personal) => ("personal", &[]),
        FieldShape::Leaf(Class::Url) => ("URL", &[]),
        FieldShape::Each(item) => class_of(item),
        FieldShape::Object(fields) | FieldShape::Flattened(fields) => ("", fields),
    }
}

/// Returns the type of a property in words, and the object within it if there is one.
fn kind_of<'a>(
    root: &'a serde_json::Value,
    property: &'a serde_json::Value,
) -> (String, Option<&'a serde_json::Value>) {
    if let Some(reference) = property.get("$ref").and_then(|reference| reference.as_str()) {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap_or(property);
        return kind_of(root, target);
    }
    for choice in ["anyOf", "oneOf"] {
        let Some(options) = property.get(choice).and_then(|options| options.as_array()) else { continue };
        let named: Vec<_> = options.iter().filter_map(|option| option.get("const")?.as_str()).collect();
        if named.len() == options.len() {
            return (named.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "), None);
        }
        let kinds: Vec<_> = options.iter().map(|option| kind_of(root, option)).collect();
        let words = kinds.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>().join(" or ");
        return (words, kinds.iter().find_map(|(_, nested)| *nested));
    }
    if let Some(names) = property.get("enum").and_then(|names| names.as_array()) {
        let names: Vec<_> =
            names.iter().filter_map(|name| name.as_str()).map(|name| format!("`{name}`")).collect();
        return (names.join(", "), None);
    }
    let word = |kind: &str| match (kind, property.get("format").and_then(|format| format.as_str())) {
        ("string", Some("date-time")) => "date-time".to_owned(),
        ("string", Some("ip")) => "IP address".to_owned(),
        (kind, _) => kind.to_owned(),
    };
    match property.get("type") {
        Some(serde_json::Value::String(kind)) if kind == "array" => {
            let (item, nested) = property
                .get("items")
                .map_or_else(|| ("anything".to_owned(), None), |items| kind_of(root, items));
            (format!("array of {item}"), nested)
        }
        Some(serde_json::Value::String(kind)) => (word(kind), Some(property).filter(|_| kind == "object")),
        Some(serde_json::Value::Array(kinds)) => {
            let words: Vec<_> = kinds.iter().filter_map(|kind| kind.as_str()).map(word).collect();
            (words.join(" or "), None)
        }
        _ => ("anything".to_owned(), None),
    }
}
