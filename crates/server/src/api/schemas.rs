//! Schemas of bodies, collected as components of the document.

use std::collections::{BTreeMap, BTreeSet};

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value};

/// Adds a type and the types within it to a generator, and returns the reference to it.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

const SCHEMAS: &str = "#/components/schemas/";
/// The prefix of references in requests, until it is known which types look the same in responses.
const REQUESTS: &str = "#/components/requests/";

/// The schemas of all bodies. A type may be written differently than it is read, so each direction has its generator.
pub(super) struct Schemas {
    requests: SchemaGenerator,
    responses: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = |path: &str| {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path =
                    path.trim_start_matches('#').trim_end_matches('/').to_owned().into();
            })
        };
        Self {
            requests: settings(REQUESTS).for_deserialize().into_generator(),
            responses: settings(SCHEMAS).for_serialize().into_generator(),
        }
    }

    pub(super) fn request(&mut self, schema: SchemaOf) -> Value {
        schema(&mut self.requests).to_value()
    }

    pub(super) fn response(&mut self, schema: SchemaOf) -> Value {
        schema(&mut self.responses).to_value()
    }

    /// Adds the collected schemas to the document under their published names.
    pub(super) fn publish_in(mut self, document: &mut Value) {
        let requests = self.requests.take_definitions(true);
        let responses = self.responses.take_definitions(true);
        let shared = read_as_written(&requests, &responses);

        let mut names = BTreeMap::new();
        for name in responses.keys() {
            names.insert(format!("{SCHEMAS}{name}"), published(name));
        }
        for name in requests.keys() {
            let is_other = responses.contains_key(name) && !shared.contains(name);
            let suffix = if is_other { "Input" } else { "" };
            names.insert(format!("{REQUESTS}{name}"), published(name) + suffix);
        }
        let own_requests = requests.into_iter().filter(|(name, _)| !shared.contains(name));
        let mut schemas = BTreeMap::new();
        for (prefix, (name, schema)) in own_requests
            .map(|definition| (REQUESTS, definition))
            .chain(responses.into_iter().map(|definition| (SCHEMAS, definition)))
        {
            let is_numbered = name.ends_with(|last: char| last.is_ascii_digit());
            let published = names[&format!("{prefix}{name}")].clone();
            let other = schemas.insert(published.clone(), schema);
            // The generator adds numbers to types that have the same name. Numbers would tell a reader nothing.
            assert!(!is_numbered && other.is_none(), "two types are published as {published}: rename one");
        }
        document["components"]["schemas"] = schemas.into_iter().collect::<Map<_, _>>().into();
        visit_references(document, &mut |reference| {
            if let Some(name) = names.get(reference.as_str()) {
                *reference = format!("{SCHEMAS}{name}");
            }
        });
    }
}

/// The types that look the same in requests and in responses, with all their parts.
fn read_as_written(requests: &Map<String, Value>, responses: &Map<String, Value>) -> BTreeSet<String> {
    let mut shared: BTreeMap<&String, BTreeSet<String>> = requests
        .iter()
        .filter_map(|(name, schema)| {
            let (mut schema, mut parts) = (schema.clone(), BTreeSet::new());
            visit_references(&mut schema, &mut |reference| {
                if let Some(part) = reference.strip_prefix(REQUESTS) {
                    parts.insert(part.to_owned());
                    *reference = format!("{SCHEMAS}{part}");
                }
            });
            (responses.get(name) == Some(&schema)).then_some((name, parts))
        })
        .collect();
    loop {
        let (length, known) = (shared.len(), shared.keys().copied().cloned().collect::<BTreeSet<_>>());
        shared.retain(|_, parts| parts.is_subset(&known));
        if shared.len() == length {
            return known;
        }
    }
}

/// The name in the document, which uses the words of OpenAPI.
fn published(name: &str) -> String {
    if let Some(stem) = name.strip_suffix("Answer") {
        return format!("{stem}Response");
    }
    if name == "ErrorBody" {
        return "Error".to_owned();
    }
    if let Some(stem) = name.strip_suffix("Body") {
        return format!("{stem}Request");
    }
    name.strip_suffix("View").unwrap_or(name).to_owned()
}

fn visit_references(value: &mut Value, visit: &mut impl FnMut(&mut String)) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(reference) if name == "$ref" => visit(reference),
                    field => visit_references(field, visit),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| visit_references(item, visit)),
        _ => {}
    }
}
