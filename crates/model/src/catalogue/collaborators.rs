use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, event_types, is_false};
use crate::UserId;
use crate::field_class::classes;

/// An invitation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCollaborator {
    /// Who was invited.
    pub collaborator: Invited,
}
classes!(NewCollaborator { collaborator: { Invited } });

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
    /// Whether as a limited collaborator; left out where not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_limited: bool,
}
classes!(Invited { id: Public, username: Public, email: Public, is_limited: Public });

/// An accepted invitation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptCollaborator {
    /// Who accepted.
    pub collaborator: Accepted,
}
classes!(AcceptCollaborator { collaborator: { Accepted } });

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
    /// Whether as a limited collaborator; left out where not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_limited: bool,
    /// The address that was invited, where it is not their account's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited_email: Option<String>,
}
classes!(Accepted {
    id: Public,
    email: Public,
    username: Public,
    inviter: { Inviter },
    is_limited: Public,
    invited_email: Public,
});

/// Who sent an invitation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inviter {
    /// Their email address.
    pub email: String,
    /// Their username.
    pub username: String,
}
classes!(Inviter { email: Public, username: Public });

/// A removal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteCollaborator {
    /// Who was removed.
    pub collaborator: Removed,
}
classes!(DeleteCollaborator { collaborator: { Removed } });

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
classes!(Removed { id: Public, username: Public, email: Public });

/// A change of role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeCollaboratorRole {
    /// Who has another role.
    pub collaborator: RoleHolder,
}
classes!(ChangeCollaboratorRole { collaborator: { RoleHolder } });

/// Somebody with their role after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleHolder {
    /// Their account, unless the invitation is pending and they have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<UserId>,
    /// Their email address.
    pub email: String,
    /// Their username, under the same condition as `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Whether they are a limited collaborator after it.
    pub is_limited: bool,
}
classes!(RoleHolder { id: Public, email: Public, username: Public, is_limited: Public });

event_types! {
    /// Who may work on an app.
    Collaborators, Collaborators;

    /// Each time an invitation to collaborate is sent.
    NewCollaborator(NewCollaborator) = "new_collaborator", "Collaborator invited", App:
        |data| format!("invited {} to collaborate", data.collaborator.email);
    /// When an invitation to collaborate is accepted.
    AcceptCollaborator(AcceptCollaborator) = "accept_collaborator", "Invitation accepted", App:
        |data| format!("accepted the invitation of {}", data.collaborator.inviter.username);
    /// When a collaborator is removed from an app.
    DeleteCollaborator(DeleteCollaborator) = "delete_collaborator", "Collaborator removed", App:
        |data| format!("removed {} from the collaborators", data.collaborator.email);
    /// When the role of a collaborator is changed.
    ChangeCollaboratorRole(ChangeCollaboratorRole) = "change_collaborator_role", "Collaborator role changed", App, further:
        |data| format!(
            "made {} a {}",
            data.collaborator.email,
            if data.collaborator.is_limited { "limited collaborator" } else { "collaborator" }
        );
}

impl Shape for ChangeCollaboratorRole {}
impl Shape for NewCollaborator {}
impl Shape for AcceptCollaborator {}
impl Shape for DeleteCollaborator {}
