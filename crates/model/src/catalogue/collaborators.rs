//! Event types of collaborators and their invitations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, event_types, is_false};
use crate::UserId;
use crate::field_class::classes;

/// An invitation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCollaborator {
    /// The invited person.
    pub collaborator: Invited,
}
classes!(NewCollaborator { collaborator: { Invited } });

/// An invited person, who may not have an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invited {
    /// Their user identifier; omitted if they have no account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<UserId>,
    /// Their username; omitted if they have no account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The invited email address.
    pub email: String,
    /// Whether they are invited as a limited collaborator; omitted if false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_limited: bool,
}
classes!(Invited { id: Public, username: Public, email: Public, is_limited: Public });

/// An accepted invitation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptCollaborator {
    /// The new collaborator.
    pub collaborator: Accepted,
}
classes!(AcceptCollaborator { collaborator: { Accepted } });

/// A user who accepted an invitation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// Their user identifier.
    pub id: UserId,
    /// Their email address.
    pub email: String,
    /// Their username.
    pub username: String,
    /// The user who invited them.
    pub inviter: Inviter,
    /// Whether they are invited as a limited collaborator; omitted if false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_limited: bool,
    /// The invited email address; omitted if it is their account's.
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

/// The user who sent an invitation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inviter {
    /// Their email address.
    pub email: String,
    /// Their username.
    pub username: String,
}
classes!(Inviter { email: Public, username: Public });

/// The removal of a collaborator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteCollaborator {
    /// The removed collaborator.
    pub collaborator: Removed,
}
classes!(DeleteCollaborator { collaborator: { Removed } });

/// A removed collaborator, or a person whose invitation was withdrawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// Their user identifier; omitted if the invitation was pending and they have no account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<UserId>,
    /// Their username; omitted under the same condition as `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Their email address.
    pub email: String,
}
classes!(Removed { id: Public, username: Public, email: Public });

/// A change of a collaborator's role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeCollaboratorRole {
    /// The collaborator whose role changed.
    pub collaborator: RoleHolder,
}
classes!(ChangeCollaboratorRole { collaborator: { RoleHolder } });

/// A collaborator with their new role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleHolder {
    /// Their user identifier; omitted if the invitation is pending and they have no account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<UserId>,
    /// Their email address.
    pub email: String,
    /// Their username; omitted under the same condition as `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Whether they are now a limited collaborator.
    pub is_limited: bool,
}
classes!(RoleHolder { id: Public, email: Public, username: Public, is_limited: Public });

event_types! {
    /// The collaborators of an app, and invitations.
    Collaborators, Collaborators;

    /// When an invitation to collaborate is sent.
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
