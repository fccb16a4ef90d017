//! Apps: their state, the actions on them, and what each event changes.
//!
//! Each resource has a file with the same three parts: its actions, their decisions (`decide`), and what its events
//! change (`apply`). To add a resource, copy the file of [`Scale`], and name the new events in [`App::apply`].
//! [`PrivateState`] holds what no event contains: secrets, and work that has not finished.

mod addons;
mod automation;
mod collaborators;
mod consents;
mod databases;
mod deployments;
mod domains;
mod fields;
mod hds_contact;
mod lifecycle;
mod log_drains;
mod maintenances;
mod private_state;
mod restart;
pub mod review_apps;
mod runs;
mod scale;
mod scm_link;
mod settings;
mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::action::{Context, Decision};
use crate::catalogue::{Access, AppOperations, Databases, SourceControl, TypeData, is_false};
use crate::cow_arc::CowArc;
use crate::{AppId, AppRef, Event, Person, ProjectRef, Rejection, Role, Time, UserId};

pub use addons::{
    AddAddon, Addon, ConfigureAddon, DeleteAddon, UpgradeAddon, addon_id, find as find_addon, is_addon_id,
};
pub use automation::{Automation, LinkSettings};
pub use collaborators::{
    AcceptInvitation, ChangeRole, Collaborator, Found, Invitation, Invite, RemoveCollaborator, TransferApp,
    collaborator_id, find as find_collaborator,
};
pub use consents::{Consent, GrantConsent};
pub use databases::{
    AddFeature, ChooseMaintenanceWindow, MaintenanceMove, MoveMaintenance, PlanMaintenance, RemoveFeature,
    WINDOW_HOURS, maintenance_window,
};
pub use deployments::{
    BuildDetails, DeployArchive, DeployBranch, DeployCommit, DeploymentRecord, ImportDeployment,
    LastDeployment, MoveDeployment, Progress, Stage, is_archive_id,
};
pub use domains::{AddDomain, Certificate, CertificateChange, DeleteDomain, Domain, EditDomain, domain_id};
pub use hds_contact::{HdsContact, SetHdsContact};
pub use lifecycle::{CreateApp, DeleteApp, RenameApp};
pub use log_drains::{AddAddonLogDrain, AddLogDrain, DeleteAddonLogDrain, DeleteLogDrain, Drain};
pub use maintenances::{Maintenance, MaintenanceRecord, MaintenanceStatus};
pub use private_state::PrivateState;
pub use restart::Restart;
pub use review_apps::{FollowUp, PullChange, PullRequest, ReviewApp};
pub use runs::{AuditLogEntry, OneOff, Run, StopOneOff, WriteAuditLog};
pub use scale::{CONTAINER_SIZES, ContainerType, Scale, ScaledType};
pub use scm_link::{Link, NoDeployment, PushReceived, Repository, ScmLink, Unlink, UpdateLink, linker};
pub use settings::{ChangeStack, EditApp, stack_id, stack_name};
pub use variables::{
    ChangeVariable, DeleteVariable, DeleteVariables, NewValue, SetVariable, SetVariables, variable_id,
};

/// The public state of an app: the result of applying the events of its timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct App {
    /// Its permanent identifier.
    pub id: AppId,
    /// Its current name.
    pub name: String,
    /// Its owner; `None` if its creation was not reported.
    pub owner: Option<Person>,
    /// When it was created; if that is unknown, when it was first reported.
    pub created_at: Time,
    /// When its state last changed.
    pub updated_at: Time,
    /// When it was deleted; `None` if it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Time>,
    /// The Git repository of a one-click deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_source: Option<String>,
    /// Its parent app, if it is a child.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<AppId>,
    /// The number of its pull request, if it is a review app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<u64>,
    /// Whether it is meant for health data.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hds_resource: bool,
    /// Whether plain HTTP is redirected to HTTPS.
    #[serde(default, skip_serializing_if = "is_false")]
    pub force_https: bool,
    /// Whether all requests of a client go to the same container.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sticky_session: bool,
    /// Whether its logs include the router's.
    #[serde(default, skip_serializing_if = "is_false")]
    pub router_logs: bool,
    /// The name of its stack; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// Whether the platform stopped it, and nothing has started it since.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stopped: bool,
    /// The project that it belongs to; `None` for the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectRef>,
    /// Its containers by type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub formation: CowArc<BTreeMap<String, ContainerType>>,
    /// Its environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: CowArc<BTreeMap<String, String>>,
    /// Its collaborators. The owner is not one of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub collaborators: CowArc<BTreeMap<UserId, Collaborator>>,
    /// Its pending invitations, by email address.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub invitations: CowArc<BTreeMap<String, Invitation>>,
    /// Its domains, by host name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub domains: CowArc<BTreeMap<String, Domain>>,
    /// Its add-ons, by the providers' resource identifiers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub addons: CowArc<BTreeMap<String, Addon>>,
    /// Where its logs are sent.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub log_drains: CowArc<BTreeSet<String>>,
    /// The repository it is linked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scm_link: Option<CowArc<ScmLink>>,
    /// Its review apps, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub review_apps: CowArc<BTreeMap<String, ReviewApp>>,
    /// The planned and running maintenances of its databases, by identifier.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub maintenances: CowArc<BTreeMap<String, Maintenance>>,
    /// The consent for the platform's staff to access its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<CowArc<Consent>>,
    /// The contact for its health data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hds_contact: Option<CowArc<HdsContact>>,
    /// Its last finished deployment, successful or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_deployment: Option<LastDeployment>,
}

/// An action on an existing app.
pub trait AppAction: Send + Sync {
    /// The least role that may perform the action.
    const ROLE: Role;

    /// What the action creates and the response names; `()` if the response names nothing.
    type Created: Clone + Serialize + DeserializeOwned + Send + 'static;

    /// Returns who acts: the caller, by default.
    fn actor(&self, _app: &App, _private: &PrivateState, caller: Option<&Person>) -> Option<Person> {
        caller.cloned()
    }

    /// Decides the action: returns its events and what it creates, and changes the private state. Without an event, the
    /// app's public state does not change.
    ///
    /// # Errors
    ///
    /// Fails if the action is refused. The caller then discards the changed private state.
    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision<Self::Created>, Rejection>;
}

impl App {
    /// Returns the state of an app that an event names for the first time.
    pub fn first_seen(app: &AppRef, at: Time) -> Self {
        Self {
            id: app.id,
            name: app.name.clone(),
            owner: None,
            created_at: at,
            updated_at: at,
            deleted_at: None,
            git_source: None,
            parent: None,
            pull_request: None,
            hds_resource: false,
            force_https: false,
            sticky_session: false,
            router_logs: false,
            stack: None,
            stopped: false,
            project: None,
            formation: CowArc::default(),
            variables: CowArc::default(),
            collaborators: CowArc::default(),
            invitations: CowArc::default(),
            domains: CowArc::default(),
            addons: CowArc::default(),
            log_drains: CowArc::default(),
            scm_link: None,
            review_apps: CowArc::default(),
            maintenances: CowArc::default(),
            consent: None,
            hds_contact: None,
            last_deployment: None,
        }
    }

    /// Returns the state that results from an app's whole timeline; `None` if there are no events, or if an event has no
    /// app.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Option<Self> {
        let mut state: Option<Arc<Self>> = None;
        for event in events {
            let app = event.app.as_ref()?;
            let state = state.get_or_insert_with(|| Arc::new(Self::first_seen(app, event.created_at)));
            Self::apply(state, event);
        }
        state.map(Arc::unwrap_or_clone)
    }

    /// Applies an event. If that changes nothing, the state keeps its allocation: a holder of the previous state can tell.
    pub fn apply(state: &mut Arc<Self>, event: &Event) {
        // Every event names the app, so a rename takes effect even if it was never reported.
        let new_name = event.app.as_ref().map(|app| &app.name).filter(|name| **name != state.name);
        if (state.is_left_by(&event.data) || is_impossible_review_app(state, &event.data))
            && new_name.is_none()
        {
            return;
        }
        let app = Arc::make_mut(state);
        match &event.data {
            TypeData::AppOperations(data) => match data {
                AppOperations::NewApp(data) => lifecycle::apply_new(app, data, event),
                AppOperations::TransferApp(data) => collaborators::apply_transfer(app, data),
                AppOperations::Scale(data) => scale::apply(app, data),
                AppOperations::Deployment(data) => deployments::apply(app, data, event),
                AppOperations::StackChanged(data) => settings::apply_stack(app, data),
                AppOperations::EditApp(data) => settings::apply(app, data),
                AppOperations::DeleteApp(_) => app.deleted_at = Some(event.created_at),
                AppOperations::UpdateAppProject(data) => app.project = Some(data.new_project()),
                AppOperations::StopApp(_) => app.stopped = true,
                AppOperations::Restart(_) => app.stopped = false,
                AppOperations::RenameApp(_)
                | AppOperations::Run(_)
                | AppOperations::Crash(_)
                | AppOperations::RepeatedCrash(_)
                | AppOperations::StartRegionMigration(_) => {}
            },
            TypeData::Addons(data) => addons::apply(app, data, event),
            TypeData::Collaborators(data) => collaborators::apply(app, data, event),
            TypeData::Domains(data) => domains::apply(app, data, event),
            TypeData::Variables(data) => variables::apply(app, data),
            TypeData::SourceControl(data) => scm_link::apply(app, data, event),
            TypeData::LogDrains(data) => log_drains::apply(app, data),
            TypeData::Databases(data) => databases::apply(app, data, event.created_at),
            TypeData::Access(data) => match data {
                Access::CreateConsent(data) => consents::apply(app, data, event),
                Access::EditHdsContact(data) => hds_contact::apply(app, data),
            },
            TypeData::Notifiers(_)
            | TypeData::Backups(_)
            | TypeData::Monitoring(_)
            | TypeData::Billing(_)
            | TypeData::Sessions(_)
            | TypeData::AccountChanges(_)
            | TypeData::Projects(_) => {}
        }
        // A report may give an app to a collaborator, or say that its owner accepted an invitation.
        if let Some(owner) = &app.owner
            && app.collaborators.contains_key(&owner.id)
        {
            app.collaborators.remove(&owner.id);
        }
        app.updated_at = event.created_at;
        if let Some(new_name) = new_name {
            app.name.clone_from(new_name);
        }
    }

    /// Returns whether an event changes nothing in this state, except perhaps the app's name.
    fn is_left_by(&self, data: &TypeData) -> bool {
        match data {
            TypeData::AppOperations(data) => match data {
                // A rename changes only the name.
                AppOperations::RenameApp(_)
                | AppOperations::Run(_)
                | AppOperations::Crash(_)
                | AppOperations::RepeatedCrash(_)
                | AppOperations::StartRegionMigration(_) => true,
                AppOperations::Restart(_) => !self.stopped,
                _ => false,
            },
            TypeData::SourceControl(data) => {
                matches!(data, SourceControl::LinkGithub(_) | SourceControl::UnlinkGithub(_))
            }
            TypeData::Databases(data) => matches!(data, Databases::UpgradeDatabase(_)),
            TypeData::Notifiers(_)
            | TypeData::Backups(_)
            | TypeData::Monitoring(_)
            | TypeData::Billing(_)
            | TypeData::Sessions(_)
            | TypeData::AccountChanges(_)
            | TypeData::Projects(_) => true,
            _ => false,
        }
    }

    /// Returns what in an event contradicts this state, and therefore has no effect on it; `None` if nothing does.
    pub fn contradiction(&self, data: &TypeData) -> Option<&'static str> {
        match data {
            TypeData::AppOperations(AppOperations::NewApp(data)) => lifecycle::contradiction(self, data),
            TypeData::SourceControl(SourceControl::CreateReviewApp(data)) => {
                review_apps::contradiction(self, data)
            }
            _ => None,
        }
    }

    /// Returns a user's role on this app; `None` if they have none. To them, the app must seem not to exist.
    pub fn role_of(&self, user: UserId) -> Option<Role> {
        if self.owner.as_ref().is_some_and(|owner| owner.id == user) {
            return Some(Role::Owner);
        }
        // Only its last owner still has access to a deleted app.
        let collaborator = self.collaborators.get(&user).filter(|_| self.deleted_at.is_none())?;
        Some(if collaborator.is_limited { Role::LimitedCollaborator } else { Role::Collaborator })
    }

    /// Returns the users who have the app in their list.
    pub fn members(&self) -> Vec<UserId> {
        if self.deleted_at.is_some() {
            return Vec::new();
        }
        self.owner.iter().map(|owner| owner.id).chain(self.collaborators.keys().copied()).collect()
    }

    /// Returns the app as an event with this data names it. The event of a rename has the new name.
    pub fn named_in(&self, data: &TypeData) -> AppRef {
        let name = match data {
            TypeData::AppOperations(AppOperations::RenameApp(data)) => &data.new_name,
            _ => &self.name,
        };
        AppRef { id: self.id, name: name.clone() }
    }
}

/// Adds an item to a list, and removes the oldest items if there are more than `max`.
fn push_bounded<T>(list: &mut Vec<T>, new: T, max: usize) {
    if list.len() >= max {
        list.drain(..=list.len() - max);
    }
    list.push(new);
}

/// Returns whether an event makes an app the review app of one that it cannot belong to.
fn is_impossible_review_app(app: &App, data: &TypeData) -> bool {
    matches!(data, TypeData::SourceControl(SourceControl::CreateReviewApp(_)))
        && app.contradiction(data).is_some()
}
