//! The classes of the fields of an app's public state.

use super::automation::Automation;
use super::review_apps::ReviewApp;
use super::{
    Addon, App, Collaborator, Consent, ContainerType, Domain, Invitation, LastDeployment, Maintenance,
    ScmLink,
};
use crate::catalogue::{Inviter, MaintenanceWindow};
use crate::field_class::{FieldShape, classes};
use crate::{Person, ProjectRef};

classes!(App {
    id: Public,
    name: Public,
    owner: { Person },
    created_at: Public,
    updated_at: Public,
    deleted_at: Public,
    git_source: Url,
    parent: Public,
    pull_request: Public,
    hds_resource: Public,
    force_https: Public,
    sticky_session: Public,
    router_logs: Public,
    stack: Public,
    stopped: Public,
    project: { ProjectRef },
    formation: [{ ContainerType }],
    variables: [Secret],
    collaborators: [{ Collaborator }],
    invitations: [{ Invitation }],
    domains: [{ Domain }],
    addons: [{ Addon }],
    log_drains: Secret,
    scm_link: { ScmLink },
    review_apps: [{ ReviewApp }],
    maintenances: [{ Maintenance }],
    consent: { Consent },
    hds_contact: Personal,
    last_deployment: { LastDeployment },
});
classes!(ProjectRef { id: Public, name: Public });
classes!(ContainerType { amount: Public, size: Public });
classes!(Collaborator { username: Public, email: Public, is_limited: Public, invited_email: Public });
classes!(Invitation { inviter: { Inviter }, created_at: Public, is_limited: Public });
classes!(Domain { created_at: Public, ssl: Public, canonical: Public, letsencrypt_enabled: Public });
classes!(Addon {
    provider: Public,
    plan: Public,
    created_at: Public,
    addon_uuid: Public,
    suspended: Public,
    variables: [Public],
    features: [Public],
    log_drains: Secret,
    maintenance_window: { MaintenanceWindow },
});
classes!(ScmLink {
    id: Public,
    source: Url,
    branch: Public,
    linker: { Person },
    linker_username: Public,
    created_at: Public,
    updated_at: Public,
    automation: (FieldShape::Flattened(Automation::FIELDS)),
});
classes!(Automation {
    auto_deploy: Public,
    auto_deploy_review_apps: Public,
    delete_on_close: Public,
    hours_before_delete_on_close: Public,
    delete_stale: Public,
    hours_before_delete_stale: Public,
    creation_from_forks_allowed: Public,
});
classes!(ReviewApp {
    app_id: Public,
    created_at: Public,
    url: Url,
    pr_number: Public,
    pr_name: Public,
    pr_url: Url,
    source_repo_name: Public,
    source_repo_url: Url,
    comes_from_a_fork: Public,
});
classes!(Maintenance {
    maintenance_type: Public,
    addon_name: Public,
    addon_uuid: Public,
    window: Public,
    started_at: Public,
});
classes!(Consent { user_id: Public, databases_until: Public, containers_until: Public });
classes!(LastDeployment { id: Public, pusher: Public, status: Public, finished_at: Public });
