//! Stored outcomes of requests with an idempotency key, from which responses are repeated. A repeat within a day gets the
//! stored outcome.

use annals_model::Rejection;
use annals_store::{Answer, Caller, CommandError, Error, key};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Idempotency;
use crate::transaction::Transaction;

/// How long an outcome is stored.
const LIFETIME_MS: u64 = 24 * 60 * 60 * 1000;

/// Returns the stored outcome of a request; `None` if it is not a repeat.
pub(super) fn find<T: DeserializeOwned>(
    transaction: &Transaction<'_>,
    caller: Caller,
    idempotency: &Idempotency,
) -> Result<Option<T>, CommandError> {
    let answer = transaction.get(key::Answer(caller, idempotency.key.clone()))?;
    let Some(answer) = answer.filter(|answer| answer.expires_at > transaction.now()) else {
        return Ok(None);
    };
    if answer.fingerprint != idempotency.fingerprint {
        let message = "this Idempotency-Key was used with another request in the last 24 hours";
        return Err(Rejection::Conflict(message.to_owned()).into());
    }
    let outcome = serde_json::from_str(&answer.outcome)
        .map_err(|error| Error::Damaged(format!("a stored outcome cannot be read: {error}")))?;
    Ok(Some(outcome))
}

pub(super) fn remember<T: Serialize>(
    transaction: &mut Transaction<'_>,
    caller: Caller,
    idempotency: &Idempotency,
    outcome: &T,
) {
    let expires_at = transaction.now().plus_millis(LIFETIME_MS);
    let key = &idempotency.key;
    let answer = Answer {
        fingerprint: idempotency.fingerprint.clone(),
        outcome: serde_json::to_string(outcome).expect("an outcome can always be written to memory"),
        expires_at,
    };
    transaction.put(key::AnswerExpiry(expires_at, caller, key.clone()), ());
    transaction.put(key::Answer(caller, key.clone()), answer.into());
}

/// Deletes an expired outcome.
pub(crate) fn forget(transaction: &mut Transaction<'_>, expiry: &key::AnswerExpiry) -> Result<(), Error> {
    let key::AnswerExpiry(_, caller, idempotency_key) = expiry.clone();
    transaction.remove(expiry.clone());
    let answer = key::Answer(caller, idempotency_key);
    // The key may have been used again since it expired.
    if transaction.get(answer.clone())?.is_some_and(|kept| kept.expires_at <= transaction.now()) {
        transaction.remove(answer);
    }
    Ok(())
}
