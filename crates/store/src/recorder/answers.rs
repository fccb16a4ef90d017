//! What was answered to requests with an idempotency key, for a day.

use annals_model::{Rejection, Time};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::contract::{Error, Refusal, Store};
use crate::rows::{Answer, Caller, Listing, Row, RowKey};

use super::Idempotency;
use super::draft::Draft;

/// How long an answer is remembered.
const LIFETIME_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// How many expired answers a new one removes: more than one, so that their number shrinks in the end.
const REMOVED_PER_ANSWER: usize = 4;

/// Answers that may be forgotten: their expiry and the answer itself.
pub(super) async fn expired(store: &dyn Store, now: Time) -> Result<Vec<[RowKey; 2]>, Error> {
    let first = store.list(Listing::AnswersByExpiry, REMOVED_PER_ANSWER).await?;
    Ok(first
        .into_iter()
        .filter_map(|(key, _)| match &key {
            RowKey::AnswerExpiry(at, caller, idempotency_key) if *at <= now => {
                let answer = RowKey::Answer(*caller, idempotency_key.clone());
                Some([key, answer])
            }
            _ => None,
        })
        .collect())
}

/// The answer already given to this request, if it is a repeat.
pub(super) fn find<T: DeserializeOwned>(
    draft: &Draft<'_>,
    caller: Caller,
    idempotency: &Idempotency,
) -> Result<Option<T>, Refusal> {
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
    expired: &[[RowKey; 2]],
) -> Result<(), Error> {
    for [expiry, answer] in expired {
        draft.remove(expiry.clone());
        // The key may have been used again since.
        if let Some(Row::Answer(kept)) = draft.row(answer)?
            && kept.expires_at <= draft.now()
        {
            draft.remove(answer.clone());
        }
    }
    let expires_at = draft.now().plus_millis(LIFETIME_MILLIS);
    let key = &idempotency.key;
    let answer = Answer {
        fingerprint: idempotency.fingerprint.clone(),
        outcome: serde_json::to_string(outcome).expect("an outcome can always be written to memory"),
        expires_at,
    };
    draft.put(RowKey::AnswerExpiry(expires_at, caller, key.clone()), Row::Present);
    draft.put(RowKey::Answer(caller, key.clone()), Row::Answer(answer.into()));
    Ok(())
}
