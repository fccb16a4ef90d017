//! Events: timelines, reports and event types.

use crate::api::Api;

pub(crate) mod event_types;
pub(crate) mod events;
mod exports;
mod forward;
mod live;
mod platform;
pub(crate) mod reports;
mod table;

pub(crate) fn api() -> Api {
    events::api()
        .and(live::api())
        .and(exports::api())
        .and(platform::api())
        .and(reports::api())
        .and(event_types::api())
}
