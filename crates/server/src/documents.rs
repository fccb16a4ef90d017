//! The OpenAPI document, and the page that shows it to readers.

use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::Value;

/// The API's description in both forms.
pub(crate) struct Documents {
    pub(crate) openapi: Bytes,
    pub(crate) page: String,
}

impl Documents {
    pub(crate) fn new(document: &Value) -> Self {
        let openapi =
            serde_json::to_vec_pretty(document).expect("a document can always be written to memory");
        Self { openapi: openapi.into(), page: Page { document, out: String::new() }.write() }
    }
}

const METHODS: &[&str] = &["get", "post", "put", "patch", "delete"];

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>The annals API</title>
<link rel="stylesheet" href="/docs.css">
</head>
<body>
<h1>The annals API</h1>
<p>This page shows the <a href="/openapi.json">OpenAPI 3.1 document</a>.</p>
"#;

/// One page with every operation, by tag.
struct Page<'a> {
    document: &'a Value,
    out: String,
}

impl<'a> Page<'a> {
    fn write(mut self) -> String {
        self.out.push_str(HEAD);
        let operations = self.operations();
        let mut tags: Vec<&str> =
            operations.iter().filter_map(|(_, _, operation)| operation["tags"][0].as_str()).collect();
        tags.sort_unstable();
        tags.dedup();
        self.out.push_str("<nav><ul>\n");
        for heading in ["Requests and responses"].iter().chain(&tags).chain(&["Event types"]) {
            _ = writeln!(self.out, "<li><a href=\"#{}\">{}</a></li>", anchor(heading), escape(heading));
        }
        self.out.push_str("</ul></nav>\n");
        self.write_conventions();
        for tag in tags {
            self.write_heading(tag);
            for (method, path, operation) in &operations {
                if operation["tags"][0] == *tag && !self.is_alias(method, path) {
                    self.write_operation(method, path, operation);
                }
            }
        }
        self.write_event_types();
        self.out.push_str("</body>\n</html>\n");
        self.out
    }

    fn operations(&self) -> Vec<(&'static str, &'a str, &'a Value)> {
        let paths = self.document["paths"].as_object().into_iter().flatten();
        paths
            .flat_map(|(path, item)| {
                METHODS.iter().filter_map(move |method| Some((*method, path.as_str(), item.get(*method)?)))
            })
            .collect()
    }

    /// Whether this method does the same as the path's `PATCH`. The page shows such an operation once.
    fn is_alias(&self, method: &str, path: &str) -> bool {
        let item = &self.document["paths"][path];
        method == "put" && item["patch"]["summary"] == item["put"]["summary"]
    }

    fn write_heading(&mut self, heading: &str) {
        _ = writeln!(self.out, "<h2 id=\"{}\">{}</h2>", anchor(heading), escape(heading));
    }

    /// Writes what holds for many operations: credentials, headers, errors.
    fn write_conventions(&mut self) {
        let components = &self.document["components"];
        self.write_heading("Requests and responses");
        self.out
            .push_str("<p>Bodies are JSON. Send credentials as <code>Authorization</code>:</p>\n<table>\n");
        for (name, scheme) in entries(&components["securitySchemes"]) {
            let header = if scheme["scheme"] == "basic" { "Basic …" } else { "Bearer …" };
            self.write_row(&[&code(header), who(&[name]), &prose(&scheme["description"])]);
        }
        self.out.push_str("</table>\n<p>Request headers:</p>\n<table>\n");
        for (name, parameter) in entries(&components["parameters"]) {
            if parameter["in"] == "header" {
                let id = format!("<code id=\"header-{name}\">{name}</code>");
                self.write_row(&[&id, &prose(&parameter["description"])]);
            }
        }
        self.out.push_str("</table>\n<p>Response headers:</p>\n<table>\n");
        for (name, header) in entries(&components["headers"]) {
            self.write_row(&[&code(name), &prose(&header["description"])]);
        }
        self.out.push_str("</table>\n<p>Errors:</p>\n<table>\n");
        let statuses = self.error_statuses();
        for (name, response) in entries(&components["responses"]) {
            let status = statuses.iter().find(|(other, _)| *other == name).map_or("", |(_, status)| status);
            let status = if status == "default" { "other" } else { status };
            self.write_row(&[&code(status), &prose(&response["description"])]);
        }
        self.out.push_str("</table>\n<p>The body of an error:</p>\n");
        self.write_schema(&components["responses"]["Error"]["content"]["application/json"]["schema"]);
    }

    /// The shared errors with their statuses. Only the operations say which status an error has.
    fn error_statuses(&self) -> Vec<(&'a str, &'a str)> {
        let operations = self.operations();
        let responses = operations.iter().flat_map(|(_, _, operation)| entries(&operation["responses"]));
        responses
            .filter_map(|(status, response)| Some((response["$ref"].as_str()?.rsplit('/').next()?, status)))
            .collect()
    }

    fn write_operation(&mut self, method: &str, path: &str, operation: &'a Value) {
        let id = operation["operationId"].as_str().unwrap_or_default();
        let summary = prose(&operation["summary"]);
        let schemes: Vec<&str> =
            items(&operation["security"]).flat_map(entries).map(|(name, _)| name).collect();
        _ = writeln!(
            self.out,
            "<h3 id=\"{id}\"><b>{method}</b> {}</h3>\n<p>{summary}. <span class=\"who\">{}</span></p>",
            escape(path),
            who(&schemes)
        );
        let types: Vec<String> = items(&operation["x-event-types"])
            .filter_map(Value::as_str)
            .map(|name| format!("<a href=\"#event-{name}\"><code>{name}</code></a>"))
            .collect();
        if !types.is_empty() {
            _ = writeln!(self.out, "<p>Events it can record: {}</p>", types.join(", "));
        }
        self.write_parameters(operation);
        for (kind, content) in entries(&operation["requestBody"]["content"]) {
            _ = writeln!(self.out, "<p>Request body: {}</p>", code(kind));
            self.write_schema(&content["schema"]);
            match &content["example"] {
                Value::Null => {}
                Value::String(text) => _ = writeln!(self.out, "<pre>{}</pre>", escape(text)),
                value => _ = writeln!(self.out, "<pre>{}</pre>", escape(&format!("{value:#}"))),
            }
        }
        for (status, response) in entries(&operation["responses"]) {
            if response["$ref"].is_string() {
                continue;
            }
            let kinds: Vec<String> = entries(&response["content"]).map(|(kind, _)| code(kind)).collect();
            _ = writeln!(self.out, "<p>Response: {} {}</p>", code(status), kinds.join(", "));
            for (_, content) in entries(&response["content"]) {
                self.write_schema(&content["schema"]);
            }
        }
    }

    fn write_parameters(&mut self, operation: &'a Value) {
        let parameters: Vec<&Value> =
            items(&operation["parameters"]).map(|parameter| self.resolve(parameter)).collect();
        if parameters.is_empty() {
            return;
        }
        self.out.push_str("<table><tr><th>Parameter</th><th>In</th><th></th></tr>\n");
        for parameter in parameters {
            let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
            // The shared headers are explained once.
            let is_shared =
                place == "header" && self.document["components"]["parameters"].get(name).is_some();
            let what = if is_shared {
                format!("<a href=\"#header-{name}\">see above</a>")
            } else {
                prose(&parameter["description"])
            };
            self.write_row(&[&code(name), place, &what]);
        }
        self.out.push_str("</table>\n");
    }

    fn write_event_types(&mut self) {
        self.write_heading("Event types");
        self.out.push_str(
            "<p>The schema of each type's <code>type_data</code> is at <a href=\"/v1/event_types\">/v1/event_types</a>.</p>\n<table>\n",
        );
        for event_type in items(&self.document["components"]["schemas"]["Event"]["oneOf"]) {
            let name = text(&event_type["title"]);
            let id = format!("<code id=\"event-{name}\">{name}</code>");
            self.write_row(&[&id, &prose(&event_type["description"])]);
        }
        self.out.push_str("</table>\n");
    }

    fn write_schema(&mut self, schema: &'a Value) {
        let mut rows = Vec::new();
        self.collect_fields(&mut rows, "", schema, 0);
        if rows.is_empty() {
            return;
        }
        self.out.push_str("<table><tr><th>Field</th><th>Type</th><th></th></tr>\n");
        for [path, kind, what] in rows {
            self.write_row(&[&code(&path), &kind, &what]);
        }
        self.out.push_str("</table>\n");
    }

    /// The fields of an object, with those of the objects in it. Those of events are shown once, by type.
    fn collect_fields(&self, rows: &mut Vec<[String; 3]>, prefix: &str, schema: &'a Value, depth: usize) {
        const DEPTH_MAX: usize = 4;
        let schema = self.resolve(schema);
        if depth > DEPTH_MAX || schema.get("oneOf").is_some() && depth > 0 {
            return;
        }
        for (name, field) in entries(&schema["properties"]) {
            let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            rows.push([path.clone(), self.type_of(field), prose(&field["description"])]);
            self.collect_fields(rows, &path, field, depth + 1);
        }
        if let Some(item) = schema.get("items") {
            self.collect_fields(rows, &format!("{prefix}[]"), item, depth);
        }
    }

    fn type_of(&self, field: &'a Value) -> String {
        if field["$ref"] == "#/components/schemas/Event" {
            return "<a href=\"#event-types\">event</a>".to_owned();
        }
        let field = self.resolve(field);
        match &field["type"] {
            Value::String(name) if name == "array" => format!("array of {}", self.type_of(&field["items"])),
            Value::String(name) => escape(name),
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
            _ => String::new(),
        }
    }

    /// The value that a reference leads to. Of alternatives, this is the first, since the other is null.
    fn resolve(&self, value: &'a Value) -> &'a Value {
        let value = value["anyOf"].get(0).unwrap_or(value);
        let target =
            value["$ref"].as_str().and_then(|target| self.document.pointer(target.strip_prefix('#')?));
        target.unwrap_or(value)
    }

    fn write_row(&mut self, cells: &[&str]) {
        let cells: Vec<String> = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        _ = writeln!(self.out, "<tr>{}</tr>", cells.concat());
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn who(schemes: &[&str]) -> &'static str {
    match schemes {
        [] => "No credential needed.",
        ["bearer"] => "For users.",
        ["operator"] => "For the operator.",
        ["basic"] => "With a name and a password, or a token.",
        _ => "For users and the operator.",
    }
}

fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(' ', "-")
}

/// Text in which backticks mark code.
fn prose(value: &Value) -> String {
    let parts = text(value).split('`').enumerate();
    parts.map(|(index, part)| if index % 2 == 1 { code(part) } else { escape(part) }).collect()
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
