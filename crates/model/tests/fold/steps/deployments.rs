//! Steps on deployments.

use annals_model::app::{
    BuildDetails, DeployArchive, DeployBranch, ImportDeployment, MoveDeployment, Progress, Stage,
};
use annals_model::catalogue::DeploymentStatus;

use super::{Kind, Step, text};
use crate::platform::{Decided, people};

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "deploy an archive", decide: deploy_archive },
    Kind { name: "deploy a branch", decide: deploy_branch },
    Kind { name: "move a deployment on", decide: move_deployment },
    Kind { name: "import a deployment", decide: import },
];

fn progress(step: &Step<'_>) -> Progress {
    [
        Progress::UnderWay(Stage::Building),
        Progress::Ended(DeploymentStatus::Success),
        Progress::Ended(DeploymentStatus::BuildError),
    ][step.b % 3]
}

fn deploy_archive(step: &mut Step<'_>) -> Decided {
    step.act(&DeployArchive { source_url: text(&["https://a.io/x.tar.gz", "no"], step.a), git_ref: None })
}

fn deploy_branch(step: &mut Step<'_>) -> Decided {
    step.act(&DeployBranch { branch: text(&["main", "next"], step.a) })
}

/// Moves one of the deployments that are under way, or one that does not exist if there are none.
fn move_deployment(step: &mut Step<'_>) -> Decided {
    let deployments = &step.private.deployments;
    let chosen = deployments.get(step.a % deployments.len().max(1)).map(|deployment| deployment.id);
    let id = chosen.unwrap_or_else(|| step.context.ids.event_id(step.context.now));
    step.act(&MoveDeployment { id, status: progress(step), details: BuildDetails::default() })
}

fn import(step: &mut Step<'_>) -> Decided {
    let pusher = people()[step.a % 3].clone();
    step.act(&ImportDeployment { pusher, status: progress(step), details: BuildDetails::default() })
}
