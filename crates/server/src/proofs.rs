//! The passwords of add-on providers that were right.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// The most proofs that are remembered.
const PROOFS_MAX: usize = 1_000;

/// What stands for a password that was right, for as long as its hash is the same.
pub(crate) type Proof = [u8; 32];

pub(crate) fn proof(hash: &str, password: &str) -> Proof {
    Sha256::new_with_prefix(hash).chain_update(password).finalize().into()
}

/// The passwords that were right, by provider and address. A provider sends many requests, and checking its password each
/// time would cost much and count as attempts. A wrong password ends this, so that a guess from the same address counts.
#[derive(Default)]
pub(crate) struct ProviderProofs(Mutex<HashMap<(String, Option<IpAddr>), Proof>>);

impl ProviderProofs {
    pub(crate) fn has(&self, caller: &(String, Option<IpAddr>), proof: Proof) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(caller) == Some(&proof)
    }

    pub(crate) fn remember(&self, caller: (String, Option<IpAddr>), proof: Proof) {
        let mut proofs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if proofs.len() >= PROOFS_MAX {
            proofs.clear();
        }
        proofs.insert(caller, proof);
    }

    pub(crate) fn forget(&self, caller: &(String, Option<IpAddr>)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(caller);
    }
}
