//! `Idempotency-Key`, which makes repeating a request harmless.

use annals_service::Idempotency;
use http::HeaderMap;
use http::request::Parts;
use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::limits::IDEMPOTENCY_KEY_BYTES_MAX;

/// Reads the key, if the request has one.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(ApiError::BadRequest(format!(
            "Idempotency-Key must have 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters"
        ))),
    }
}

/// Joins the key with a fingerprint of the request.
pub(crate) fn idempotency(key: Option<&String>, target: &str, body: &[u8]) -> Option<Idempotency> {
    let key = key?.clone();
    let digest = Sha256::new().chain_update(target).chain_update([0]).chain_update(body).finalize();
    Some(Idempotency { key, fingerprint: hex::encode(digest) })
}

/// Returns the method and the URI.
pub(crate) fn target(parts: &Parts) -> String {
    format!("{} {}", parts.method, parts.uri)
}
