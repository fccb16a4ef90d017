//! Creating, renaming and deleting an app.

use std::sync::Arc;

use super::{App, AppAction, PrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{self, AppOperations};
use crate::limits::APP_NAME_CHARS;
use crate::{AppId, Event, Rejection, Role, directory};

/// Names that are part of the API's paths.
const RESERVED_NAMES: &[&str] = &["collaboration"];

/// The longest URL of a one-click deployment's repository.
const GIT_SOURCE_MAX: usize = 1_024;

/// Creates an app, owned by the actor. Creates its identifier.
#[derive(Debug, Clone, Default)]
pub struct CreateApp {
    /// The name.
    pub name: String,
    /// The Git repository of a one-click deployment.
    pub git_source: Option<String>,
    /// The identifier or name of the stack; `None` for the default one.
    pub stack_id: Option<String>,
    /// Whether it is meant for health data.
    pub hds_resource: bool,
    /// The parent app, if it is a child.
    pub parent: Option<AppId>,
    /// The number of the pull request, if it is a review app.
    pub pull_request: Option<u64>,
}

impl CreateApp {
    /// Decides like [`AppAction::decide`], without an app. The caller checks that the name is not taken.
    ///
    /// # Errors
    ///
    /// Fails if the name, the repository's URL or the stack is invalid.
    pub fn decide(&self, context: &Context<'_>) -> Result<Decision<AppId>, Rejection> {
        check_name(&self.name)?;
        if self.git_source.as_ref().is_some_and(|source| source.len() > GIT_SOURCE_MAX) {
            return Err(Rejection::invalid(
                "git_source",
                format!("must not be longer than {GIT_SOURCE_MAX} bytes"),
            ));
        }
        let stack = match &self.stack_id {
            Some(id) => super::settings::choose(id, context.now)?,
            None => directory::default_stack(),
        };
        let new = AppOperations::NewApp(catalogue::NewApp {
            git_source: self.git_source.clone(),
            // The default one too: another version of annals may have another default.
            stack: Some(stack.name.to_owned()),
            parent_app_id: self.parent,
            pull_request: self.pull_request,
            hds_resource: self.hds_resource,
        });
        Ok(Decision::creating(context.ids.app_id(context.now), new))
    }
}

/// Renames an app.
#[derive(Debug, Clone)]
pub struct RenameApp {
    /// The app's current name, as a confirmation.
    pub current_name: String,
    /// The new name.
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
            return Err(Rejection::invalid("name", "is already the app's name"));
        }
        let (old_name, new_name) = (app.name.clone(), self.new_name.clone());
        Ok(Decision::of(AppOperations::RenameApp(catalogue::RenameApp { old_name, new_name })))
    }
}

/// Deletes an app. Its timeline stays readable for its owner and the operator. Its name can be taken again.
#[derive(Debug, Clone)]
pub struct DeleteApp {
    /// The app's current name, as a confirmation. A review app needs none, because it can be created again.
    pub current_name: Option<String>,
}

impl AppAction for DeleteApp {
    // Anyone who may read a review app may delete it.
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
        // A deleted app no longer needs certificates, invitations or webhooks.
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

pub(super) fn contradiction(app: &App, data: &catalogue::NewApp) -> Option<&'static str> {
    let parent = data.parent_app_id?;
    if parent == app.id {
        return Some("an app cannot be its own parent: it has none");
    }
    let is_review_app = app.review_apps.values().any(|review_app| review_app.app_id == Some(parent));
    is_review_app.then_some("the parent of an app cannot be its review app: it has no parent")
}

pub(super) fn apply_new(app: &mut App, data: &catalogue::NewApp, event: &Event) {
    app.git_source.clone_from(&data.git_source);
    app.stack.clone_from(&data.stack);
    app.parent = data.parent_app_id.filter(|_| contradiction(app, data).is_none());
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
    let message = if current_name.is_empty() { "is missing" } else { "must be the app's current name" };
    Err(Rejection::invalid("current_name", message))
}

/// Checks the name of an app.
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
