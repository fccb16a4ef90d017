//! Steps on collaborators.

use annals_model::ResourceId;
use annals_model::app::{AcceptInvitation, ChangeRole, Invite, RemoveCollaborator, collaborator_id};

use super::{Kind, Step, email};
use crate::platform::{Decided, named};

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "invite a collaborator", decide: invite },
    Kind { name: "accept an invitation", decide: accept },
    Kind { name: "remove a collaborator", decide: remove },
    Kind { name: "change a collaborator's role", decide: change_role },
];

fn collaborator(step: &Step<'_>) -> ResourceId {
    collaborator_id(step.app.id, &email(step.a))
}

fn invite(step: &mut Step<'_>) -> Decided {
    step.act(&Invite { email: email(step.a), is_limited: step.b == 0 })
}

/// Accepts one of the open invitations. Whoever has the token may, without a role.
fn accept(step: &mut Step<'_>) -> Decided {
    let invitations = &step.private.invitations;
    let token = invitations.values().nth(step.a % invitations.len().max(1)).map(|token| token.0.clone());
    let action = AcceptInvitation { token: token.unwrap_or_default() };
    action.decide(step.app, step.private, step.context).map(named)
}

fn remove(step: &mut Step<'_>) -> Decided {
    step.act(&RemoveCollaborator { id: collaborator(step) })
}

fn change_role(step: &mut Step<'_>) -> Decided {
    step.act(&ChangeRole { id: collaborator(step), is_limited: step.b.is_multiple_of(2) })
}
