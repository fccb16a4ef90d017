//! The server itself: health, metrics, documentation, backups, and what the platform offers.

use crate::api::Api;

pub(crate) mod auditors;
pub(crate) mod backup;
pub(crate) mod documents;
pub(crate) mod everything;
pub(crate) mod features;
pub(crate) mod health;
pub(crate) mod regions;

pub(crate) fn api() -> Api {
    features::api()
        .and(regions::api())
        .and(everything::api())
        .and(auditors::api())
        .and(backup::api())
        .and(documents::api())
        .and(health::api())
}
