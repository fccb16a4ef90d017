//! Checks a request against what its operation takes, before the handler runs.
//!
//! The OpenAPI document already lists each operation's parameters and fields, so nothing is listed twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use annals_model::{FieldErrors, nearest};
use axum::extract::{MatchedPath, Request};
use http::Method;
use serde_json::Value;

use crate::error::ApiError;

/// Query parameters that official clients send and that change nothing here.
const SENT_BY_CLIENTS: &[(&str, &[&str])] =
    &[("/v1/addon_providers", &["dedicated"]), ("/v1/features/container_sizes", &["app_id"])];

/// The most misspelt fields that a response names.
const MISSPELT_MAX: usize = 100;

/// The operations of the API, by path and lower-case method.
pub(crate) struct Operations(HashMap<String, BTreeMap<String, Operation>>);

struct Operation {
    /// The query parameters that it takes; `None` if it ignores others. A request whose parameter is ignored returns too much,
    /// or changes what was meant to be only checked.
    parameters: Option<Vec<String>>,
    body: Option<BodyFields>,
}

/// The fields that an operation's body may have. The body's extractor finds this in the request's extensions.
#[derive(Clone)]
pub(crate) struct BodyFields {
    document: Arc<Value>,
    /// The JSON Schema of the body, whose references lead into the document.
    schema: Arc<Value>,
}

impl Operations {
    /// Reads the operations of an OpenAPI document.
    pub(crate) fn new(document: &Value) -> Self {
        let document = Arc::new(document.clone());
        let paths = document["paths"].as_object().into_iter().flatten();
        let operations = paths.map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flatten();
            let methods = methods.filter(|(method, _)| *method != "parameters");
            let methods = methods
                .map(|(method, described)| (method.clone(), Operation::new(path, described, &document)));
            (path.clone(), methods.collect())
        });
        Self(operations.collect())
    }

    /// The paths, with parameters in braces.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The methods of a path, as `GET or POST`.
    pub(crate) fn methods(&self, path: &str) -> String {
        let methods = self.0.get(path).into_iter().flat_map(BTreeMap::keys);
        methods.map(|name| name.to_uppercase()).collect::<Vec<_>>().join(" or ")
    }

    /// Checks what can be checked before the body is read. Returns what the body is checked against.
    pub(crate) fn check(&self, request: &Request) -> Result<Option<BodyFields>, ApiError> {
        let query = request.uri().query().filter(|query| !query.is_empty());
        let is_read = request.method() == Method::GET || request.method() == Method::HEAD;
        if is_read && query.is_none() {
            return Ok(None);
        }
        let Some(path) = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str) else {
            return Ok(None);
        };
        let method = if is_read { "get" } else { &*request.method().as_str().to_lowercase() };
        let Some(operation) = self.0.get(path).and_then(|methods| methods.get(method)) else {
            return Ok(None);
        };
        if let (Some(known), Some(query)) = (&operation.parameters, query) {
            refuse_unknown_parameters(known, query)?;
        }
        Ok(operation.body.clone())
    }
}

impl Operation {
    fn new(path: &str, described: &Value, document: &Arc<Value>) -> Self {
        let parameters = described["parameters"].as_array().into_iter().flatten();
        let parameters = parameters.map(|parameter| resolve(document, parameter));
        let parameters = parameters.filter(|parameter| parameter["in"] == "query");
        let documented = parameters.filter_map(|parameter| parameter["name"].as_str());
        let sent = SENT_BY_CLIENTS.iter().filter(|(of, _)| *of == path).flat_map(|(_, names)| *names);
        let known = documented.chain(sent.copied()).map(str::to_owned).collect();
        let body = &described["requestBody"]["content"]["application/json"]["schema"];
        Self {
            parameters: is_strict(path).then_some(known),
            body: body
                .is_object()
                .then(|| BodyFields { document: Arc::clone(document), schema: Arc::new(body.clone()) }),
        }
    }
}

/// Returns whether unknown query parameters are refused. Browsers and monitoring add some to other paths than the API's, and
/// forges to the address of a webhook.
fn is_strict(path: &str) -> bool {
    (path.starts_with("/v1/") || path.starts_with("/api/")) && path != "/v1/apps/{app}/scm_repo_link/hook"
}

fn refuse_unknown_parameters(known: &[String], query: &str) -> Result<(), ApiError> {
    let names = url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name.into_owned());
    let unknown = names.filter(|name| !known.contains(name));
    let message = match known {
        [] => "unknown parameter; this request takes none".to_owned(),
        known => format!("unknown parameter; known: {}", known.join(", ")),
    };
    let errors = FieldErrors::any(unknown.map(|name| (name, message.clone())));
    errors.map_or(Ok(()), |errors| Err(ApiError::Invalid(errors)))
}

impl BodyFields {
    /// Refuses misspelt fields. Other unknown fields are ignored, since official clients send some.
    pub(crate) fn check(&self, body: &[u8]) -> Result<(), ApiError> {
        // A body that is not JSON is refused where it is parsed.
        let Ok(body) = serde_json::from_slice(body) else { return Ok(()) };
        let mut misspelt = Vec::new();
        find_misspelt(&self.document, &self.schema, &body, "", &mut misspelt);
        FieldErrors::any(misspelt).map_or(Ok(()), |errors| Err(ApiError::Invalid(errors)))
    }
}

/// Finds unknown fields with a name near that of a known field that the same object lacks.
fn find_misspelt(
    document: &Value,
    schema: &Value,
    value: &Value,
    path: &str,
    found: &mut Vec<(String, String)>,
) {
    match value {
        _ if found.len() == MISSPELT_MAX => {}
        Value::Object(fields) => {
            let known = properties(document, schema);
            let absent: Vec<_> = known.keys().copied().filter(|name| !fields.contains_key(*name)).collect();
            for (name, value) in fields {
                let field = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if let Some(schema) = known.get(name.as_str()) {
                    find_misspelt(document, schema, value, &field, found);
                } else if found.len() < MISSPELT_MAX
                    && let Some(meant) = nearest(name, absent.iter().copied())
                {
                    found.push((field, format!("unknown field, did you mean {meant}?")));
                }
            }
        }
        Value::Array(items) => {
            for schema in alternatives(document, schema).into_iter().filter_map(|schema| schema.get("items"))
            {
                for (index, item) in items.iter().enumerate() {
                    find_misspelt(document, schema, item, &format!("{path}[{index}]"), found);
                }
            }
        }
        _ => {}
    }
}

/// The fields that a schema names, in all of its alternatives.
fn properties<'a>(document: &'a Value, schema: &'a Value) -> BTreeMap<&'a str, &'a Value> {
    let alternatives = alternatives(document, schema).into_iter();
    let fields = alternatives.filter_map(|schema| schema["properties"].as_object()).flatten();
    fields.map(|(name, schema)| (name.as_str(), schema)).collect()
}

/// The schema and those it is composed of.
fn alternatives<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let schema = resolve(document, schema);
    let composed = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|key| schema[key].as_array()).flatten();
    std::iter::once(schema).chain(composed.flat_map(|schema| alternatives(document, schema))).collect()
}

/// Returns what a reference (`#/components/…`) leads to, or the value itself if it is no reference.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let target = value["$ref"].as_str().and_then(|path| document.pointer(path.strip_prefix('#')?));
    target.unwrap_or(value)
}
