//! The outbox: mails that wait to be sent, or to be read by the operator if no mail server is configured.

use std::sync::Arc;
use std::time::Duration;

use annals_model::UserId;
use annals_store::{Mail, TypedRows as _, key};

use super::TICK;
use super::failures::Job;
use super::smtp::{Failure, Mailer};
use crate::{Error, Service};

/// The most mails listed for one user.
const LISTED_MAX: usize = 100;
/// The most mails that a measurement reads, so that its cost does not grow with the outbox.
const MEASURED_MAX: usize = 1000;
/// How long the claim of a mail lasts: longer than sending the mail can take. If the mail could not be sent, it is retried
/// after this time.
const LEASE: Duration = Duration::from_secs(90);

/// How much mail waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxLoad {
    /// The number of mails, at most 1000.
    pub mails: usize,
    /// The age of the oldest of these mails; zero if there is none.
    pub oldest_age: Duration,
}

impl Service {
    /// Returns the mails to a user that wait, oldest first.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn waiting_mail(&self, user: UserId) -> Result<Vec<Arc<Mail>>, Error> {
        let listed = self.store().list(key::Mail::to(user), LISTED_MAX).await?;
        Ok(listed.into_iter().map(|(_, mail)| mail).collect())
    }

    pub(crate) async fn outbox_load(&self) -> Result<OutboxLoad, Error> {
        let mails = self.store().list(key::Mail::all(), MEASURED_MAX).await?;
        let now = self.now();
        let oldest = mails.iter().map(|(_, mail)| mail.created_at).min().unwrap_or(now);
        let oldest_age = Duration::from_millis(now.as_millis().saturating_sub(oldest.as_millis()));
        Ok(OutboxLoad { mails: mails.len(), oldest_age })
    }

    pub(super) async fn send_mails(&self) {
        let Some(mailer) = &self.inner().mailer else { return };
        loop {
            // What is sent while the store takes no writes cannot be removed, and would be sent again and again.
            if self.ready().await.is_ok()
                && let Err(error) = self.send_waiting(mailer).await
            {
                self.inner().failures.add(Job::Mail);
                tracing::error!(error = &error as &dyn std::error::Error, "the outbox could not be read");
            }
            _ = tokio::time::timeout(TICK, self.inner().mail_waits.notified()).await;
        }
    }

    async fn send_waiting(&self, mailer: &Mailer) -> Result<(), Error> {
        loop {
            // Mails are claimed one at a time. In a batch, the lease of a later mail could expire before its turn, and another
            // process would send it too.
            let claimed = self.store().claim(key::Mail::all(), 1, LEASE).await?;
            let Some((key, mail)) = claimed.into_iter().next() else { return Ok(()) };
            if !self.send_or_give_up(mailer, &mail).await {
                continue;
            }
            let removed = self.commit(move |transaction| {
                transaction.remove(key.clone());
                Ok(())
            });
            if let Err(error) = removed.await {
                self.inner().failures.add(Job::Mail);
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a mail that was sent could not be removed"
                );
            }
        }
    }

    /// Sends a mail. Returns whether the mail can be removed from the outbox: because it was sent, or because no retry can
    /// succeed. Never logs its text, which contains a token.
    async fn send_or_give_up(&self, mailer: &Mailer, mail: &Mail) -> bool {
        if mail.expires_at <= self.now() {
            self.inner().failures.add(Job::Mail);
            tracing::warn!(mail = %mail.id, "a mail expired before it could be sent");
            return true;
        }
        let Err(failure) = mailer.send(mail).await else { return true };
        self.inner().failures.add(Job::Mail);
        match failure {
            Failure::Permanent(error) => {
                tracing::error!(mail = %mail.id, error, "a mail was rejected permanently");
                true
            }
            Failure::Temporary(error) => {
                let retry_after_ms = u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(mail = %mail.id, error, retry_after_ms, "a mail could not be sent yet");
                false
            }
        }
    }
}
