//! Links to repositories, review apps, and webhooks of forges: Git hosting services such as GitHub and GitLab.

use crate::api::Api;

pub(crate) mod integrations;
pub(crate) mod review_apps;
pub(crate) mod scm_hooks;
pub(crate) mod scm_links;

pub(crate) fn api() -> Api {
    scm_links::api().and(review_apps::api()).and(scm_hooks::api()).and(integrations::api())
}
