//! What a history of an app is made of: a function for each action, grouped by resource.

mod addons;
mod collaborators;
mod containers;
mod deployments;
mod domains;
mod log_drains;
mod reports;
mod settings;
mod source_control;
mod variables;

use std::sync::Arc;

use annals_model::app::{AppAction, addon_id};
use annals_model::{App, Context, PrivateState, Rejection, Role};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::platform::{Decided, named};

/// A kind of step: its name in messages, and what it decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) decide: fn(&mut Step<'_>) -> Decided,
}

/// Every kind of step.
pub(crate) fn kinds() -> Vec<Kind> {
    let by_resource = [
        addons::KINDS,
        collaborators::KINDS,
        containers::KINDS,
        deployments::KINDS,
        domains::KINDS,
        log_drains::KINDS,
        reports::KINDS,
        settings::KINDS,
        source_control::KINDS,
        variables::KINDS,
    ];
    by_resource.concat()
}

/// A step as it is generated: its kind, the number of its actor, and choices that each kind uses as it likes.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) actor: usize,
    a: usize,
    b: usize,
    example: Index,
}

impl Plan {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        // The owner, whose role allows the most, acts most often.
        let actor = prop_oneof![3 => Just(0_usize), 1 => 1..4_usize];
        let fields = (prop::sample::select(kinds()), actor, 0..6_usize, 0..6_usize, any::<Index>());
        fields.prop_map(|(kind, actor, a, b, example)| Self { kind, actor, a, b, example })
    }

    pub(crate) fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Decided {
        let mut step = Step { app, private, context, a: self.a, b: self.b, example: self.example };
        (self.kind.decide)(&mut step)
    }

    /// Whether the step is possible after the app was deleted. Actions never reach a deleted app, but reports may.
    pub(crate) fn takes_deleted_apps(&self) -> bool {
        reports::KINDS.iter().any(|kind| kind.name == self.kind.name)
    }
}

/// A step as it is played: the state it decides on, and its choices.
pub(crate) struct Step<'a> {
    app: &'a App,
    private: &'a mut Arc<PrivateState>,
    context: &'a Context<'a>,
    a: usize,
    b: usize,
    example: Index,
}

impl Step<'_> {
    /// Decides an action. Like the service, it refuses callers whose role is too small.
    fn act<A: AppAction>(&mut self, action: &A) -> Decided {
        let role = if A::ROLE == Role::Operator { Some(Role::Operator) } else { self.context.role };
        match role {
            Some(role) if role >= A::ROLE => {
                let actor = action.actor(self.app, self.private, self.context.actor);
                let context = Context { actor: actor.as_ref(), role: Some(role), ..*self.context };
                action.decide(self.app, self.private, &context).map(named)
            }
            Some(_) => Err(Rejection::needs(A::ROLE)),
            None => Err(Rejection::NotFound("app")),
        }
    }

    /// The identifier of one of the app's addons; empty if it has none.
    fn addon(&self) -> String {
        let addons = &self.app.addons;
        let chosen = addons.keys().nth(self.a % addons.len().max(1));
        chosen.map(|resource_id| addon_id(self.app.id, resource_id)).unwrap_or_default()
    }
}

/// One of these texts.
fn text(pool: &[&str], choice: usize) -> String {
    pool[choice % pool.len()].to_owned()
}

/// The name of a variable; one of them is invalid.
fn variable_name(choice: usize) -> String {
    text(&["A", "B", "LONG_NAME", "9bad"], choice)
}

/// The value of a variable; one of them is empty.
fn variable_value(choice: usize) -> String {
    text(&["", "1", "two", "é"], choice)
}

/// The address of a user, of somebody unknown, or of nobody.
fn email(choice: usize) -> String {
    text(&["jane@example.com", "sam@example.com", "kim@example.com", "new@example.com", "no"], choice)
}

/// A setting that is left as it is, switched on or switched off.
fn flag(choice: usize) -> Option<bool> {
    [None, Some(true), Some(false)][choice % 3]
}
