//! What is done without being asked: what is due, mail, and forgetting what nobody may ask for any more.
//!
//! Nothing is lost where the process ends: what is due stands in the store until it is done, and so does mail.

use std::time::Duration;

use annals_store::{CommitError, Listing, Row, RowKey};

use crate::mail::{Failure, Mailer};
use crate::service::Service;

/// How often it is looked for what is due, where nothing says that there is something.
const TICK: Duration = Duration::from_secs(5);
/// How long whoever claimed a mail has it to itself, which is longer than sending one takes. One that could not be sent waits
/// that long for the next attempt, whichever process makes it.
const LEASE: Duration = Duration::from_secs(90);

/// Works until it is dropped.
pub async fn work(service: Service) {
    // A mail server that does not answer must hold up nothing that is due.
    tokio::join!(do_what_is_due(&service), send_mails(&service));
}

async fn do_what_is_due(service: &Service) {
    loop {
        let fired = count("what is due could not be done", service.fire_due_timers().await);
        let forgotten =
            count("expired answers could not be forgotten", service.forget_expired_answers().await);
        if fired + forgotten == 0 {
            tokio::time::sleep(TICK).await;
        }
    }
}

fn count(complaint: &str, done: Result<usize, CommitError>) -> usize {
    done.unwrap_or_else(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "{complaint}");
        0
    })
}

async fn send_mails(service: &Service) {
    let Some(mailer) = &service.mailer else { return };
    loop {
        send_waiting(service, mailer).await;
        _ = tokio::time::timeout(TICK, service.work.notified()).await;
    }
}

async fn send_waiting(service: &Service, mailer: &Mailer) {
    loop {
        // One by one: what is claimed and waits for its turn would be sent by somebody else in the meantime.
        let claimed = match service.store.claim(Listing::Outbox, 1, LEASE).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the outbox could not be read");
                return;
            }
        };
        let Some((key, row)) = claimed.into_iter().next() else { return };
        let now = service.clock.now();
        let (RowKey::Mail(user, id), Row::Mail(mail)) = (key, row) else { continue };
        // What mail says is never logged: it holds tokens.
        let is_done = if mail.expires_at <= now {
            tracing::warn!(mail = %id, "a mail could not be sent before it was worth nothing");
            true
        } else {
            match mailer.send(&mail).await {
                Ok(()) => true,
                Err(Failure::Never(error)) => {
                    tracing::error!(mail = %id, error, "a mail was refused for good");
                    true
                }
                Err(Failure::Later(error)) => {
                    let retry_after_ms = LEASE.as_millis() as u64;
                    tracing::warn!(mail = %id, error, retry_after_ms, "a mail could not be sent yet");
                    false
                }
            }
        };
        if is_done && let Err(error) = service.recorder.mail_done(user, id).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "that a mail was sent could not be kept"
            );
        }
    }
}
