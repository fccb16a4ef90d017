//! The settings and the stack of an app.

use std::sync::Arc;

use super::{App, AppAction, PrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{self, AppOperations};
use crate::directory::{self, Stack};
use crate::{Rejection, Role, Time};

/// Changes the settings of an app. `None` keeps a setting.
#[derive(Debug, Clone, Default)]
pub struct EditApp {
    /// Whether to redirect plain HTTP to HTTPS.
    pub force_https: Option<bool>,
    /// Whether to send all requests of a client to the same container.
    pub sticky_session: Option<bool>,
    /// Whether to include the router's logs in the app's.
    pub router_logs: Option<bool>,
}

impl AppAction for EditApp {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        _context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let changed = |wanted: Option<bool>, now: bool| wanted.filter(|wanted| *wanted != now);
        let data = catalogue::EditApp {
            force_https: changed(self.force_https, app.force_https),
            sticky_session: changed(self.sticky_session, app.sticky_session),
            router_logs: changed(self.router_logs, app.router_logs),
        };
        if data == catalogue::EditApp::default() {
            return Ok(Decision::none());
        }
        Ok(Decision::of(AppOperations::EditApp(data)))
    }
}

/// Moves an app to another stack.
#[derive(Debug, Clone)]
pub struct ChangeStack {
    /// The identifier or the name of the stack.
    pub stack_id: String,
}

impl AppAction for ChangeStack {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let previous_stack_name = stack_name(app);
        if directory::stack(&self.stack_id).is_some_and(|stack| stack.name == previous_stack_name) {
            return Ok(Decision::none());
        }
        let current = choose(&self.stack_id, context.now)?;
        Ok(Decision::of(AppOperations::StackChanged(catalogue::StackChanged {
            previous_stack_id: stack_id(app),
            current_stack_id: current.id.to_owned(),
            previous_stack_name: previous_stack_name.to_owned(),
            current_stack_name: current.name.to_owned(),
        })))
    }
}

/// Returns the requested stack, if it is still available.
pub(super) fn choose(id_or_name: &str, now: Time) -> Result<&'static Stack, Rejection> {
    let stack = directory::stack(id_or_name).ok_or(Rejection::NotFound("stack"))?;
    if directory::may_be_chosen(stack.id, now) {
        return Ok(stack);
    }
    Err(Rejection::invalid("stack_id", format!("is deprecated: {}", stack.name)))
}

/// Returns the name of an app's stack.
pub fn stack_name(app: &App) -> &str {
    app.stack.as_deref().unwrap_or(directory::default_stack().name)
}

/// Returns the identifier of an app's stack; empty if a report named an unknown stack.
pub fn stack_id(app: &App) -> String {
    directory::stack(stack_name(app)).map_or_else(String::new, |stack| stack.id.to_owned())
}

pub(super) fn apply(app: &mut App, data: &catalogue::EditApp) {
    for (setting, changed) in [
        (&mut app.force_https, data.force_https),
        (&mut app.sticky_session, data.sticky_session),
        (&mut app.router_logs, data.router_logs),
    ] {
        *setting = changed.unwrap_or(*setting);
    }
}

pub(super) fn apply_stack(app: &mut App, data: &catalogue::StackChanged) {
    app.stack = Some(data.current_stack_name.clone());
}
