//! Add-ons, databases and log drains of apps, and the API for add-on providers.

use crate::api::Api;

pub(crate) mod databases;
pub(crate) mod log_drains;
pub(crate) mod of_apps;
pub(crate) mod provider;

pub(crate) fn api() -> Api {
    of_apps::api().and(databases::api()).and(log_drains::api()).and(provider::api())
}
