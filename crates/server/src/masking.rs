//! Events as a limited collaborator may read them: without the values of variables, and without the URLs of log drains,
//! which may hold a token.

use serde_json::Value;

/// The types that tell of such.
const TYPES: &[&str] = &[
    "new_variable",
    "edit_variable",
    "edit_variables",
    "delete_variable",
    "new_log_drain",
    "delete_log_drain",
    "new_addon_log_drain",
    "delete_addon_log_drain",
];

/// Appends an event with such values hidden. Hidden is null, which every client reads.
pub(crate) fn write(event: &[u8], out: &mut Vec<u8>) {
    let tells = annals_model::event::type_in(event).is_some_and(|name| TYPES.contains(&name));
    let masked = tells.then(|| serde_json::from_slice::<Value>(event).ok()).flatten().map(|mut event| {
        mask(&mut event["type_data"]);
        event
    });
    match masked {
        Some(value) => serde_json::to_writer(out, &value).expect("a value can always be written to memory"),
        // Where it cannot be read it must not be shown.
        None if tells => out.extend_from_slice(b"null"),
        None => out.extend_from_slice(event),
    }
}

fn mask(data: &mut Value) {
    match data {
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(fields) => {
            for (name, field) in fields {
                if matches!(name.as_str(), "value" | "old_value" | "url") {
                    *field = Value::Null
                } else {
                    mask(field)
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_hidden_and_all_else_stays() {
        let written = |event: &str| {
            let mut out = Vec::new();
            write(event.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            written(
                r#"{"id":"1","type":"edit_variable","type_data":{"name":"A","old_value":"1","value":"2"}}"#
            ),
            r#"{"id":"1","type":"edit_variable","type_data":{"name":"A","old_value":null,"value":null}}"#
        );
        assert_eq!(written("{\"id\":\"1\",\"type\":\"new_variable\",\"type_data\":{"), "null");
        let bulk = r#"{"id":"1","type":"edit_variables","type_data":{"new_vars":[{"name":"A","value":"s"}],"deleted_vars":[]}}"#;
        assert!(!written(bulk).contains("\"s\""));
        let other = r#"{"id":"1","type":"add_credit","type_data":{"value":5.0}}"#;
        assert_eq!(written(other), other);
    }
}
