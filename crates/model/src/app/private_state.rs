//! The state of an app that its events do not contain: secrets, unfinished work, and details too fine for a timeline.
//!
//! Everything here is bounded, because it is stored and read as a whole.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::deployments::DeploymentRecord;
use super::domains::Certificate;
use super::maintenances::MaintenanceRecord;
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
    /// The forge's number for the linked repository; `None` until its first webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository_id: Option<u64>,
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

    /// Returns the records that differ from those of an earlier state, and how the app is linked. Leaves out what may be secret:
    /// commands, audit logs and URLs. The stored outcome of a request has this.
    pub fn records_changed(&self, before: &Self) -> Self {
        let mut changed = Self {
            integration_id: self.integration_id.clone(),
            scm_type: self.scm_type.clone(),
            deployments: changed(&self.deployments, &before.deployments),
            one_offs: changed(&self.one_offs, &before.one_offs),
            maintenances: changed(&self.maintenances, &before.maintenances),
            ..Self::default()
        };
        let pulls =
            self.pull_requests.iter().filter(|(number, pull)| before.pull_requests.get(number) != Some(pull));
        changed.pull_requests = pulls.map(|(number, pull)| (*number, pull.clone())).collect();
        changed.deployments.iter_mut().for_each(|deployment| deployment.source_url = None);
        for one_off in &mut changed.one_offs {
            one_off.command.clear();
            one_off.audit_log.clear();
        }
        for pull in changed.pull_requests.values_mut() {
            pull.html_url.clear();
            pull.source_repo_url.clear();
        }
        changed
    }

    /// Returns the state with these records as they were, and linked as it was. What they lack is as it is now.
    #[must_use]
    pub fn with_records(&self, records: Self) -> Self {
        let Self {
            integration_id,
            scm_type,
            mut deployments,
            mut one_offs,
            mut maintenances,
            mut pull_requests,
            ..
        } = records;
        for one_off in &mut one_offs {
            if let Some(now) = self.one_offs.iter().find(|now| now.id == one_off.id) {
                one_off.command.clone_from(&now.command);
                one_off.audit_log.clone_from(&now.audit_log);
            }
        }
        for (number, pull) in &mut pull_requests {
            if let Some(now) = self.pull_requests.get(number) {
                pull.html_url.clone_from(&now.html_url);
                pull.source_repo_url.clone_from(&now.source_repo_url);
            }
        }
        let mut with = Self { integration_id, scm_type, ..self.clone() };
        // Readers look for the first record with an identifier.
        deployments.append(&mut with.deployments);
        one_offs.append(&mut with.one_offs);
        maintenances.append(&mut with.maintenances);
        with.pull_requests.append(&mut pull_requests);
        Self { deployments, one_offs, maintenances, ..with }
    }

    /// Returns the uploaded archives that were deployed.
    pub fn archives(&self) -> BTreeSet<&str> {
        self.deployments.iter().filter_map(DeploymentRecord::archive).collect()
    }

    /// Returns the deployment with this identifier.
    pub fn deployment(&self, id: EventId) -> Option<&DeploymentRecord> {
        self.deployments.iter().find(|deployment| deployment.id == id)
    }
}

fn changed<T: Clone + PartialEq>(now: &[T], before: &[T]) -> Vec<T> {
    now.iter().filter(|record| !before.contains(record)).cloned().collect()
}
