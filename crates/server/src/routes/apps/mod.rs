//! Apps and the actions on them.

use crate::api::Api;

pub(crate) mod collaborators;
pub(crate) mod consents;
pub(crate) mod containers;
pub(crate) mod deployment_output;
pub(crate) mod deployment_stream;
pub(crate) mod deployments;
pub(crate) mod domains;
pub(crate) mod hds_contact;
pub(crate) mod lifecycle;
pub(crate) mod restarts;
pub(crate) mod runs;
pub(crate) mod sources;
pub(crate) mod state;
pub(crate) mod variables;

pub(crate) fn api() -> Api {
    lifecycle::api()
        .and(state::api())
        .and(containers::api())
        .and(restarts::api())
        .and(runs::api())
        .and(deployments::api())
        .and(deployment_output::api())
        .and(deployment_stream::api())
        .and(sources::api())
        .and(variables::api())
        .and(domains::api())
        .and(collaborators::api())
        .and(consents::api())
        .and(hds_contact::api())
}
