//! Restarting an app.

use std::sync::Arc;

use super::{App, AppAction, PrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{self, AppOperations, RestartReason, TypeData};
use crate::{FieldErrors, Rejection, Role};

/// The most containers and types in a scope.
const SCOPE_MAX: usize = 100;

/// Restarts an app or some of its containers.
#[derive(Debug, Clone)]
pub struct Restart {
    /// Container types (`web`) and single containers (`web-1`); empty for all.
    pub scope: Vec<String>,
}

impl AppAction for Restart {
    const ROLE: Role = Role::LimitedCollaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        _context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        if app.last_deployment.is_none() {
            return Err(Rejection::invalid("app", "has not been deployed yet"));
        }
        if self.scope.len() > SCOPE_MAX {
            return Err(Rejection::invalid("scope", format!("must not have more than {SCOPE_MAX} entries")));
        }
        let unknown = self.scope.iter().filter(|entry| !has_containers(app, entry));
        let errors =
            unknown.map(|entry| ("scope".to_owned(), format!("has no containers called {entry:.64}")));
        if let Some(errors) = FieldErrors::any(errors) {
            return Err(Rejection::Invalid(errors));
        }
        let scope = (!self.scope.is_empty()).then(|| self.scope.clone());
        Ok(Decision::of(restarted(scope, "")))
    }
}

/// Returns the event of a restart. `addon_name` is empty unless an add-on restarted the app.
pub(super) fn restarted(scope: Option<Vec<String>>, addon_name: &str) -> TypeData {
    let reason = addon_name.is_empty().then_some(RestartReason::UserRestart);
    let (addon_name, addon_provider) = (addon_name.to_owned(), addon_name.to_owned());
    AppOperations::Restart(catalogue::Restart { scope, addon_name, addon_provider, reason }).into()
}

/// Returns whether a scope's entry is a container type of the app, or one of its containers.
fn has_containers(app: &App, entry: &str) -> bool {
    app.formation.contains_key(entry)
        || entry.rsplit_once('-').is_some_and(|(name, index)| {
            let amount = app.formation.get(name).map_or(0, |container| container.amount);
            index.parse().is_ok_and(|index: u32| (1..=amount).contains(&index))
        })
}
