//! An app: its state, what each event changes of it, and what each action decides.
//!
//! One file per resource, each with the same three parts: the actions, what each decides, and what its events change
//! (`apply`). [`scale`](self::Scale) is the one to copy: add the file, name its events in [`App::apply`], and give
//! the action to the recorder.

mod collaborators;
mod deployments;
mod lifecycle;
mod scale;
mod variables;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::action::{Context, Role};
use crate::catalogue::{AppOperations, Collaborators, TypeData};
use crate::{AppId, AppRef, Event, Person, Rejection, Time, UserId};

pub use collaborators::Collaborator;
pub use deployments::LastDeployment;
pub use lifecycle::{CreateApp, DeleteApp, RenameApp};
pub use scale::{CONTAINER_SIZES, ContainerType, Scale, ScaledType};
pub use variables::{
    ChangeVariable, DeleteVariable, DeleteVariables, NewValue, SetVariable, SetVariables, VariableId,
    variable_id,
};

/// The public state of an app: what folding its timeline gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct App {
    /// Its lasting identifier.
    pub id: AppId,
    /// Its name at present.
    pub name: String,
    /// Who owns it; unknown where only later events than its creation were reported.
    pub owner: Option<Person>,
    /// When it was created or, where that is unknown, first heard of.
    pub created_at: Time,
    /// When its state last changed.
    pub updated_at: Time,
    /// When it was deleted, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Time>,
    /// The Git repository it was made from, where it was made with one click.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_source: Option<String>,
    /// The name of its stack, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// Its containers by type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub formation: BTreeMap<String, ContainerType>,
    /// Its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Who may work on it besides its owner.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub collaborators: BTreeMap<UserId, Collaborator>,
    /// Its last deployment, however that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_deployment: Option<LastDeployment>,
}

/// A request that changes an app which exists.
pub trait AppAction: Send + Sync {
    /// The least role that may do it.
    const ROLE: Role;

    /// What happens if this is done now: its events, or why it is refused. No event means that nothing would change.
    fn decide(&self, app: &App, context: &Context<'_>) -> Result<Vec<TypeData>, Rejection>;
}

impl App {
    /// An app that is heard of for the first time, at that moment.
    pub fn first_seen(app: &AppRef, at: Time) -> Self {
        Self {
            id: app.id,
            name: app.name.clone(),
            owner: None,
            created_at: at,
            updated_at: at,
            deleted_at: None,
            git_source: None,
            stack: None,
            formation: BTreeMap::new(),
            variables: BTreeMap::new(),
            collaborators: BTreeMap::new(),
            last_deployment: None,
        }
    }

    /// The state after these events, which are a timeline from its beginning; `None` if there are none of an app.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Option<Self> {
        let mut state: Option<Arc<Self>> = None;
        for event in events {
            let app = event.app.as_ref()?;
            let state = state.get_or_insert_with(|| Arc::new(Self::first_seen(app, event.created_at)));
            Self::apply(state, event);
        }
        state.map(Arc::unwrap_or_clone)
    }

    /// Changes the state as that event says. A state that stays as it is keeps its allocation, so that who holds the
    /// state before can tell.
    pub fn apply(state: &mut Arc<Self>, event: &Event) {
        // Every event says what the app was called then, so a renaming that was never reported shows all the same.
        let new_name = event.app.as_ref().map(|app| &app.name).filter(|name| **name != state.name);
        let mut stays = false;
        match &event.data {
            TypeData::AppOperations(data) => match data {
                AppOperations::NewApp(data) => lifecycle::apply_new(Arc::make_mut(state), data, event),
                AppOperations::TransferApp(data) => collaborators::apply_transfer(Arc::make_mut(state), data),
                AppOperations::Scale(data) => scale::apply(Arc::make_mut(state), data),
                AppOperations::Deployment(data) => deployments::apply(Arc::make_mut(state), data, event),
                AppOperations::StackChanged(data) => deployments::apply_stack(Arc::make_mut(state), data),
                // Of a renaming, the new name is all there is.
                AppOperations::RenameApp(_) | AppOperations::Restart(_) | AppOperations::Run(_) => {
                    stays = true
                }
            },
            TypeData::AppDeletion(_) => Arc::make_mut(state).deleted_at = Some(event.created_at),
            TypeData::Collaborators(data) => match data {
                Collaborators::AcceptCollaborator(data) => {
                    collaborators::apply_accept(Arc::make_mut(state), data)
                }
                Collaborators::DeleteCollaborator(data) => {
                    collaborators::apply_delete(Arc::make_mut(state), data)
                }
                Collaborators::NewCollaborator(_) => stays = true,
            },
            TypeData::Variables(data) => variables::apply(Arc::make_mut(state), data),
            TypeData::Addons(_)
            | TypeData::Domains(_)
            | TypeData::SourceControl(_)
            | TypeData::LogDrains(_)
            | TypeData::Databases(_)
            | TypeData::Access(_)
            | TypeData::Billing(_)
            | TypeData::Sessions(_) => stays = true,
        }
        if stays && new_name.is_none() {
            return;
        }
        let app = Arc::make_mut(state);
        app.updated_at = event.created_at;
        if let Some(new_name) = new_name {
            app.name.clone_from(new_name);
        }
    }

    /// What that user may do with this app; `None` if nothing, in which case it must seem not to exist.
    pub fn role_of(&self, user: UserId) -> Option<Role> {
        if self.owner.as_ref().is_some_and(|owner| owner.id == user) {
            return Some(Role::Owner);
        }
        // A deleted app is its last owner's alone.
        let collaborator = self.collaborators.get(&user).filter(|_| self.deleted_at.is_none())?;
        Some(if collaborator.is_limited { Role::LimitedCollaborator } else { Role::Collaborator })
    }

    /// Whose list of apps it stands in.
    pub fn members(&self) -> Vec<UserId> {
        if self.deleted_at.is_some() {
            return Vec::new();
        }
        self.owner.iter().map(|owner| owner.id).chain(self.collaborators.keys().copied()).collect()
    }

    /// This app as an event recorded now names it: a renaming already carries the new name.
    pub fn named_in(&self, data: &TypeData) -> AppRef {
        let name = match data {
            TypeData::AppOperations(AppOperations::RenameApp(data)) => &data.new_name,
            _ => &self.name,
        };
        AppRef { id: self.id, name: name.clone() }
    }
}
