//! The state of an app that its events do not contain: secrets, unfinished work, and details too fine for a timeline.
//!
//! Everything here is bounded, because it is stored and read as a whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::databases::MaintenanceRecord;
use super::deployments::DeploymentRecord;
use super::domains::Certificate;
use super::review_apps::PullRequest;
use super::runs::OneOff;
use crate::{EventId, Secret, Time};

/// The private state of an app. It changes in the same commit as the events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrivateState {
    /// The tokens of pending invitations, by email address.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub invitations: BTreeMap<String, Secret>,
    /// The certificates of its domains, by host name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub certificates: BTreeMap<String, Certificate>,
    /// The integration through which it is linked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integration_id: Option<String>,
    /// The kind of the linked forge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scm_type: Option<String>,
    /// The secret that signs the forge's webhooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook_secret: Option<Secret>,
    /// The container types that its code defines; `None` if no builder reported them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_types: Option<Vec<String>>,
    /// Its last deployments, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deployments: Vec<DeploymentRecord>,
    /// Its last one-off commands, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub one_offs: Vec<OneOff>,
    /// The known pull requests of its repository, by number.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pull_requests: BTreeMap<u64, PullRequest>,
    /// The last maintenances of its databases, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintenances: Vec<MaintenanceRecord>,
}

impl PrivateState {
    /// Returns the timers of review apps: when each app is due to be destroyed, and the number of its pull request.
    pub fn timers(&self) -> impl Iterator<Item = (Time, u64)> {
        self.pull_requests.iter().filter_map(|(&number, pull)| Some((pull.delete_at?, number)))
    }

    /// Returns the deployment with this identifier.
    pub fn deployment(&self, id: EventId) -> Option<&DeploymentRecord> {
        self.deployments.iter().find(|deployment| deployment.id == id)
    }
}
