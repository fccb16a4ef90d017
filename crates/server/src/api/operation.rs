//! The description of one operation.

use http::StatusCode;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::components;
use super::schemas::{SchemaOf, Schemas};
use crate::extract::FILTER_PARAMETERS;

/// What the document says about one method of one path.
pub(crate) struct Operation {
    summary: &'static str,
    /// The event types that it can record.
    records: &'static [&'static str],
    schemes: &'static [&'static str],
    parameters: Vec<Value>,
    body: Vec<Content>,
    responses: Vec<Answer>,
    is_action: bool,
    is_repeatable: bool,
    has_effects: bool,
    is_limited: bool,
}

/// One form of a body.
struct Content {
    kind: &'static str,
    schema: Option<SchemaOf>,
    example: Option<Value>,
}

struct Answer {
    status: StatusCode,
    content: Option<Content>,
    /// Whether its `Location` header names a container operation that clients can poll.
    has_location: bool,
}

/// How an operation treats `X-Dry-Run: true`, or an `Idempotency-Key`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Support {
    /// It changes nothing anyway.
    Needless,
    /// It does what the header asks for.
    Honored,
    /// It cannot be checked without being done, or a repeat of it would be done again.
    Refused,
}

/// Begins the description of an operation. By default it takes a user's credential and no body. If it changes something,
/// `Idempotency-Key` and `X-Dry-Run: true` are refused.
pub(crate) fn op(summary: &'static str) -> Operation {
    Operation {
        summary,
        records: &[],
        schemes: &["bearer"],
        parameters: Vec::new(),
        body: Vec::new(),
        responses: Vec::new(),
        is_action: false,
        is_repeatable: false,
        has_effects: false,
        is_limited: false,
    }
}

/// Begins the description of an operation whose handler honors `Idempotency-Key` and `X-Dry-Run`.
pub(crate) fn action(summary: &'static str) -> Operation {
    Operation { is_action: true, is_repeatable: true, ..op(summary) }
}

impl Operation {
    /// Names the event types that it can record.
    pub(crate) fn records(mut self, event_types: &'static [&'static str]) -> Self {
        self.records = event_types;
        self
    }

    /// Adds a JSON request body.
    pub(crate) fn body<T: JsonSchema>(self) -> Self {
        self.content("application/json", Some(SchemaGenerator::subschema_for::<T>))
    }

    /// Adds a request body without a schema.
    pub(crate) fn raw_body(self, kind: &'static str) -> Self {
        self.content(kind, None)
    }

    fn content(mut self, kind: &'static str, schema: Option<SchemaOf>) -> Self {
        self.body.push(Content { kind, schema, example: None });
        self
    }

    /// Sets an example of the request body that was added last.
    pub(crate) fn example(mut self, example: Value) -> Self {
        self.body.last_mut().expect("an example follows its body").example = Some(example);
        self
    }

    /// Adds a JSON response.
    pub(crate) fn answers<T: JsonSchema>(self, status: StatusCode) -> Self {
        self.response(status, "application/json", Some(SchemaGenerator::subschema_for::<T>))
    }

    /// Adds a 200 response.
    pub(crate) fn ok<T: JsonSchema>(self) -> Self {
        self.answers::<T>(StatusCode::OK)
    }

    /// Adds a 201 response.
    pub(crate) fn created<T: JsonSchema>(self) -> Self {
        self.answers::<T>(StatusCode::CREATED)
    }

    /// Adds a 200 response with text.
    pub(crate) fn text(self, kind: &'static str) -> Self {
        self.response(StatusCode::OK, kind, Some(SchemaGenerator::subschema_for::<String>))
    }

    /// Adds a 200 response without a schema.
    pub(crate) fn bytes(self, kind: &'static str) -> Self {
        self.response(StatusCode::OK, kind, None)
    }

    fn response(mut self, status: StatusCode, kind: &'static str, schema: Option<SchemaOf>) -> Self {
        let content = Some(Content { kind, schema, example: None });
        self.responses.push(Answer { status, content, has_location: false });
        self
    }

    /// Adds a response without a body.
    pub(crate) fn empty(mut self, status: StatusCode) -> Self {
        self.responses.push(Answer { status, content: None, has_location: false });
        self
    }

    /// Adds a 101 response.
    pub(crate) fn switching_protocols(self) -> Self {
        self.empty(StatusCode::SWITCHING_PROTOCOLS)
    }

    /// Adds a 204 response.
    pub(crate) fn no_content(self) -> Self {
        self.empty(StatusCode::NO_CONTENT)
    }

    /// Says that the response added last names an operation in `Location`.
    pub(crate) fn with_location(mut self) -> Self {
        self.responses.last_mut().expect("a header follows its response").has_location = true;
        self
    }

    /// Adds a query parameter.
    pub(crate) fn query(self, name: &str, what: &str) -> Self {
        let schema = json!({ "type": "string" });
        self.parameter(json!({ "name": name, "in": "query", "description": what, "schema": schema }))
    }

    /// Adds a header that only this operation reads.
    pub(crate) fn header(self, name: &str, what: &str) -> Self {
        let schema = json!({ "type": "string" });
        self.parameter(json!({ "name": name, "in": "header", "description": what, "schema": schema }))
    }

    /// Adds the query parameters of pages.
    pub(crate) fn paged(self) -> Self {
        self.parameter(components::parameter("page")).parameter(components::parameter("per_page"))
    }

    /// Adds the query parameters of timelines.
    pub(crate) fn timeline(self) -> Self {
        let named = ["from", "as_of", "before", "after_event"].into_iter().chain(FILTER_PARAMETERS);
        named.fold(self.paged(), |op, name| op.parameter(components::parameter(name)))
    }

    /// Adds those of them that ask for pages.
    pub(crate) fn filtered(self) -> Self {
        let named = ["as_of"].into_iter().chain(FILTER_PARAMETERS);
        named.fold(self.paged(), |op, name| op.parameter(components::parameter(name)))
    }

    /// Adds the query parameters of lists that are read on after an identifier.
    pub(crate) fn read_on(self) -> Self {
        self.parameter(components::parameter("per_page"))
            .query("after", "Returns only what follows this identifier: the `next_after` of the list before.")
    }

    /// Adds the query parameters of what reads timelines forward.
    pub(crate) fn forward(self) -> Self {
        let named = ["after"].into_iter().chain(FILTER_PARAMETERS);
        named.fold(self, |op, name| op.parameter(components::parameter(name)))
    }

    /// Adds the query parameter that chooses the form of an export.
    pub(crate) fn with_format(self) -> Self {
        self.parameter(components::parameter("format"))
    }

    fn parameter(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Requires no credential.
    pub(crate) fn open(mut self) -> Self {
        self.schemes = &[];
        self
    }

    /// Requires the operator token.
    pub(crate) fn operator(mut self) -> Self {
        self.schemes = &["operator"];
        self
    }

    /// Accepts the operator token or the token of an auditor.
    pub(crate) fn auditor(mut self) -> Self {
        self.schemes = &["operator", "auditor"];
        self
    }

    /// Accepts the operator token, the token of an auditor or a user's credential.
    pub(crate) fn anybody_known(mut self) -> Self {
        self.schemes = &["bearer", "operator", "auditor"];
        self
    }

    /// Requires a name and a password.
    pub(crate) fn basic(mut self) -> Self {
        self.schemes = &["basic"];
        self
    }

    /// Says that the number of attempts is limited, even of callers without a credential.
    pub(crate) fn limited(mut self) -> Self {
        self.is_limited = true;
        self
    }

    /// Says that a `GET` changes something.
    pub(crate) fn has_effects(mut self) -> Self {
        self.has_effects = true;
        self
    }

    /// Says that the handler honors `Idempotency-Key`, though not `X-Dry-Run`.
    pub(crate) fn repeatable(mut self) -> Self {
        self.is_repeatable = true;
        self
    }

    /// Whether the body is read before the sender has shown a credential.
    pub(super) fn reads_unproven(&self) -> bool {
        self.is_limited || self.schemes.is_empty()
    }

    pub(super) fn dry_run_support(&self, method: &str) -> Support {
        self.support(method, self.is_action)
    }

    pub(super) fn repeat_support(&self, method: &str) -> Support {
        self.support(method, self.is_repeatable)
    }

    fn support(&self, method: &str, is_honored: bool) -> Support {
        match () {
            () if is_honored => Support::Honored,
            () if self.has_effects || method != "get" => Support::Refused,
            () => Support::Needless,
        }
    }

    /// Describes the operation in the document.
    pub(super) fn describe(&self, id: &str, tag: &str, path: &str, schemas: &mut Schemas) -> Value {
        let mut parameters = self.parameters.clone();
        parameters.extend(self.is_repeatable.then(|| components::parameter("Idempotency-Key")));
        parameters.extend(self.is_action.then(|| components::parameter("X-Dry-Run")));
        let security: Vec<Value> = self.schemes.iter().map(|scheme| json!({ *scheme: [] })).collect();
        let mut described = json!({
            "tags": [tag],
            "summary": self.summary,
            "operationId": id,
            "security": security,
        });
        if !self.records.is_empty() {
            let names: Vec<String> = self.records.iter().map(|name| format!("`{name}`")).collect();
            described["description"] = format!("Events it can record: {}.", names.join(", ")).into();
            described["x-event-types"] = json!(self.records);
        }
        if !parameters.is_empty() {
            described["parameters"] = parameters.into();
        }
        if !self.body.is_empty() {
            let content = self.body.iter().map(|content| content.describe(|schema| schemas.request(schema)));
            described["requestBody"]["content"] = content.collect::<Map<_, _>>().into();
            // Every JSON body of an action may be left out: it is read as {}.
            if self.body.iter().any(|content| content.schema.is_none()) {
                described["requestBody"]["required"] = true.into();
            }
        }
        described["responses"] = self.describe_responses(path, schemas);
        described
    }

    fn describe_responses(&self, path: &str, schemas: &mut Schemas) -> Value {
        let mut responses = Map::new();
        for answer in &self.responses {
            let mut headers = vec!["X-Request-Id"];
            headers.extend(self.is_action.then_some("X-Dry-Run"));
            headers.extend(answer.has_location.then_some("Location"));
            let mut described = json!({
                "description": answer.status.canonical_reason().unwrap_or_default(),
                "headers": components::headers(&headers),
            });
            if let Some(content) = &answer.content {
                let (kind, content) = content.describe(|schema| schemas.response(schema));
                described["content"] = json!({ kind: content });
            }
            responses.insert(answer.status.as_str().to_owned(), described);
        }
        for (name, is_expected) in [
            ("Unauthorized", !self.schemes.is_empty()),
            ("Forbidden", !self.schemes.is_empty()),
            ("NotFound", path.contains('{')),
            ("Invalid", !self.body.is_empty() || !self.parameters.is_empty()),
            ("TooManyRequests", self.is_limited || self.schemes.contains(&"bearer")),
            ("Unavailable", true),
            ("Error", true),
        ] {
            if is_expected {
                let (status, reference) = components::error(name);
                responses.entry(status).or_insert(reference);
            }
        }
        responses.into()
    }
}

impl Content {
    fn describe(&self, schema: impl FnOnce(SchemaOf) -> Value) -> (String, Value) {
        let mut described = json!({});
        if let Some(of) = self.schema {
            described["schema"] = schema(of);
        }
        if let Some(example) = &self.example {
            described["example"] = example.clone();
        }
        (self.kind.to_owned(), described)
    }
}
