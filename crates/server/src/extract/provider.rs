//! Add-on providers, which sign in with a name and a password of their own.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use annals_model::directory::Provider;
use axum::extract::FromRequestParts;
use http::request::Parts;
use sha2::{Digest, Sha256};

use super::{RemoteIp, name_and_password};
use crate::error::{ApiError, BAD_CREDENTIALS};
use crate::state::AppState;

/// The most proofs that are remembered.
const PROOFS_MAX: usize = 1_000;

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

/// What stands for a password that was right, for as long as its hash is the same.
type Proof = [u8; 32];

fn proof(hash: &str, password: &str) -> Proof {
    Sha256::new_with_prefix(hash).chain_update(password).finalize().into()
}

/// The passwords that were right, by provider and address. A provider sends many requests, and checking its password each
/// time would cost much and count as attempts. A wrong password ends this, so that a guess from the same address counts.
#[derive(Default)]
pub(crate) struct ProviderProofs(Mutex<HashMap<(String, Option<IpAddr>), Proof>>);

impl ProviderProofs {
    fn has(&self, caller: &(String, Option<IpAddr>), proof: Proof) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(caller) == Some(&proof)
    }

    fn remember(&self, caller: (String, Option<IpAddr>), proof: Proof) {
        let mut proofs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if proofs.len() >= PROOFS_MAX {
            proofs.clear();
        }
        proofs.insert(caller, proof);
    }

    fn forget(&self, caller: &(String, Option<IpAddr>)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(caller);
    }
}
