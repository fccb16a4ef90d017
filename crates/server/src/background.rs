//! What is done without being asked: what is due, and mail.
//!
//! Nothing is lost where the process ends: what is due stands in the store until it is done, and so does mail.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use annals_model::EventId;
use annals_store::{Listing, Row, RowKey};

use crate::mail::{Failure, Mailer};
use crate::service::Service;

/// How often it is looked for what is due, where nothing says that there is something.
const TICK: Duration = Duration::from_secs(5);
/// How long this process has for a mail before another one may try: longer than sending one takes. One that could not be
/// sent waits that long for its next attempt at least.
const LEASE: Duration = Duration::from_secs(90);
/// How long such a mail waits at first; each time twice as long.
const RETRY: Duration = Duration::from_secs(60);
const RETRY_MAX: Duration = Duration::from_secs(15 * 60);

/// Works until it is dropped.
pub async fn work(service: Service) {
    // A mail server that does not answer must hold up nothing that is due.
    tokio::join!(fire_timers(&service), send_mails(&service));
}

async fn fire_timers(service: &Service) {
    loop {
        match service.fire_due_timers().await {
            Ok(0) => tokio::time::sleep(TICK).await,
            Ok(_) => {}
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "what is due could not be done");
                tokio::time::sleep(TICK).await;
            }
        }
    }
}

async fn send_mails(service: &Service) {
    let Some(mailer) = &service.mailer else { return };
    let mut retries = HashMap::new();
    loop {
        send_mail(service, mailer, &mut retries).await;
        _ = tokio::time::timeout(TICK, service.work.notified()).await;
    }
}

/// When to try a mail again, and how often that was tried.
type Retries = HashMap<EventId, (Instant, u32)>;

async fn send_mail(service: &Service, mailer: &Mailer, retries: &mut Retries) {
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
        if retries.get(&id).is_some_and(|(at, _)| *at > Instant::now()) {
            continue;
        }
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
                    let attempts = retries.get(&id).map_or(0, |(_, attempts)| *attempts);
                    let wait = RETRY.saturating_mul(1 << attempts.min(10)).min(RETRY_MAX);
                    tracing::warn!(mail = %id, error, retry_after_ms = wait.as_millis() as u64, "a mail could not be sent yet");
                    retries.insert(id, (Instant::now() + wait, attempts + 1));
                    false
                }
            }
        };
        if is_done {
            // Those that another process has sent since are forgotten with it.
            retries.retain(|of, (at, _)| *of != id && at.elapsed() < RETRY_MAX);
            if let Err(error) = service.recorder.mail_done(user, id).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "that a mail was sent could not be kept"
                );
            }
        }
    }
}
