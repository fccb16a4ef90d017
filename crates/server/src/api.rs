//! Paths with what the OpenAPI document says of them, written in one place so that they cannot part.
//!
//! A resource's file gives its part of the API ([`Api`]): path, handler and description side by side. The router is the
//! parts together, and so is the document.

use std::collections::BTreeMap;

use crate::state::AppState;
use annals_model::catalogue;
use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use http::StatusCode;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::error::ErrorBody;

/// A part of the API.
pub(crate) struct Api {
    router: Router<AppState>,
    /// What is documented, by path and method.
    paths: BTreeMap<&'static str, Map<String, Value>>,
    tag: &'static str,
}

/// What the document says of one method of one path.
pub(crate) struct Operation {
    summary: &'static str,
    security: Value,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: Map<String, Value>,
}

/// Begins the description of an operation. Without more being said, it takes a user's credential and no body.
pub(crate) fn op(summary: &'static str) -> Operation {
    let answers = Map::new();
    Operation { summary, security: json!([{ "bearer": [] }]), parameters: Vec::new(), body: None, answers }
}

impl Operation {
    /// It takes a body of this form.
    pub(crate) fn body<T: JsonSchema>(mut self) -> Self {
        let schema = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let schema = without_dialect(schema.into_generator().into_root_schema_for::<T>());
        self.body = Some(json!({ "content": { "application/json": { "schema": schema } } }));
        self
    }

    /// It takes a body of these types of content, of which no more is said.
    pub(crate) fn raw_body(mut self, content_types: &[&str]) -> Self {
        let content: Map<_, _> = content_types.iter().map(|kind| ((*kind).to_owned(), json!({}))).collect();
        self.body = Some(json!({ "required": true, "content": content }));
        self
    }

    /// It answers so, with this.
    pub(crate) fn answers<T: JsonSchema>(self, status: StatusCode) -> Self {
        let settings = SchemaSettings::draft2020_12().for_serialize();
        let schema = settings.with(|settings| settings.inline_subschemas = true);
        let schema = without_dialect(schema.into_generator().into_root_schema_for::<T>());
        self.answers_with(status, "application/json", schema)
    }

    /// It answers 200 with this.
    pub(crate) fn ok<T: JsonSchema>(self) -> Self {
        self.answers::<T>(StatusCode::OK)
    }

    /// It answers 201 with this.
    pub(crate) fn created<T: JsonSchema>(self) -> Self {
        self.answers::<T>(StatusCode::CREATED)
    }

    /// It answers so, with a body of that type and form.
    pub(crate) fn answers_with(mut self, status: StatusCode, content_type: &str, schema: Value) -> Self {
        let description = status.canonical_reason().unwrap_or_default();
        let answer = json!({ "description": description, "content": { content_type: { "schema": schema } } });
        self.answers.insert(status.as_str().to_owned(), answer);
        self
    }

    /// It answers so, with nothing.
    pub(crate) fn empty(mut self, status: StatusCode) -> Self {
        let description = status.canonical_reason().unwrap_or_default();
        self.answers.insert(status.as_str().to_owned(), json!({ "description": description }));
        self
    }

    /// It answers 204.
    pub(crate) fn no_content(self) -> Self {
        self.empty(StatusCode::NO_CONTENT)
    }

    /// It takes this in the query.
    pub(crate) fn query(mut self, name: &str, what: &str) -> Self {
        let schema = json!({ "type": "string" });
        self.parameters.push(json!({ "name": name, "in": "query", "description": what, "schema": schema }));
        self
    }

    /// It takes this number in the query.
    pub(crate) fn query_number(mut self, name: &str, what: &str) -> Self {
        let schema = json!({ "type": "integer", "minimum": 1 });
        self.parameters.push(json!({ "name": name, "in": "query", "description": what, "schema": schema }));
        self
    }

    /// Anybody may ask for it.
    pub(crate) fn open(mut self) -> Self {
        self.security = json!([]);
        self
    }

    /// It takes the operator token.
    pub(crate) fn operator(mut self) -> Self {
        self.security = json!([{ "operator": [] }]);
        self
    }

    /// It takes the operator token or a user's credential.
    pub(crate) fn anybody_known(mut self) -> Self {
        self.security = json!([{ "bearer": [] }, { "operator": [] }]);
        self
    }

    /// It takes a name and a password.
    pub(crate) fn basic(mut self) -> Self {
        self.security = json!([{ "basic": [] }]);
        self
    }
}

impl Api {
    /// A part without paths yet, listed under that heading.
    pub(crate) fn of(tag: &'static str) -> Self {
        Self { router: Router::new(), paths: BTreeMap::new(), tag }
    }

    pub(crate) fn get<H: Handler<T, AppState>, T: 'static>(
        self,
        path: &'static str,
        handler: H,
        operation: Operation,
    ) -> Self {
        self.add(path, &[("get", MethodFilter::GET)], handler, operation)
    }

    pub(crate) fn post<H: Handler<T, AppState>, T: 'static>(
        self,
        path: &'static str,
        handler: H,
        operation: Operation,
    ) -> Self {
        self.add(path, &[("post", MethodFilter::POST)], handler, operation)
    }

    pub(crate) fn put<H: Handler<T, AppState>, T: 'static>(
        self,
        path: &'static str,
        handler: H,
        operation: Operation,
    ) -> Self {
        self.add(path, &[("put", MethodFilter::PUT)], handler, operation)
    }

    /// A change of what is there, which clients ask for with either method.
    pub(crate) fn patch<H: Handler<T, AppState>, T: 'static>(
        self,
        path: &'static str,
        handler: H,
        operation: Operation,
    ) -> Self {
        self.add(path, &[("patch", MethodFilter::PATCH), ("put", MethodFilter::PUT)], handler, operation)
    }

    pub(crate) fn delete<H: Handler<T, AppState>, T: 'static>(
        self,
        path: &'static str,
        handler: H,
        operation: Operation,
    ) -> Self {
        self.add(path, &[("delete", MethodFilter::DELETE)], handler, operation)
    }

    fn add<H: Handler<T, AppState>, T: 'static>(
        mut self,
        path: &'static str,
        methods: &[(&'static str, MethodFilter)],
        handler: H,
        operation: Operation,
    ) -> Self {
        let Operation { summary, security, parameters, body, answers } = operation;
        for (name, filter) in methods {
            self.router = self.router.route(path, on(*filter, handler.clone()));
            let mut described = json!({
                "tags": [self.tag],
                "summary": summary,
                "operationId": operation_id(name, path),
                "security": security,
                "parameters": parameters,
                "responses": answers,
            });
            if let Some(body) = &body {
                described["requestBody"] = body.clone();
            }
            described["responses"]["default"] = json!({ "$ref": "#/components/responses/Error" });
            self.paths.entry(path).or_default().insert((*name).to_owned(), described);
        }
        self
    }

    /// Both parts together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        for (path, methods) in other.paths {
            self.paths.entry(path).or_default().extend(methods);
        }
        self
    }

    /// The paths, and the document that describes them.
    pub(crate) fn finish(self) -> (Router<AppState>, Value) {
        let paths: Map<String, Value> = self
            .paths
            .into_iter()
            .map(|(path, mut methods)| {
                let parameters: Vec<_> = path.split('/').filter_map(path_parameter).collect();
                if !parameters.is_empty() {
                    methods.insert("parameters".to_owned(), parameters.into());
                }
                (path.to_owned(), methods.into())
            })
            .collect();
        let error = without_dialect(
            SchemaSettings::draft2020_12()
                .for_serialize()
                .into_generator()
                .into_root_schema_for::<ErrorBody>(),
        );
        let document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "annals",
                "description": "The activity of an application platform: who did what, to which app, when.",
                "version": env!("CARGO_PKG_VERSION"),
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            },
            "servers": [{ "url": "/" }],
            "paths": paths,
            "components": {
                "schemas": { "Event": event_schema() },
                "responses": { "Error": {
                    "description": "The request was not carried out, and nothing was recorded.",
                    "content": { "application/json": { "schema": error } },
                } },
                "securitySchemes": {
                    "bearer": {
                        "type": "http", "scheme": "bearer",
                        "description": "A user's API token (tk-us-…), or what it was exchanged for.",
                    },
                    "operator": {
                        "type": "http", "scheme": "bearer",
                        "description": "The operator token (tk-op-…): the platform's own credential.",
                    },
                    "basic": { "type": "http", "scheme": "basic" },
                },
            },
        });
        (self.router, document)
    }
}

/// An event of any type of the catalogue.
fn event_schema() -> Value {
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
                    // Sizes beside counts, and hidden values, make it differ by client and by role.
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
    json!({
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

/// What the document says of a part of a path in braces.
fn path_parameter(part: &str) -> Option<Value> {
    let name = part.strip_prefix('{')?.strip_suffix('}')?;
    let what = match name {
        "app" | "parent" => "The app's name or identifier.",
        "user" => "The user's identifier.",
        _ => "The identifier.",
    };
    let schema = json!({ "type": "string", "minLength": 1 });
    Some(json!({ "name": name, "in": "path", "required": true, "description": what, "schema": schema }))
}

/// `getV1AppsAppEvents`
fn operation_id(method: &str, path: &str) -> String {
    let words =
        path.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(method.to_owned(), |mut id, word| {
        id.push_str(&word[..1].to_uppercase());
        id.push_str(&word[1..]);
        id
    })
}

/// A schema as a part of the document, which says the dialect once.
fn without_dialect(schema: Schema) -> Value {
    let mut value = schema.to_value();
    if let Some(object) = value.as_object_mut() {
        object.remove("$schema");
    }
    value
}
