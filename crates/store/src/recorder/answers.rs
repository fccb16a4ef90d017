//! What was answered to requests with an idempotency key, for a day.

use std::time::Duration;

use annals_model::Rejection;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::contract::{CommandError, CommitError, Error};
use crate::rows::{Answer, Caller, Listing, Row, RowKey};

use super::draft::Draft;
use super::{Idempotency, Recorder};

/// How long an answer is remembered.
const LIFETIME_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// How many expired answers are forgotten at a time, and how long one process has to itself for that.
const FORGOTTEN_AT_ONCE: usize = 500;
const FORGET_LEASE: Duration = Duration::from_secs(60);

impl Recorder {
    /// Forgets answers that have expired by now. Gives how many; where they are many, some may be left.
    pub async fn forget_expired_answers(&self) -> Result<usize, CommitError> {
        let expired = Listing::AnswersExpired(self.clock.now());
        let claimed = self.store.claim(expired, FORGOTTEN_AT_ONCE, FORGET_LEASE).await?;
        let count = claimed.len();
        if count == 0 {
            return Ok(0);
        }
        self.commit(move |draft| {
            for (expiry, _) in &claimed {
                let RowKey::AnswerExpiry(_, caller, key) = expiry else { continue };
                let answer = RowKey::Answer(*caller, key.clone());
                draft.remove(expiry.clone());
                // The key may have been used again since.
                if let Some(Row::Answer(kept)) = draft.row(&answer)?
                    && kept.expires_at <= draft.now()
                {
                    draft.remove(answer);
                }
            }
            Ok(count)
        })
        .await
    }
}

/// The answer already given to this request, if it is a repeat.
pub(super) fn find<T: DeserializeOwned>(
    draft: &Draft<'_>,
    caller: Caller,
    idempotency: &Idempotency,
) -> Result<Option<T>, CommandError> {
    let Some(Row::Answer(answer)) = draft.row(&RowKey::Answer(caller, idempotency.key.clone()))? else {
        return Ok(None);
    };
    if answer.expires_at <= draft.now() {
        return Ok(None);
    }
    if answer.fingerprint != idempotency.fingerprint {
        let message = "this Idempotency-Key was used with another request in the last 24 hours";
        return Err(Rejection::Conflict(message.to_owned()).into());
    }
    let outcome = serde_json::from_str(&answer.outcome)
        .map_err(|error| Error::Damaged(format!("an answer cannot be read: {error}")))?;
    Ok(Some(outcome))
}

pub(super) fn remember<T: Serialize>(
    draft: &mut Draft<'_>,
    caller: Caller,
    idempotency: &Idempotency,
    outcome: &T,
) {
    let expires_at = draft.now().plus_millis(LIFETIME_MILLIS);
    let key = &idempotency.key;
    let answer = Answer {
        fingerprint: idempotency.fingerprint.clone(),
        outcome: serde_json::to_string(outcome).expect("an outcome can always be written to memory"),
        expires_at,
    };
    draft.put(RowKey::AnswerExpiry(expires_at, caller, key.clone()), Row::Present);
    draft.put(RowKey::Answer(caller, key.clone()), Row::Answer(answer.into()));
}
