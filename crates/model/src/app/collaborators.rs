//! Who owns an app, and who else may work on it.

use serde::{Deserialize, Serialize};

use super::App;
use crate::catalogue::{AcceptCollaborator, DeleteCollaborator, TransferApp};

/// Somebody who accepted an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collaborator {
    /// Their username when they accepted.
    pub username: String,
    /// Their email address when they accepted.
    pub email: String,
    /// Whether they may do only the little that a limited collaborator may.
    #[serde(default)]
    pub is_limited: bool,
}

pub(super) fn apply_transfer(app: &mut App, data: &TransferApp) {
    app.collaborators.remove(&data.new_owner.id);
    let old = &data.old_owner;
    let collaborator =
        Collaborator { username: old.username.clone(), email: old.email.clone(), is_limited: false };
    app.collaborators.insert(old.id, collaborator);
    app.owner = Some(data.new_owner.clone());
}

pub(super) fn apply_accept(app: &mut App, data: &AcceptCollaborator) {
    let accepted = &data.collaborator;
    let collaborator = Collaborator {
        username: accepted.username.clone(),
        email: accepted.email.clone(),
        is_limited: false,
    };
    app.collaborators.insert(accepted.id, collaborator);
}

pub(super) fn apply_delete(app: &mut App, data: &DeleteCollaborator) {
    let removed = &data.collaborator;
    match removed.id {
        Some(id) => _ = app.collaborators.remove(&id),
        None => app.collaborators.retain(|_, collaborator| collaborator.email != removed.email),
    }
}
