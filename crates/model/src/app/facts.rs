//! What is known of an app that its events do not say: secrets, and what is under way or goes too far for a timeline.
//!
//! Everything here is bounded, since it is kept and read as a whole.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::databases::MaintenanceRecord;
use super::deployments::DeploymentRecord;
use super::review_apps::PullRequest;
use super::runs::OneOff;
use crate::{EventId, Time};

/// The private facts of an app. They change with its events, in the same commit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
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
    /// The pull requests of its repository that were heard of, by number.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pull_requests: BTreeMap<u64, PullRequest>,
    /// The last maintenances of its databases, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintenances: Vec<MaintenanceRecord>,
}

impl Facts {
    /// When something of it is due, and the number of the pull request that it concerns.
    pub fn timers(&self) -> impl Iterator<Item = (Time, u64)> {
        self.pull_requests.iter().filter_map(|(&number, pull)| Some((pull.delete_at?, number)))
    }

    /// The newest of what has an identifier of its own here: deployments, one-offs and maintenances.
    pub fn newest(&self) -> Option<EventId> {
        let deployments = self.deployments.last().map(|deployment| deployment.id);
        let one_offs = self.one_offs.last().map(|one_off| one_off.id);
        let maintenances = self.maintenances.last().map(|maintenance| maintenance.id);
        deployments.max(one_offs).max(maintenances)
    }

    /// The deployment of that identifier.
    pub fn deployment(&self, id: EventId) -> Option<&DeploymentRecord> {
        self.deployments.iter().find(|deployment| deployment.id == id)
    }
}

/// Adds to a list of the last things, of which the oldest goes where there are too many.
pub(super) fn push_bounded<T>(list: &mut Vec<T>, new: T, max: usize) {
    if list.len() >= max {
        list.drain(..=list.len() - max);
    }
    list.push(new);
}

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A certificate with its private key, which leaves the store never.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The certificate and those that vouch for it, in PEM.
    pub certificate: String,
    /// Its private key, in PEM.
    pub private_key: Secret,
    /// Until when it is valid.
    pub valid_until: Time,
}
