//! Request bodies.

use annals_model::{FieldErrors, Time, plain_message};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use tokio::sync::OwnedSemaphorePermit;

use crate::arriving::{Arrived, Unproven};
use crate::error::{ApiError, MISSING};
use crate::limits::{BODY_BYTES_MAX, UNPROVEN_BODY_BYTES_MAX};
use crate::operations::BodyFields;
use crate::state::AppState;

/// A JSON body. A missing body, an empty one and `null` are read as `{}`, since clients send all of them for "nothing".
/// Unknown fields are ignored, since clients send those too.
pub(crate) struct JsonBody<T> {
    pub(crate) value: T,
    /// The body as it was sent.
    pub(crate) bytes: Bytes,
    /// The room that the body takes.
    _room: Option<OwnedSemaphorePermit>,
}

impl<T: DeserializeOwned> FromRequest<AppState> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let known = request.extensions().get::<BodyFields>().cloned();
        let unproven = request.extensions().get::<Unproven>().copied();
        let bytes_max = if unproven.is_some() { UNPROVEN_BODY_BYTES_MAX } else { BODY_BYTES_MAX };
        let Arrived { bytes, room } = state.arriving.read(request.into_body(), bytes_max, unproven).await?;
        let bytes = without_mark(bytes);
        if let Some(known) = known {
            known.check(&bytes)?;
        }
        let text = match bytes.trim_ascii() {
            b"" | b"null" => b"{}",
            text => text,
        };
        Ok(Self { value: parse(text)?, bytes, _room: room })
    }
}

/// Removes the byte order mark that some editors and Windows programs put in front of UTF-8.
pub(crate) fn without_mark(bytes: Bytes) -> Bytes {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    if bytes.starts_with(MARK) { bytes.slice(MARK.len()..) } else { bytes }
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    if !text.starts_with(b"{") {
        return Err(ApiError::BadRequest("the body must be a JSON object".to_owned()));
    }
    let malformed = |error: &serde_json::Error| {
        ApiError::BadRequest(format!("the body is not the expected JSON: {error}"))
    };
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        match error.inner() {
            inner if inner.is_data() && field != "." => {
                ApiError::Invalid(FieldErrors::one(field, plain_message(inner)))
            }
            inner => malformed(inner),
        }
    })?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// Returns a required field.
pub(crate) fn required<T>(field: Option<T>, name: &str) -> Result<T, ApiError> {
    field.ok_or_else(|| ApiError::invalid(name, MISSING))
}

/// Returns the text; `None` if it is empty, since clients send an empty text for a field that they leave out.
pub(crate) fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// Reads an optional time. Go clients send an empty text or the first second of year 1 if they have none.
pub(crate) fn given_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    match Option::<String>::deserialize(deserializer)? {
        Some(text) if !text.is_empty() && !text.starts_with("0001-01-01T") => {
            text.parse().map(Some).map_err(serde::de::Error::custom)
        }
        _ => Ok(None),
    }
}
