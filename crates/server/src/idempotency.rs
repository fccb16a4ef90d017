//! `Idempotency-Key`, which makes repeating a request harmless.
//!
//! Each operation that changes something has one of two layers before its handler, so no handler can overlook the header:
//! [`honor`] passes it on, [`refuse`] responds that a repeat of the operation would be done again.

use annals_service::Idempotency;
use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::request::Parts;
use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use crate::state::AppState;

/// The key of a request, as its layer passes it on.
#[derive(Debug, Clone)]
struct Key(String);

/// The key of a request, if it has one, and its method and URI.
pub(crate) struct Repeatable {
    key: Option<String>,
    target: String,
}

impl Repeatable {
    pub(crate) fn of(parts: &Parts) -> Self {
        let key = parts.extensions.get().map(|Key(key)| key.clone());
        Self { key, target: format!("{} {}", parts.method, parts.uri) }
    }

    /// Joins the key with a fingerprint of the request.
    pub(crate) fn idempotency(&self, body: &[u8]) -> Option<Idempotency> {
        let key = self.key.clone()?;
        let digest = Sha256::new().chain_update(&self.target).chain_update([0]).chain_update(body).finalize();
        Some(Idempotency { key, fingerprint: hex::encode(digest) })
    }

    /// Does the same for callers who are no users, and whom the service cannot tell from the operator.
    pub(crate) fn idempotency_of(&self, caller: &str, body: &[u8]) -> Option<Idempotency> {
        let idempotency = self.idempotency(body)?;
        // No key has a line break, so the operator has no such key.
        Some(Idempotency { key: format!("{caller}\n{}", idempotency.key), ..idempotency })
    }

    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

impl FromRequestParts<AppState> for Repeatable {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        Ok(Self::of(parts))
    }
}

/// Passes the key on to a handler that gives it to the service.
pub(crate) async fn honor(mut request: Request, next: Next) -> Response {
    match key_of(request.headers()) {
        Ok(key) => {
            if let Some(key) = key {
                request.extensions_mut().insert(Key(key));
            }
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

/// Refuses a key where the first outcome is not stored: a client that sends one relies on it.
pub(crate) async fn refuse(request: Request, next: Next) -> Response {
    match key_of(request.headers()) {
        Ok(None) => next.run(request).await,
        Ok(Some(_)) => not_supported("here").into_response(),
        Err(error) => error.into_response(),
    }
}

/// The error of a request that can have no key.
pub(crate) fn not_supported(when: &str) -> ApiError {
    ApiError::BadRequest(format!("Idempotency-Key is not supported {when}; nothing was done"))
}

fn key_of(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let is_key = |key: &&str| {
        (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())
            && key.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
    };
    match value.to_str().ok().filter(is_key).filter(|_| values.next().is_none()) {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(ApiError::BadRequest(format!(
            "Idempotency-Key must be one header with 1 to {IDEMPOTENCY_KEY_BYTES_MAX} printable ASCII characters; nothing was done"
        ))),
    }
}
