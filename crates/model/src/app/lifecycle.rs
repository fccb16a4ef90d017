//! The beginning of an app, its name, and its end.

use super::{App, AppAction};
use crate::action::{Context, Role};
use crate::catalogue::{self, AppDeletion, AppOperations, TypeData};
use crate::{AppId, Event, Rejection};

/// The shortest and the longest name.
const NAME_LENGTHS: std::ops::RangeInclusive<usize> = 6..=48;

/// Names that paths of the API need for themselves.
const RESERVED_NAMES: &[&str] = &["collaboration"];

/// Makes a new app, owned by the actor.
#[derive(Debug, Clone)]
pub struct CreateApp {
    /// What it is to be called.
    pub name: String,
    /// The Git repository to make it from.
    pub git_source: Option<String>,
}

impl CreateApp {
    /// As [`AppAction::decide`], where there is no app yet. That the name is free is for the store to say.
    pub fn decide(&self, _context: &Context<'_>) -> Result<Vec<TypeData>, Rejection> {
        check_name(&self.name)?;
        Ok(vec![AppOperations::NewApp(catalogue::NewApp { git_source: self.git_source.clone() }).into()])
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

    fn decide(&self, app: &App, _context: &Context<'_>) -> Result<Vec<TypeData>, Rejection> {
        check_current_name(app, &self.current_name)?;
        check_name(&self.new_name)?;
        if self.new_name == app.name {
            return Err(Rejection::invalid("name", "is the name it already has"));
        }
        let (old_name, new_name) = (app.name.clone(), self.new_name.clone());
        Ok(vec![AppOperations::RenameApp(catalogue::RenameApp { old_name, new_name }).into()])
    }
}

/// Deletes an app. Its timeline stays, for its owner and the operator; its name becomes free.
#[derive(Debug, Clone)]
pub struct DeleteApp {
    /// The name the actor believes it has, as a confirmation.
    pub current_name: String,
}

impl AppAction for DeleteApp {
    const ROLE: Role = Role::Owner;

    fn decide(&self, app: &App, _context: &Context<'_>) -> Result<Vec<TypeData>, Rejection> {
        check_current_name(app, &self.current_name)?;
        Ok(vec![AppDeletion::DeleteApp(catalogue::DeleteApp {}).into()])
    }
}

pub(super) fn apply_new(app: &mut App, data: &catalogue::NewApp, event: &Event) {
    app.git_source.clone_from(&data.git_source);
    app.created_at = event.created_at;
    app.deleted_at = None;
    if let Some(user) = &event.user {
        app.owner = Some(user.clone());
    }
}

fn check_current_name(app: &App, current_name: &str) -> Result<(), Rejection> {
    if current_name == app.name {
        return Ok(());
    }
    Err(Rejection::invalid("current_name", "must be the name the app has now"))
}

/// Whether an app may be called that.
fn check_name(name: &str) -> Result<(), Rejection> {
    let reads_as_an_id = name.parse::<AppId>().is_ok()
        || name
            .strip_prefix("ap-")
            .is_some_and(|uuid| uuid.len() == 36 && uuid.bytes().all(is_hexadecimal_or_hyphen));
    let message = if name.is_empty() {
        "is missing".to_owned()
    } else if !NAME_LENGTHS.contains(&name.chars().count()) {
        format!("must have {} to {} characters", NAME_LENGTHS.start(), NAME_LENGTHS.end())
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
