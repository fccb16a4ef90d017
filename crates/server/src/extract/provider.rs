//! Add-on providers, which sign in with a name and a password of their own.

use annals_model::directory::Provider;
use axum::extract::FromRequestParts;
use http::request::Parts;

use super::{RemoteIp, name_and_password};
use crate::error::{ApiError, BAD_CREDENTIALS};
use crate::proofs::proof;
use crate::state::AppState;

/// A provider with a valid credential.
pub(crate) struct Asking(pub(crate) Provider);

impl FromRequestParts<AppState> for Asking {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let given = name_and_password(parts).ok_or(BAD_CREDENTIALS)?;
        let RemoteIp(remote_ip) = RemoteIp::of(parts, &state.config.trusted_proxies);
        let directory = state.service.directory().await?;
        let provider = directory.provider(&given.name);
        let hash = provider.and_then(|provider| provider.password_hash.as_deref()).unwrap_or_default();
        let proof = proof(hash, &given.password);
        let caller = (given.name, remote_ip);
        if state.provider_proofs.has(&caller, proof)
            && let Some(provider) = provider
        {
            return Ok(Self(provider.clone()));
        }
        // Counted whether the password is right or not: otherwise guessing could go on beyond the limit.
        state.attempts.check(remote_ip, &caller.0)?;
        if state.service.is_password_of(provider, given.password).await?
            && let Some(provider) = provider
        {
            state.provider_proofs.remember(caller, proof);
            return Ok(Self(provider.clone()));
        }
        state.provider_proofs.forget(&caller);
        Err(BAD_CREDENTIALS)
    }
}
