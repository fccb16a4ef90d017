//! What an app runs, and on which stack.

use serde::{Deserialize, Serialize};

use super::App;
use crate::catalogue::{Deployment, DeploymentStatus, StackChanged};
use crate::{Event, Time};

/// The last deployment of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastDeployment {
    /// Identifies it.
    pub id: String,
    /// The username of who pushed the code.
    pub pusher: String,
    /// How it ended.
    pub status: DeploymentStatus,
    /// When it ended.
    pub finished_at: Time,
}

pub(super) fn apply(app: &mut App, data: &Deployment, event: &Event) {
    app.last_deployment = Some(LastDeployment {
        id: data.deployment_id.clone(),
        pusher: data.pusher.clone(),
        status: data.status,
        finished_at: data.finished_at.unwrap_or(event.created_at),
    });
    if let Some(stack) = &data.stack {
        app.stack = Some(stack.clone());
    }
}

pub(super) fn apply_stack(app: &mut App, data: &StackChanged) {
    app.stack = Some(data.current_stack_name.clone());
}
