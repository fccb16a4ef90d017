use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, event_types};
use crate::UserId;

/// An invitation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCollaborator {
    /// Who was invited.
    pub collaborator: Invited,
}

/// Somebody invited, who need not have an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invited {
    /// Their account, if they have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<UserId>,
    /// Their username, if they have an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The address that was invited.
    pub email: String,
}

/// An accepted invitation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptCollaborator {
    /// Who accepted.
    pub collaborator: Accepted,
}

/// Somebody who accepted an invitation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// Their account.
    pub id: UserId,
    /// Their email address.
    pub email: String,
    /// Their username.
    pub username: String,
    /// Who had invited them.
    pub inviter: Inviter,
}

/// Who sent an invitation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inviter {
    /// Their email address.
    pub email: String,
    /// Their username.
    pub username: String,
}

/// A removal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteCollaborator {
    /// Who was removed.
    pub collaborator: Removed,
}

/// Somebody who was removed, or whose invitation was withdrawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// Their account, unless the invitation was pending and they have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<UserId>,
    /// Their username, under the same condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Their email address.
    pub email: String,
}

event_types! {
    /// Who may work on an app.
    Collaborators, Collaborators, Contract;

    /// Each time an invitation to collaborate is sent.
    NewCollaborator(NewCollaborator) = "new_collaborator", "Collaborator invited", App:
        |data| format!("invited {} to collaborate", data.collaborator.email);
    /// When an invitation to collaborate is accepted.
    AcceptCollaborator(AcceptCollaborator) = "accept_collaborator", "Invitation accepted", App:
        |data| format!("accepted the invitation of {}", data.collaborator.inviter.username);
    /// When a collaborator is removed from an app.
    DeleteCollaborator(DeleteCollaborator) = "delete_collaborator", "Collaborator removed", App:
        |data| format!("removed {} from the collaborators", data.collaborator.email);
}

impl Shape for NewCollaborator {}
impl Shape for AcceptCollaborator {}
impl Shape for DeleteCollaborator {}
