//! Event types of projects: groups of apps of one owner. The event names the project beside the type.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lenient::text;
use super::{Shape, event_types, join_names};
use crate::field_class::classes;
use crate::{FieldErrors, Person, Time};

/// A new project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProject {
    /// Whether new apps belong to it unless another is named.
    #[serde(default)]
    pub default: bool,
}
classes!(NewProject { default: Public });

/// The changed settings of a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EditProject {
    /// The settings.
    pub updated_values: Vec<EditedValue>,
}
classes!(EditProject { updated_values: [{ EditedValue }] });

/// A setting before and after. The values are text. A report may have numbers, true or false.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EditedValue {
    /// The setting's name.
    pub name: String,
    /// Its new value.
    #[serde(deserialize_with = "text")]
    pub value: String,
    /// Its previous value.
    #[serde(deserialize_with = "text")]
    pub old_value: String,
}
classes!(EditedValue { name: Public, value: Public, old_value: Public });

/// A removed project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteProject {
    /// The project's identifier, as beside the type; omitted if it was not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
}
classes!(DeleteProject { project_id: Public });

/// An invitation to take over a project. Platforms name its fields in two ways; an event has both, and a report needs only
/// one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectInvitation {
    /// The invitation's identifier.
    #[serde(default)]
    pub invitation_id: String,
    /// The same as `invitation_id`.
    #[serde(default)]
    pub transfer_invitation_id: String,
    /// The email address of the invited user; empty if unknown.
    #[serde(default)]
    pub recipient_email: String,
    /// The username of the invited user; empty if unknown.
    #[serde(default)]
    pub recipient_username: String,
    /// The invited user; omitted if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited_user: Option<Person>,
    /// The user who invited them; omitted if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inviter: Option<Person>,
    /// The invitation's status; omitted if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Why it has that status; omitted if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// When it ends; omitted if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// What went wrong; omitted if nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
classes!(ProjectInvitation {
    invitation_id: Public,
    transfer_invitation_id: Public,
    recipient_email: Public,
    recipient_username: Public,
    invited_user: { Person },
    inviter: { Person },
    status: Public,
    status_reason: Public,
    expires_at: Public,
    error: Public,
});

event_types! {
    /// Projects, and the invitations to take them over.
    Projects, Projects;

    /// When a project is created.
    NewProject(NewProject) = "new_project", "Project created", Project, further: |_| "created the project";
    /// When the settings of a project are changed.
    EditProject(EditProject) = "edit_project", "Project changed", Project, further: |data| format!(
        "changed {} of the project",
        join_names(data.updated_values.iter().map(|value| value.name.as_str()))
    );
    /// When a project is removed.
    DeleteProject(DeleteProject) = "delete_project", "Project removed", Project, further: |_| "removed the project";
    /// When a user is invited to take over a project.
    NewInvitation(ProjectInvitation) = "new_project_transfer_invitation", "Project transfer proposed", Project, further:
        |data| format!("invited {} to take over the project", recipient(data));
    /// When a user takes over a project.
    AcceptInvitation(ProjectInvitation) = "accept_project_transfer_invitation", "Project transfer accepted", Project, further:
        |data| format!("transferred the project to {}", recipient(data));
    /// When a user accepts to take over a project and that fails.
    InvitationError(ProjectInvitation) = "accept_project_transfer_invitation_error", "Project transfer failed", Project, further:
        |data| match &data.error {
            Some(error) => format!("failed to transfer the project: {error}"),
            None => "failed to transfer the project".to_owned(),
        };
    /// When the invitation to take over a project is withdrawn.
    CancelInvitation(ProjectInvitation) = "cancel_project_transfer_invitation", "Project transfer cancelled", Project, further:
        |data| format!("cancelled the transfer of the project to {}", recipient(data));
    /// When a user declines to take over a project.
    DeclineInvitation(ProjectInvitation) = "decline_project_transfer_invitation", "Project transfer declined", Project, further:
        |data| format!("declined the transfer of the project to {}", recipient(data));
}

impl Shape for NewProject {}
impl Shape for EditProject {}
impl Shape for DeleteProject {}
impl Shape for ProjectInvitation {
    fn complete(&mut self) -> Result<(), FieldErrors> {
        match (self.invitation_id.is_empty(), self.transfer_invitation_id.is_empty()) {
            (true, true) => return Err(FieldErrors::one("invitation_id", "is missing")),
            (true, false) => self.invitation_id.clone_from(&self.transfer_invitation_id),
            (false, true) => self.transfer_invitation_id.clone_from(&self.invitation_id),
            _ if self.invitation_id != self.transfer_invitation_id => {
                return Err(FieldErrors::one("transfer_invitation_id", "must equal invitation_id"));
            }
            _ => {}
        }
        if let Some(invited) = &self.invited_user {
            invited.check().map_err(|errors| errors.within("invited_user"))?;
            if self.recipient_email.is_empty() && self.recipient_username.is_empty() {
                self.recipient_email.clone_from(&invited.email);
                self.recipient_username.clone_from(&invited.username);
            }
        }
        self.inviter
            .as_ref()
            .map_or(Ok(()), |inviter| inviter.check().map_err(|errors| errors.within("inviter")))
    }
}

/// Names the invited user.
fn recipient(data: &ProjectInvitation) -> &str {
    let known = [&data.recipient_username, &data.recipient_email].into_iter().find(|name| !name.is_empty());
    known.map_or("an unknown user", String::as_str)
}
