//! Events: timelines, reports and event types.

use crate::api::Api;

pub(crate) mod event_types;
pub(crate) mod events;
pub(crate) mod reports;

pub(crate) fn api() -> Api {
    events::api().and(reports::api()).and(event_types::api())
}
