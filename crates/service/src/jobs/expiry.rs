//! The job that deletes expired idempotency keys with their stored responses.

use std::time::Duration;

use annals_store::{TypedRows as _, key};

use crate::commands::idempotency::forget;
use crate::{Error, Service};

/// The number of keys deleted in one commit.
const BATCH_MAX: usize = 500;
/// How long one process has the keys of a batch to itself.
const LEASE: Duration = Duration::from_secs(60);

impl Service {
    /// Deletes idempotency keys that have expired, and returns how many. One call deletes one batch, so some may be left.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read or written.
    pub async fn forget_expired_answers(&self) -> Result<usize, Error> {
        let expired = key::AnswerExpiry::until(self.now());
        let claimed = self.store().claim(expired, BATCH_MAX, LEASE).await?;
        let count = claimed.len();
        if count == 0 {
            return Ok(0);
        }
        self.commit(move |transaction| {
            for (expiry, ()) in &claimed {
                forget(transaction, expiry)?;
            }
            Ok(count)
        })
        .await
    }
}
