//! The app itself, its containers and its deployments.
//!
//! The rows are in one table, because clients know them as one list in this order. The shapes are in one file per
//! subject.

mod apps;
mod containers;
mod deployments;
mod sent_scale;

use super::event_types;

pub use apps::{
    DeleteApp, EditApp, NewApp, RenameApp, StackChanged, StartRegionMigration, TransferApp, UpdateAppProject,
};
pub use containers::{Crash, Restart, RestartReason, Run, Scale, StopApp};
pub use deployments::{CommitList, Deployment, DeploymentStatus, DeploymentType};

event_types! {
    /// The app itself: its existence, name, owner, settings, containers, code and stack.
    AppOperations, AppOperations;

    /// When an app is created.
    NewApp(NewApp) = "new_app", "App created", App: |data| apps::creation_in_words(data);
    /// When an app is renamed.
    RenameApp(RenameApp) = "rename_app", "App renamed", App:
        |data| format!("renamed the app from {} to {}", data.old_name, data.new_name);
    /// When an app gets a new owner.
    TransferApp(TransferApp) = "transfer_app", "App transferred", App:
        |data| format!("transferred the app from {} to {}", data.old_owner.username, data.new_owner.username);
    /// When an app or some of its containers are restarted.
    Restart(Restart) = "restart", "App restarted", App: |data| containers::restart_in_words(data);
    /// When the formation of an app changes.
    Scale(Scale) = "scale", "App scaled", App: |data| format!("scaled {}", containers::scale_in_words(data));
    /// When a deployment finishes.
    Deployment(Deployment) = "deployment", "App deployed", App: |data| deployments::deployment_in_words(data);
    /// When a one-off command is run.
    Run(Run) = "run", "Command run", App:
        |data| if data.command.is_empty() { "ran a maintenance command" } else { "ran a one-off command" };
    /// When the stack of an app is changed.
    StackChanged(StackChanged) = "stack_changed", "Stack changed", App:
        |data| format!("changed the stack from {} to {}", data.previous_stack_name, data.current_stack_name);
    /// When the settings of an app are changed.
    EditApp(EditApp) = "edit_app", "App settings changed", App, further: |data| apps::settings_in_words(data);
    /// When an app is deleted.
    DeleteApp(DeleteApp) = "delete_app", "App deleted", App, further: |_| "deleted the app";
    /// When an app is moved to another project.
    UpdateAppProject(UpdateAppProject) = "update_app_project", "App moved to another project", App, further:
        |data| format!("moved the app to project {}", data.new_project_name);
    /// When the platform stops an app.
    StopApp(StopApp) = "stop_app", "App stopped", App, further: |data| match data.reason.as_str() {
        "" => "stopped the app".to_owned(),
        reason => format!("stopped the app: {reason}"),
    };
    /// When a container crashes.
    Crash(Crash) = "crash", "Container crashed", App, further:
        |data| format!("noticed a crash of {}", data.container_type);
    /// When a container crashes again and again.
    RepeatedCrash(Crash) = "repeated_crash", "Container crashed repeatedly", App, further:
        |data| format!("noticed repeated crashes of {}", data.container_type);
    /// When an app begins to move to another region.
    StartRegionMigration(StartRegionMigration) = "start_region_migration", "Region migration started", App, further: |data| format!(
        "started to move the app from {} to {} as {}",
        data.source, data.destination, data.dst_app_name
    );
}
