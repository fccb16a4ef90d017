//! Forgetting what nobody may ask for any more.

use std::time::Duration;

use annals_store::{TypedRows as _, key};

use crate::commands::idempotency::forget;
use crate::{Error, Service};

/// How many expired answers are forgotten at a time, and how long one process has to itself for that.
const AT_ONCE_MAX: usize = 500;
const LEASE: Duration = Duration::from_secs(60);

impl Service {
    /// Forgets answers that have expired by now. Gives how many; where they are many, some may be left.
    pub async fn forget_expired_answers(&self) -> Result<usize, Error> {
        let expired = key::AnswerExpiry::until(self.now());
        let claimed = self.store().claim(expired, AT_ONCE_MAX, LEASE).await?;
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
