//! What is known of an app that its events do not say: secrets, and what is under way or goes too far for a timeline.
//!
//! Everything here is bounded, since it is kept and read as a whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::databases::MaintenanceRecord;
use super::deployments::DeploymentRecord;
use super::domains::Certificate;
use super::review_apps::PullRequest;
use super::runs::OneOff;
use crate::{EventId, Secret, Time};

/// The private state of an app. It changes with its events, in the same commit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrivateState {
    /// The tokens of the invitations that wait to be accepted, by address.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub invitations: BTreeMap<String, Secret>,
    /// The certificates of its domains, by host name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub certificates: BTreeMap<String, Certificate>,
    /// The account at the forge through which it is linked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integration_id: Option<String>,
    /// The kind of that forge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scm_type: Option<String>,
    /// What the forge proves itself with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook_secret: Option<Secret>,
    /// The container types that its code has, where a builder said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_types: Option<Vec<String>>,
    /// Its last deployments, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deployments: Vec<DeploymentRecord>,
    /// Its last one-off commands, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub one_offs: Vec<OneOff>,
    /// The pull requests of its repository that are known, by number.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pull_requests: BTreeMap<u64, PullRequest>,
    /// The last maintenances of its databases, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintenances: Vec<MaintenanceRecord>,
}

impl PrivateState {
    /// When something of it is due, and the number of the pull request that it concerns.
    pub fn timers(&self) -> impl Iterator<Item = (Time, u64)> {
        self.pull_requests.iter().filter_map(|(&number, pull)| Some((pull.delete_at?, number)))
    }

    /// The deployment of that identifier.
    pub fn deployment(&self, id: EventId) -> Option<&DeploymentRecord> {
        self.deployments.iter().find(|deployment| deployment.id == id)
    }
}
