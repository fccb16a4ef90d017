//! The OpenAPI document, and the page that shows it to people.

use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::Value;

/// The API's own description, in both forms.
pub(crate) struct Documents {
    pub(crate) openapi: Bytes,
    pub(crate) page: String,
}

impl Documents {
    pub(crate) fn new(document: &Value) -> Self {
        let openapi =
            serde_json::to_vec_pretty(document).expect("a document can always be written to memory");
        Self { openapi: openapi.into(), page: page(document) }
    }
}

const METHODS: &[&str] = &["get", "post", "put", "patch", "delete"];

/// One page with every operation, by heading.
fn page(document: &Value) -> String {
    let operations: Vec<(&str, &str, &Value)> = document["paths"]
        .as_object()
        .into_iter()
        .flatten()
        .flat_map(|(path, item)| {
            METHODS.iter().filter_map(move |method| Some((*method, path.as_str(), item.get(*method)?)))
        })
        .collect();
    let mut tags: Vec<&str> =
        operations.iter().filter_map(|(_, _, operation)| operation["tags"][0].as_str()).collect();
    tags.sort_unstable();
    tags.dedup();
    let mut out = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>The annals API</title>\n<link rel=\"stylesheet\" href=\"/docs.css\">\n</head>\n<body>\n<h1>The annals API</h1>\n<p>Also as an <a href=\"/openapi.json\">OpenAPI 3.1 document</a>. Names in parentheses are the types of the events that come of a request.</p>\n<nav><ul>\n",
    );
    for tag in &tags {
        _ = writeln!(out, "<li><a href=\"#{}\">{}</a></li>", anchor(tag), escape(tag));
    }
    out.push_str("</ul></nav>\n");
    for tag in &tags {
        _ = writeln!(out, "<h2 id=\"{}\">{}</h2>", anchor(tag), escape(tag));
        for (method, path, operation) in &operations {
            // What is changed is asked for with either method; once is enough to read.
            let is_twin =
                *method == "put" && document["paths"][*path]["patch"]["summary"] == operation["summary"];
            if operation["tags"][0] == **tag && !is_twin {
                write_operation(&mut out, method, path, operation);
            }
        }
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn write_operation(out: &mut String, method: &str, path: &str, operation: &Value) {
    let id = operation["operationId"].as_str().unwrap_or_default();
    let summary = operation["summary"].as_str().unwrap_or_default();
    _ = writeln!(
        out,
        "<h3 id=\"{id}\"><b>{method}</b> {}</h3>\n<p>{}. <span class=\"who\">{}</span></p>",
        escape(path),
        escape(summary),
        who(operation)
    );
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default();
        let what = parameter["description"].as_str().unwrap_or_default();
        _ = writeln!(out, "<p><code>?{}=</code> {}</p>", escape(name), escape(what));
    }
    for (kind, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        _ = writeln!(out, "<p>Send <code>{}</code></p>", escape(kind));
        write_schema(out, &content["schema"]);
    }
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        if status == "default" {
            continue;
        }
        _ = writeln!(out, "<p>Answers <code>{status}</code></p>");
        for content in answer["content"].as_object().into_iter().flat_map(|content| content.values()) {
            write_schema(out, &content["schema"]);
        }
    }
}

fn who(operation: &Value) -> &'static str {
    let schemes: Vec<&str> = operation["security"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|scheme| scheme.as_object()?.keys().next().map(String::as_str))
        .collect();
    match schemes.as_slice() {
        [] => "For anybody.",
        ["bearer"] => "For users.",
        ["operator"] => "For the operator.",
        ["basic"] => "With a name and a password, or a token.",
        _ => "For users and the operator.",
    }
}

fn write_schema(out: &mut String, schema: &Value) {
    let mut rows = String::new();
    write_fields(&mut rows, "", schema, 0);
    if !rows.is_empty() {
        _ = writeln!(out, "<table><tr><th>Field</th><th>Type</th><th></th></tr>\n{rows}</table>");
    }
}

/// The fields of an object, with those of the objects in it.
fn write_fields(out: &mut String, prefix: &str, schema: &Value, depth: usize) {
    const DEPTH_MAX: usize = 4;
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let what = field["description"].as_str().unwrap_or_default();
        _ = writeln!(
            out,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            escape(&path),
            type_of(field),
            escape(what)
        );
        if depth < DEPTH_MAX {
            let inner = field["anyOf"].as_array().and_then(|options| options.first()).unwrap_or(field);
            write_fields(out, &path, inner, depth + 1);
            write_fields(out, &format!("{path}[]"), &inner["items"], depth + 1);
        }
    }
}

fn type_of(field: &Value) -> String {
    match &field["type"] {
        Value::String(name) => escape(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ if field["$ref"].is_string() => "event".to_owned(),
        _ => String::new(),
    }
}

fn anchor(tag: &str) -> String {
    tag.to_lowercase().replace(' ', "-")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
