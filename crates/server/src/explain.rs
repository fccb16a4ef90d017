//! What only the whole request tells of a refusal: which field was misspelt, and that a request which only reads did
//! nothing.

use std::sync::{Arc, OnceLock};

use annals_model::{FieldErrors, nearest};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::Method;
use serde_json::Value;

use crate::error::{ApiError, MISSING};

/// The JSON body of a request, once it was read.
#[derive(Clone, Default)]
pub(crate) struct SentBody(Arc<OnceLock<Bytes>>);

impl SentBody {
    pub(crate) fn keep(&self, body: &Bytes) {
        _ = self.0.set(body.clone());
    }
}

/// Answers the request. What is refused is said as precisely as the request allows.
pub(crate) async fn explain(mut request: Request, next: Next) -> Response {
    let is_read = request.method() == Method::GET || request.method() == Method::HEAD;
    let sent = SentBody::default();
    if !is_read {
        request.extensions_mut().insert(sent.clone());
    }
    let response = next.run(request).await;
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return response;
    }
    let explained = match response.extensions().get::<Arc<ApiError>>().map(|error| &**error) {
        // Something may have been done before.
        Some(ApiError::Unreadable) if !is_read => Some(ApiError::Unavailable),
        Some(ApiError::Invalid(errors)) => {
            sent.0.get().and_then(|body| misspelt(errors, body)).map(ApiError::Invalid)
        }
        _ => None,
    };
    explained.map_or(response, IntoResponse::into_response)
}

/// The name under which a field was sent that is said to be missing.
fn misspelt(errors: &FieldErrors, body: &[u8]) -> Option<FieldErrors> {
    let is_missing = |messages: &[String]| messages.iter().any(|message| message == MISSING);
    let (name, _) = errors.as_map().iter().find(|(_, messages)| is_missing(messages))?;
    let written = path_of_near(&serde_json::from_slice(body).ok()?, String::new(), name)?;
    Some(FieldErrors::one(written, format!("unknown field, did you mean {name}?")))
}

/// The path of a field whose name is near that one, in an object that has none of that name.
fn path_of_near(value: &Value, path: String, name: &str) -> Option<String> {
    match value {
        Value::Object(fields) => {
            let within =
                |field: &str| if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
            let near = || nearest(name, fields.keys().map(String::as_str)).map(within);
            let here = if fields.contains_key(name) { None } else { near() };
            here.or_else(|| fields.iter().find_map(|(field, value)| path_of_near(value, within(field), name)))
        }
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(index, item)| path_of_near(item, format!("{path}[{index}]"), name))
        }
        _ => None,
    }
}
