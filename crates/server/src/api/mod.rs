//! Paths, and what the OpenAPI document says about them, in one place so that they cannot differ.
//!
//! A resource's file returns its part of the API ([`Api`]): path, handler and description side by side. The router consists
//! of these parts, and so does the document.

mod components;
mod event_schema;
mod operation;
mod schemas;

use std::any::type_name;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn;
use axum::routing::{MethodFilter, on};
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::arriving::Unproven;
use crate::dry_run;
use crate::error::ErrorBody;
use crate::idempotency;
use crate::state::AppState;

pub(crate) use event_schema::event_schema;
use operation::Support;
pub(crate) use operation::{Operation, action, op};
use schemas::Schemas;

/// A part of the API.
pub(crate) struct Api {
    router: Router<AppState>,
    /// By path and method.
    operations: BTreeMap<&'static str, BTreeMap<&'static str, Described>>,
    tag: &'static str,
}

struct Described {
    id: String,
    tag: &'static str,
    operation: Arc<Operation>,
}

impl Api {
    /// A part without paths, whose operations have this tag.
    pub(crate) fn of(tag: &'static str) -> Self {
        Self { router: Router::new(), operations: BTreeMap::new(), tag }
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

    /// Adds an update. Clients send either `PATCH` or `PUT` for it.
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
        let operation = Arc::new(operation);
        for (index, (method, filter)) in methods.iter().enumerate() {
            let route = on(*filter, handler.clone());
            let route = match operation.dry_run_support(method) {
                Support::Needless => route,
                Support::Honored => route.route_layer(from_fn(dry_run::honor)),
                Support::Refused => route.route_layer(from_fn(dry_run::refuse)),
            };
            let route = match operation.repeat_support(method) {
                Support::Needless => route,
                Support::Honored => route.route_layer(from_fn(idempotency::honor)),
                Support::Refused => route.route_layer(from_fn(idempotency::refuse)),
            };
            let route = match operation.reads_unproven() {
                true => route.route_layer(Extension(Unproven)),
                false => route,
            };
            self.router = self.router.route(path, route);
            let mut id = name_of::<H>().to_owned();
            if index > 0 {
                id = format!("{id}_with_{method}");
            }
            let described = Described { id, tag: self.tag, operation: operation.clone() };
            self.operations.entry(path).or_default().insert(method, described);
        }
        self
    }

    /// Joins two parts.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        for (path, methods) in other.operations {
            self.operations.entry(path).or_default().extend(methods);
        }
        self
    }

    /// Returns the router, and the document that describes it.
    pub(crate) fn finish(self) -> (Router<AppState>, Value) {
        let mut schemas = Schemas::new();
        let mut paths = Map::new();
        for (path, methods) in self.operations {
            let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            let parameters: Vec<Value> = names.chain(["X-Request-Id"]).map(components::parameter).collect();
            let mut item = json!({ "parameters": parameters });
            for (method, Described { id, tag, operation }) in methods {
                item[method] = operation.describe(&id, tag, path, &mut schemas);
            }
            paths.insert(path.to_owned(), item);
        }
        let error = schemas.response(SchemaGenerator::subschema_for::<ErrorBody>);
        let mut document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "annals",
                "description": "The activity of an application platform: who did what, to which app, when.",
                "version": env!("CARGO_PKG_VERSION"),
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            },
            "servers": [{ "url": "/" }],
            "paths": paths,
            "components": components::describe(&error),
        });
        schemas.publish_in(&mut document);
        (self.router, document)
    }
}

/// The name of a handler, without its module.
fn name_of<H>() -> &'static str {
    type_name::<H>().rsplit("::").next().unwrap_or_default()
}
