//! Mail that waits: to be sent, or to be read by the operator where nothing sends mail.

use std::sync::Arc;
use std::time::Duration;

use annals_model::UserId;
use annals_store::{Mail, TypedRows as _, key};

use super::TICK;
use super::smtp::{Failure, Mailer};
use crate::{Error, Service};

/// The most mails of a list.
const LISTED_MAX: usize = 100;
/// How long a process holds the mail that it claimed, which is longer than sending one takes. It is also the time until the
/// next attempt where one failed.
const LEASE: Duration = Duration::from_secs(90);

impl Service {
    /// The mail to somebody that waits, oldest first.
    pub async fn waiting_mail(&self, user: UserId) -> Result<Vec<Arc<Mail>>, Error> {
        let listed = self.store().list(key::Mail::to(user), LISTED_MAX).await?;
        Ok(listed.into_iter().map(|(_, mail)| mail).collect())
    }

    pub(super) async fn send_mails(&self) {
        let Some(mailer) = &self.inner().mailer else { return };
        loop {
            if let Err(error) = self.send_waiting(mailer).await {
                tracing::error!(error = &error as &dyn std::error::Error, "the outbox could not be read");
            }
            _ = tokio::time::timeout(TICK, self.inner().mail_waits.notified()).await;
        }
    }

    async fn send_waiting(&self, mailer: &Mailer) -> Result<(), Error> {
        loop {
            // One by one: what is claimed and waits for its turn would be sent by somebody else in the meantime.
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
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a mail that was sent could not be removed"
                );
            }
        }
    }

    /// Sends a mail. Says whether it is done with. What mail says is never logged: it holds tokens.
    async fn send_or_give_up(&self, mailer: &Mailer, mail: &Mail) -> bool {
        if mail.expires_at <= self.now() {
            tracing::warn!(mail = %mail.id, "a mail expired before it could be sent");
            return true;
        }
        match mailer.send(mail).await {
            Ok(()) => true,
            Err(Failure::Never(error)) => {
                tracing::error!(mail = %mail.id, error, "a mail was refused for good");
                true
            }
            Err(Failure::Later(error)) => {
                let retry_after_ms = u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(mail = %mail.id, error, retry_after_ms, "a mail could not be sent yet");
                false
            }
        }
    }
}
