//! What operations share in the OpenAPI document: parameters, headers, errors, credentials.

use annals_model::filter::FILTER_BYTES_MAX;
use serde_json::{Map, Value, json};

use crate::limits::{
    FROM_HOURS_MAX, IDEMPOTENCY_KEY_BYTES_MAX, PAGE_DEFAULT, PAGE_MAX, REQUEST_ID_BYTES_MAX,
};

/// Errors: name, status, when, and the headers besides `X-Request-Id`.
const ERRORS: &[(&str, &str, &str, &[&str])] = &[
    ("Unauthorized", "401", "The credential is missing or invalid.", &["WWW-Authenticate"]),
    ("Forbidden", "403", "The caller is not allowed to do this.", &[]),
    ("NotFound", "404", "The resource does not exist, or the caller cannot access it.", &[]),
    ("Invalid", "422", "A field or parameter is invalid. Nothing was done.", &[]),
    ("TooManyRequests", "429", "Too many requests. Nothing was done.", &["Retry-After"]),
    (
        "Unavailable",
        "503",
        "The server cannot do this now. A change may have been committed: retry with the same `Idempotency-Key`.",
        &["Retry-After"],
    ),
    ("Error", "default", "The request failed.", &[]),
];

/// Path parameters by name.
const PATH_PARAMETERS: &[(&str, &str)] = &[
    ("addon", "The add-on's identifier."),
    ("app", "The app's name or identifier."),
    ("audit_log", "The identifier of the one-off container."),
    ("collaborator", "The collaborator's identifier."),
    ("container", "The container's identifier."),
    ("database", "The identifier of the database's add-on."),
    ("deployment", "The deployment's identifier."),
    ("domain", "The domain's identifier."),
    ("event", "The event's identifier."),
    ("forge", "The kind of Git hosting service, as in `github`."),
    ("integration", "The integration's identifier, or the kind of Git hosting service, as in `github`."),
    ("key", "The key's identifier."),
    ("maintenance", "The maintenance's identifier."),
    ("operation", "The operation's identifier."),
    ("provider", "The add-on provider's identifier."),
    ("pull", "The pull request's number."),
    ("resource", "The identifier of the add-on, its resource or its app."),
    ("source", "The archive's identifier."),
    ("token", "The token's identifier."),
    ("user", "The user's identifier."),
    ("variable", "The variable's identifier."),
];

/// A reference to a shared parameter.
pub(super) fn parameter(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

/// References to shared response headers.
pub(super) fn headers(names: &[&str]) -> Value {
    let reference = |name: &&str| json!({ "$ref": format!("#/components/headers/{name}") });
    names.iter().map(|name| ((*name).to_owned(), reference(name))).collect::<Map<_, _>>().into()
}

/// A shared error's status, and the reference to it.
pub(super) fn error(name: &str) -> (String, Value) {
    let (_, status, ..) =
        ERRORS.iter().find(|(other, ..)| *other == name).expect("the error is in the table");
    ((*status).to_owned(), json!({ "$ref": format!("#/components/responses/{name}") }))
}

/// All components but the schemas. `error` is the reference to the schema of errors.
pub(super) fn describe(error: &Value) -> Value {
    json!({
        "schemas": {},
        "parameters": describe_parameters(),
        "headers": describe_headers(),
        "responses": describe_errors(error),
        "securitySchemes": {
            "bearer": {
                "type": "http", "scheme": "bearer",
                "description": "A user's API token (`tk-us-…`), or a bearer token that was issued for it.",
            },
            "operator": {
                "type": "http", "scheme": "bearer",
                "description": "The operator token (`tk-op-…`), the platform's own credential.",
            },
            "auditor": {
                "type": "http", "scheme": "bearer",
                "description": "The token of an auditor (`tk-au-…`), who reads everything but secrets and changes nothing.",
            },
            "basic": {
                "type": "http", "scheme": "basic",
                "description": "A name and a password. To send an API token, leave the name empty and send the token as the password.",
            },
        },
    })
}

fn describe_parameters() -> Value {
    let mut parameters = json!({
        "page": {
            "name": "page", "in": "query",
            "description": "The page, from 1. Page 1 has the newest items.",
            "schema": { "type": "integer", "minimum": 1, "default": 1 },
        },
        "per_page": {
            "name": "per_page", "in": "query",
            "description": format!("The number of items per page. Greater numbers are read as {PAGE_MAX}."),
            "schema": { "type": "integer", "minimum": 1, "default": PAGE_DEFAULT },
        },
        "from": {
            "name": "from", "in": "query",
            "description": "Returns all events of the last hours instead of a page: the number of hours.",
            "schema": { "type": "integer", "minimum": 1, "maximum": FROM_HOURS_MAX },
        },
        "as_of": {
            "name": "as_of", "in": "query",
            "description": "Returns pages of the events that there were when `total_count` was this, so that new events do not shift them. The header `Link` has it.",
            "schema": { "type": "integer", "minimum": 1 },
        },
        "before": {
            "name": "before", "in": "query",
            "description": "Returns the events just before this one instead of a page: an event's identifier, or its position.",
            "schema": { "type": "string" },
        },
        "after_event": {
            "name": "after", "in": "query",
            "description": "Returns the events just after this one instead of a page, newest first: an event's identifier, or its position.",
            "schema": { "type": "string" },
        },
        "after": {
            "name": "after", "in": "query",
            "description": "Returns only events after this position, that of the last event received. Position 0 is before the first event.",
            "schema": { "type": "integer", "minimum": 0 },
        },
        "format": {
            "name": "format", "in": "query",
            "description": "The form of the export: lines of JSON, or a table.",
            "schema": { "type": "string", "enum": ["jsonl", "csv"], "default": "jsonl" },
        },
        "q": {
            "name": "q", "in": "query",
            "description": "Returns only the events that match this filter, as in `type:scale -actor:jane created:-7d`.",
            "schema": { "type": "string", "maxLength": FILTER_BYTES_MAX },
        },
        "type": {
            "name": "type", "in": "query",
            "description": "Returns only events of these types, separated by commas.",
            "schema": { "type": "string" },
        },
        "actor": {
            "name": "actor", "in": "query",
            "description": "Returns only what these users did: usernames, email addresses or identifiers, separated by commas; `none` for what nobody did.",
            "schema": { "type": "string" },
        },
        "since": {
            "name": "since", "in": "query",
            "description": "Returns only what happened from then on: a day (2026-01-31), an instant, or a time ago (-7d).",
            "schema": { "type": "string" },
        },
        "until": {
            "name": "until", "in": "query",
            "description": "Returns only what happened up to then, including that day or instant.",
            "schema": { "type": "string" },
        },
        "Idempotency-Key": {
            "name": "Idempotency-Key", "in": "header",
            "description": "A key of your choice, of printable ASCII characters. Repeating the request with the same key within 24 hours returns the first result and records nothing again. The result of a repeat has no new secret, such as that of a token. Requests that change something and do not take this header refuse it.",
            "schema": { "type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_BYTES_MAX },
        },
        "X-Dry-Run": {
            "name": "X-Dry-Run", "in": "header",
            "description": "`true` checks the request and changes nothing. Identifiers in the response lead nowhere.",
            "schema": { "type": "string", "enum": ["true", "false"], "default": "false" },
        },
        "X-Request-Id": {
            "name": "X-Request-Id", "in": "header",
            "description": "Identifies the request in the response and in the server's log. The server chooses one if it is missing or malformed.",
            "schema": { "type": "string", "minLength": 1, "maxLength": REQUEST_ID_BYTES_MAX },
        },
    });
    for (name, what) in PATH_PARAMETERS {
        let schema = json!({ "type": "string", "minLength": 1 });
        parameters[*name] =
            json!({ "name": name, "in": "path", "required": true, "description": what, "schema": schema });
    }
    parameters
}

fn describe_headers() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "X-Request-Id": { "description": "The request's identifier: the client's own, or one that the server chose.", "required": true, "schema": text },
        "X-Dry-Run": {
            "description": "Only in responses to a dry run: nothing was done.",
            "schema": { "type": "string", "const": "true" },
        },
        "Location": { "description": "The URL of the operation.", "schema": text },
        "Retry-After": {
            "description": "The seconds to wait before the next attempt.",
            "schema": { "type": "integer", "minimum": 1 },
        },
        "WWW-Authenticate": { "description": "`Bearer`", "schema": text },
    })
}

fn describe_errors(schema: &Value) -> Value {
    let described = ERRORS.iter().map(|(name, _, what, further)| {
        let names: Vec<&str> = std::iter::once("X-Request-Id").chain(further.iter().copied()).collect();
        let content = json!({ "application/json": { "schema": schema } });
        ((*name).to_owned(), json!({ "description": what, "headers": headers(&names), "content": content }))
    });
    described.collect::<Map<_, _>>().into()
}
