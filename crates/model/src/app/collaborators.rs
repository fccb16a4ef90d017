//! The owner, the collaborators and the invitations of an app.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{App, AppAction, PrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{
    self, AcceptCollaborator, Accepted, AppOperations, Collaborators, Invited, Inviter, NewCollaborator,
    Removed, RoleHolder,
};
use crate::names::is_email;
use crate::{AppId, Event, Person, Rejection, ResourceId, Role, Secret, Time, UserId};

/// The most collaborators and invitations of one app together.
const COLLABORATORS_MAX: usize = 200;

/// A user who accepted an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collaborator {
    /// Their username when they accepted.
    pub username: String,
    /// Their email address when they accepted.
    pub email: String,
    /// Whether they are a limited collaborator.
    #[serde(default)]
    pub is_limited: bool,
    /// The invited email address, if it is not their account's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited_email: Option<String>,
}

/// A pending invitation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invitation {
    /// Who sent it; `None` if unknown.
    pub inviter: Option<Inviter>,
    /// When it was sent.
    pub created_at: Time,
    /// Whether it is for a limited collaborator.
    #[serde(default)]
    pub is_limited: bool,
}

/// Returns the identifier of an app's collaborator or invitation, by the invited email address.
pub fn collaborator_id(app: AppId, invited_email: &str) -> ResourceId {
    ResourceId::derived(app, "collaborator", &invited_email.to_lowercase())
}

impl Collaborator {
    /// Returns the identifier of this collaborator of an app. It is that of their invitation.
    pub fn id(&self, app: AppId) -> ResourceId {
        collaborator_id(app, self.invited_email.as_ref().unwrap_or(&self.email))
    }
}

/// Invites a person. Creates the identifier of the invitation.
#[derive(Debug, Clone)]
pub struct Invite {
    /// The email address.
    pub email: String,
    /// Whether to invite them as a limited collaborator.
    pub is_limited: bool,
}

impl AppAction for Invite {
    const ROLE: Role = Role::Collaborator;
    type Created = ResourceId;

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision<ResourceId>, Rejection> {
        let refuse = |message: &str| Err(Rejection::invalid("email", message));
        let email = self.email.as_str();
        if email.is_empty() {
            return refuse("is missing");
        }
        if !is_email(email) {
            return refuse("must be an email address");
        }
        let is_same = |other: &str| other.eq_ignore_ascii_case(email);
        let known = context.lookups.person_with_email(email);
        let known_id = known.as_ref().map(|known| known.id);
        if app.owner.as_ref().is_some_and(|owner| is_same(&owner.email) || known_id == Some(owner.id)) {
            return refuse("belongs to the owner");
        }
        let is_collaborator = app.collaborators.iter().any(|(id, collaborator)| {
            known_id == Some(*id)
                || is_same(&collaborator.email)
                || collaborator.invited_email.as_deref().is_some_and(is_same)
        });
        if is_collaborator {
            return refuse("already belongs to a collaborator");
        }
        if app.invitations.keys().any(|invited| is_same(invited)) {
            return refuse("has already been invited");
        }
        if app.collaborators.len() + app.invitations.len() >= COLLABORATORS_MAX {
            return refuse(&format!("limit reached ({COLLABORATORS_MAX})"));
        }
        let token = Secret(hex::encode(context.ids.secret()));
        Arc::make_mut(private).invitations.insert(email.to_owned(), token);
        let (id, username) = known.map(|known| (known.id, known.username)).unzip();
        let collaborator = Invited { id, username, email: email.to_owned(), is_limited: self.is_limited };
        let invited = Collaborators::NewCollaborator(NewCollaborator { collaborator });
        Ok(Decision::creating(collaborator_id(app.id, email), invited))
    }
}

/// Accepts an invitation. Any user who has its token may accept it.
#[derive(Debug, Clone)]
pub struct AcceptInvitation {
    /// The token.
    pub token: String,
}

impl AcceptInvitation {
    /// Decides like [`AppAction::decide`], for a user who has no role yet.
    ///
    /// # Errors
    ///
    /// Fails if no invitation has this token, or if the user already works on the app.
    pub fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let found = private.invitations.iter().find(|(_, token)| token.0 == self.token);
        let email = found.map(|(email, _)| email.clone()).ok_or(Rejection::NotFound("collaborator"))?;
        let person = context.person();
        if app.role_of(person.id).is_some() {
            return Err(Rejection::AlreadyCollaborator);
        }
        let invitation = app.invitations.get(&email).ok_or(Rejection::NotFound("collaborator"))?;
        // Whoever saw the link while they worked on the app could use it after they were removed.
        if !person.email.eq_ignore_ascii_case(&email) {
            let message = "the invitation is for the account of another email address";
            return Err(Rejection::Forbidden(message.to_owned()));
        }
        let inviter = invitation.inviter.clone().or_else(|| {
            let owner = app.owner.as_ref()?;
            Some(Inviter { email: owner.email.clone(), username: owner.username.clone() })
        });
        Arc::make_mut(private).invitations.remove(&email);
        let accepted = Accepted {
            id: person.id,
            email: person.email.clone(),
            username: person.username.clone(),
            inviter: inviter.ok_or(Rejection::NotFound("collaborator"))?,
            is_limited: invitation.is_limited,
            invited_email: None,
        };
        Ok(Decision::of(Collaborators::AcceptCollaborator(AcceptCollaborator { collaborator: accepted })))
    }
}

/// Removes a collaborator, or withdraws an invitation. Collaborators may remove themselves.
#[derive(Debug, Clone)]
pub struct RemoveCollaborator {
    /// The identifier of the collaborator or invitation.
    pub id: ResourceId,
}

impl AppAction for RemoveCollaborator {
    const ROLE: Role = Role::LimitedCollaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let may_remove_all = context.role >= Some(Role::Collaborator);
        let removed = match find(app, self.id)? {
            Found::Collaborator(id, _) if !may_remove_all && id != context.person().id => {
                return Err(Rejection::needs(Role::Collaborator));
            }
            Found::Invitation(..) if !may_remove_all => return Err(Rejection::needs(Role::Collaborator)),
            Found::Collaborator(id, collaborator) => {
                let is_linker =
                    |link: &super::ScmLink| link.linker.as_ref().is_some_and(|linker| linker.id == id);
                if app.scm_link.as_deref().is_some_and(is_linker) {
                    let message = "linked the repository: first unlink it, or link it again as another user";
                    return Err(Rejection::invalid("collaborator", message));
                }
                if !collaborator.is_limited {
                    renew_hook_secret(private, context);
                }
                let (username, email) = (Some(collaborator.username.clone()), collaborator.email.clone());
                Removed { id: Some(id), username, email }
            }
            Found::Invitation(email, _) => {
                Arc::make_mut(private).invitations.remove(email);
                let known = context.lookups.person_with_email(email);
                let (id, username) = known.map(|known| (known.id, known.username)).unzip();
                // The list of collaborators has the same text, because official clients show the username.
                Removed { id, username: username.or_else(|| Some("n/a".to_owned())), email: email.clone() }
            }
        };
        let removed = catalogue::DeleteCollaborator { collaborator: removed };
        Ok(Decision::of(Collaborators::DeleteCollaborator(removed)))
    }
}

/// Renews the secret of the link's webhooks, because somebody who could read it may no longer.
fn renew_hook_secret(private: &mut Arc<PrivateState>, context: &Context<'_>) {
    if private.hook_secret.is_some() {
        Arc::make_mut(private).hook_secret = Some(Secret(hex::encode(context.ids.secret())));
    }
}

/// Changes the role of a collaborator or an invitation.
#[derive(Debug, Clone)]
pub struct ChangeRole {
    /// The identifier of the collaborator or invitation.
    pub id: ResourceId,
    /// Whether they become a limited collaborator.
    pub is_limited: bool,
}

impl AppAction for ChangeRole {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let is_limited = self.is_limited;
        let holder = match find(app, self.id)? {
            Found::Collaborator(_, collaborator) if collaborator.is_limited == is_limited => {
                return Ok(Decision::none());
            }
            Found::Invitation(_, invitation) if invitation.is_limited == is_limited => {
                return Ok(Decision::none());
            }
            Found::Collaborator(id, collaborator) => {
                let is_linker =
                    |link: &super::ScmLink| link.linker.as_ref().is_some_and(|linker| linker.id == id);
                if is_limited && app.scm_link.as_deref().is_some_and(is_linker) {
                    let message = "must be false for the user who linked the repository: first unlink it";
                    return Err(Rejection::invalid("is_limited", message));
                }
                if is_limited {
                    renew_hook_secret(private, context);
                }
                let username = Some(collaborator.username.clone());
                RoleHolder { id: Some(id), email: collaborator.email.clone(), username, is_limited }
            }
            Found::Invitation(email, _) => {
                let known = context.lookups.person_with_email(email);
                let (id, username) = known.map(|known| (known.id, known.username)).unzip();
                RoleHolder { id, email: email.clone(), username, is_limited }
            }
        };
        let changed = catalogue::ChangeCollaboratorRole { collaborator: holder };
        Ok(Decision::of(Collaborators::ChangeCollaboratorRole(changed)))
    }
}

/// Transfers an app to one of its collaborators. The previous owner becomes a collaborator.
#[derive(Debug, Clone)]
pub struct TransferApp {
    /// The email address of the new owner.
    pub owner: String,
    /// The app's current name as a confirmation; `None` if the caller gave none.
    pub current_name: Option<String>,
}

impl AppAction for TransferApp {
    const ROLE: Role = Role::Owner;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        if let Some(current_name) = &self.current_name {
            super::lifecycle::check_current_name(app, current_name)?;
        }
        let old_owner = context.person().clone();
        // The owner of the parent app has this role too, but cannot transfer an app that belongs to another user.
        if app.owner.as_ref().is_none_or(|owner| owner.id != old_owner.id) {
            return Err(Rejection::needs(Role::Owner));
        }
        let found = app.collaborators.iter().find(|(id, known)| {
            let now = context.lookups.person(**id).map_or_else(|| known.email.clone(), |person| person.email);
            now.eq_ignore_ascii_case(&self.owner)
        });
        let Some((&id, new)) = found else {
            let message = "must be the email address of a collaborator who has accepted the invitation";
            return Err(Rejection::invalid("owner", message));
        };
        let noted = || Person { username: new.username.clone(), email: new.email.clone(), id };
        let new_owner = context.lookups.person(id).unwrap_or_else(noted);
        Ok(Decision::of(AppOperations::TransferApp(catalogue::TransferApp { old_owner, new_owner })))
    }
}

/// An item of the list of collaborators.
pub enum Found<'a> {
    /// A collaborator.
    Collaborator(UserId, &'a Collaborator),
    /// A pending invitation, with its email address.
    Invitation(&'a String, &'a Invitation),
}

/// Returns the collaborator or invitation with this identifier.
///
/// # Errors
///
/// Fails if the app has neither.
pub fn find(app: &App, id: ResourceId) -> Result<Found<'_>, Rejection> {
    let collaborator = app.collaborators.iter().find(|(_, collaborator)| collaborator.id(app.id) == id);
    let invited = || app.invitations.iter().find(|(email, _)| collaborator_id(app.id, email) == id);
    match collaborator {
        Some((&user, collaborator)) => Ok(Found::Collaborator(user, collaborator)),
        None => invited()
            .map(|(email, invitation)| Found::Invitation(email, invitation))
            .ok_or(Rejection::NotFound("collaborator")),
    }
}

pub(super) fn apply_transfer(app: &mut App, data: &catalogue::TransferApp) {
    let old = &data.old_owner;
    let (username, email) = (old.username.clone(), old.email.clone());
    app.collaborators
        .insert(old.id, Collaborator { username, email, is_limited: false, invited_email: None });
    app.owner = Some(data.new_owner.clone());
}

pub(super) fn apply(app: &mut App, data: &Collaborators, event: &Event) {
    match data {
        Collaborators::NewCollaborator(NewCollaborator { collaborator: invited }) => {
            let inviter = event.user.as_ref();
            let inviter =
                inviter.map(|user| Inviter { email: user.email.clone(), username: user.username.clone() });
            let invitation =
                Invitation { inviter, created_at: event.created_at, is_limited: invited.is_limited };
            app.invitations.insert(invited.email.clone(), invitation);
        }
        Collaborators::AcceptCollaborator(AcceptCollaborator { collaborator: accepted }) => {
            withdraw(app, &accepted.email);
            if let Some(invited_email) = &accepted.invited_email {
                withdraw(app, invited_email);
            }
            let collaborator = Collaborator {
                username: accepted.username.clone(),
                email: accepted.email.clone(),
                is_limited: accepted.is_limited,
                invited_email: accepted.invited_email.clone(),
            };
            app.collaborators.insert(accepted.id, collaborator);
        }
        Collaborators::DeleteCollaborator(catalogue::DeleteCollaborator { collaborator: removed }) => {
            match removed.id {
                Some(id) if app.collaborators.remove(&id).is_some() => {}
                // A pending invitation of a known user has their identifier too.
                Some(_) => withdraw(app, &removed.email),
                None => {
                    app.collaborators.retain(|_, collaborator| collaborator.email != removed.email);
                    withdraw(app, &removed.email);
                }
            }
        }
        Collaborators::ChangeCollaboratorRole(data) => apply_role(app, data),
    }
}

fn apply_role(app: &mut App, data: &catalogue::ChangeCollaboratorRole) {
    let holder = &data.collaborator;
    if let Some(collaborator) = holder.id.and_then(|id| app.collaborators.get_mut(&id)) {
        collaborator.is_limited = holder.is_limited;
    } else if let Some(invitation) = app.invitations.get_mut(&holder.email) {
        invitation.is_limited = holder.is_limited;
    }
}

fn withdraw(app: &mut App, email: &str) {
    app.invitations.retain(|invited, _| !invited.eq_ignore_ascii_case(email));
}
