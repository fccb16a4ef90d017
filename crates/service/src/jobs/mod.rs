//! What is done without being asked: what is due, mail, and forgetting what nobody may ask for any more.
//!
//! Nothing is lost where the process ends: what is due stands in the store until it is done, and so does mail.

mod expiry;
mod outbox;
mod smtp;
mod timers;

use std::time::Duration;

use crate::{Error, Service};

pub(crate) use smtp::Mailer;

/// How often the store is asked for what is due, unless something says sooner that there is something.
const TICK: Duration = Duration::from_secs(5);

impl Service {
    /// Works until it is dropped.
    pub async fn work(self) {
        // A mail server that does not answer must hold up nothing that is due, and nothing that follows the platform.
        tokio::join!(self.do_what_is_due(), self.send_mails(), self.follow());
    }

    async fn do_what_is_due(&self) {
        loop {
            let fired = count("what is due could not be done", self.fire_due_timers().await);
            let forgotten =
                count("expired answers could not be forgotten", self.forget_expired_answers().await);
            if fired + forgotten == 0 {
                tokio::time::sleep(TICK).await;
            }
        }
    }
}

fn count(complaint: &str, done: Result<usize, Error>) -> usize {
    done.unwrap_or_else(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "{complaint}");
        0
    })
}
