//! The beginning of an app, its name, and its end.

use std::sync::Arc;

use super::{App, AppAction, PrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{self, AppOperations};
use crate::limits::APP_NAME_CHARS;
use crate::{AppId, Event, Rejection, Role};

/// Names that paths of the API need for themselves.
const RESERVED_NAMES: &[&str] = &["collaboration"];

/// The longest URL of a repository to make an app from.
const GIT_SOURCE_MAX: usize = 1_024;

/// Makes a new app, owned by the actor, and says its identifier.
#[derive(Debug, Clone, Default)]
pub struct CreateApp {
    /// What it is to be called.
    pub name: String,
    /// The Git repository to make it from.
    pub git_source: Option<String>,
    /// The identifier of the stack it is to have, or its name; the default one if there is none.
    pub stack_id: Option<String>,
    /// Whether it is to hold health data.
    pub hds_resource: bool,
    /// The app it is to be a child of.
    pub parent: Option<AppId>,
    /// The number of the pull request whose review app it is.
    pub pull_request: Option<u64>,
}

impl CreateApp {
    /// As [`AppAction::decide`], where there is no app yet. That the name is free is for the store to say.
    pub fn decide(&self, context: &Context<'_>) -> Result<Decision<AppId>, Rejection> {
        check_name(&self.name)?;
        if self.git_source.as_ref().is_some_and(|source| source.len() > GIT_SOURCE_MAX) {
            return Err(Rejection::invalid(
                "git_source",
                format!("must not be longer than {GIT_SOURCE_MAX} bytes"),
            ));
        }
        let stack = self.stack_id.as_ref().map(|id| super::settings::choose(id, context.now)).transpose()?;
        let new = AppOperations::NewApp(catalogue::NewApp {
            git_source: self.git_source.clone(),
            stack: stack.map(|stack| stack.name.to_owned()),
            parent_app_id: self.parent,
            pull_request: self.pull_request,
            hds_resource: self.hds_resource,
        });
        Ok(Decision::creating(context.ids.app_id(context.now), new))
    }
}

/// Gives an app another name.
#[derive(Debug, Clone)]
pub struct RenameApp {
    /// The name the actor believes it has, as a confirmation.
    pub current_name: String,
    /// The name it is to have.
    pub new_name: String,
}

impl AppAction for RenameApp {
    const ROLE: Role = Role::Owner;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        _context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        check_current_name(app, &self.current_name)?;
        check_name(&self.new_name)?;
        if self.new_name == app.name {
            return Err(Rejection::invalid("name", "is the name it already has"));
        }
        let (old_name, new_name) = (app.name.clone(), self.new_name.clone());
        Ok(Decision::of(AppOperations::RenameApp(catalogue::RenameApp { old_name, new_name })))
    }
}

/// Deletes an app. Its timeline stays, for its owner and the operator; its name becomes free.
#[derive(Debug, Clone)]
pub struct DeleteApp {
    /// The name the actor believes it has, as a confirmation. A review app needs none: it can be made again.
    pub current_name: Option<String>,
}

impl AppAction for DeleteApp {
    // Who may look at a review app may close it.
    const ROLE: Role = Role::LimitedCollaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        if app.pull_request.is_none() && context.role < Some(Role::Owner) {
            return Err(Rejection::needs(Role::Owner));
        }
        if self.current_name.is_some() || app.pull_request.is_none() {
            check_current_name(app, self.current_name.as_deref().unwrap_or_default())?;
        }
        // Of a deleted app there is nothing to be proved, accepted or hooked into any more.
        if **private != PrivateState::default() {
            let private = Arc::make_mut(private);
            private.certificates.clear();
            private.invitations.clear();
            private.pull_requests.clear();
            (private.integration_id, private.hook_secret) = (None, None);
        }
        Ok(Decision::of(AppOperations::DeleteApp(catalogue::DeleteApp {})))
    }
}

pub(super) fn apply_new(app: &mut App, data: &catalogue::NewApp, event: &Event) {
    app.git_source.clone_from(&data.git_source);
    app.stack.clone_from(&data.stack);
    app.parent = data.parent_app_id;
    app.pull_request = data.pull_request;
    app.hds_resource = data.hds_resource;
    app.created_at = event.created_at;
    app.deleted_at = None;
    if let Some(user) = &event.user {
        app.owner = Some(user.clone());
    }
}

pub(super) fn check_current_name(app: &App, current_name: &str) -> Result<(), Rejection> {
    if current_name == app.name {
        return Ok(());
    }
    let message = if current_name.is_empty() { "is missing" } else { "must be the name the app has now" };
    Err(Rejection::invalid("current_name", message))
}

/// Whether an app may be called that.
fn check_name(name: &str) -> Result<(), Rejection> {
    let reads_as_an_id = name.parse::<AppId>().is_ok()
        || name
            .strip_prefix("ap-")
            .is_some_and(|uuid| uuid.len() == 36 && uuid.bytes().all(is_hexadecimal_or_hyphen));
    let message = if name.is_empty() {
        "is missing".to_owned()
    } else if !APP_NAME_CHARS.contains(&name.chars().count()) {
        format!("must have {} to {} characters", APP_NAME_CHARS.start(), APP_NAME_CHARS.end())
    } else if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        "must consist of lower-case letters, digits and hyphens".to_owned()
    } else if name.starts_with('-') || name.ends_with('-') {
        "must not begin or end with a hyphen".to_owned()
    } else if name.contains("--") {
        "must not have two hyphens in a row".to_owned()
    } else if RESERVED_NAMES.contains(&name) || reads_as_an_id {
        "is reserved".to_owned()
    } else {
        return Ok(());
    };
    Err(Rejection::invalid("name", message))
}

const fn is_hexadecimal_or_hyphen(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'a'..=b'f' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_the_platform() {
        for good in ["my-app", "a23456", &"a".repeat(48), "collaborations"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "short",
            &"a".repeat(49),
            "My-App",
            "my_app",
            "-my-app",
            "my-app-",
            "my--app",
            "mÿ-app",
            "collaboration",
            "5343eccd646173000a140000",
            "ap-0e6d8e46-5cd0-42a4-acba-372b2be605ac",
        ] {
            assert!(matches!(check_name(bad), Err(Rejection::Invalid(_))), "{bad}");
        }
    }
}
