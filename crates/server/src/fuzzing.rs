//! What the fuzz targets need of this crate that is private. Compiled for them alone.

use annals_model::Time;

use crate::forges::{WebhookEvent, github, gitlab, readable};

/// Reads a body as every webhook that it can be.
pub fn read_webhook(body: &[u8]) {
    let body = readable(body);
    for read in [github::read("push", &body), github::read("pull_request", &body), gitlab::read(&body)] {
        if let Ok(WebhookEvent::Pull { pull, .. }) = read {
            _ = pull.at(Time::EPOCH);
        }
    }
}
