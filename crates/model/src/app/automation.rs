//! What happens to a linked app by itself.

use serde::{Deserialize, Serialize};

use crate::Rejection;

/// The longest name of a branch.
const BRANCH_BYTES_MAX: usize = 1_024;
/// The longest delay, in hours: a year.
const HOURS_MAX: u32 = 366 * 24;
/// How long without activity makes a pull request stale, where nobody said: five days.
const STALE_HOURS: u32 = 5 * 24;

/// What happens by itself when a webhook comes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Automation {
    /// Whether a push to the branch deploys the app.
    pub auto_deploy: bool,
    /// Whether a pull request gets a review app.
    pub auto_deploy_review_apps: bool,
    /// Whether closing a pull request deletes its review app.
    pub delete_on_close: bool,
    /// How long after the closing, in hours.
    pub hours_before_delete_on_close: u32,
    /// Whether a pull request gone stale loses its review app.
    pub delete_stale: bool,
    /// How long without activity makes it stale, in hours.
    pub hours_before_delete_stale: u32,
    /// Whether a pull request from a fork gets a review app too.
    pub creation_from_forks_allowed: bool,
}

/// What is to be changed of a link; what is left out stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "as the fields of a link and its automation")]
pub struct LinkSettings {
    pub branch: Option<String>,
    pub auto_deploy: Option<bool>,
    pub auto_deploy_review_apps: Option<bool>,
    pub delete_on_close: Option<bool>,
    pub hours_before_delete_on_close: Option<u32>,
    pub delete_stale: Option<bool>,
    pub hours_before_delete_stale: Option<u32>,
    pub creation_from_forks_allowed: Option<bool>,
}

impl LinkSettings {
    pub(super) fn over(&self, before: &Automation) -> Automation {
        let delete_stale = self.delete_stale.unwrap_or(before.delete_stale);
        Automation {
            auto_deploy: self.auto_deploy.unwrap_or(before.auto_deploy),
            auto_deploy_review_apps: self.auto_deploy_review_apps.unwrap_or(before.auto_deploy_review_apps),
            delete_on_close: self.delete_on_close.unwrap_or(before.delete_on_close),
            hours_before_delete_on_close: self
                .hours_before_delete_on_close
                .unwrap_or(before.hours_before_delete_on_close),
            delete_stale,
            hours_before_delete_stale: match self.hours_before_delete_stale {
                Some(hours) if hours > 0 => hours,
                // Nothing is stale the moment it is there: the official CLI says 0 where nothing was said to it.
                _ if delete_stale && before.hours_before_delete_stale == 0 => STALE_HOURS,
                _ => before.hours_before_delete_stale,
            },
            creation_from_forks_allowed: self
                .creation_from_forks_allowed
                .unwrap_or(before.creation_from_forks_allowed),
        }
    }

    pub(super) fn check(&self) -> Result<(), Rejection> {
        let is_branch = |branch: &String| {
            (1..=BRANCH_BYTES_MAX).contains(&branch.len())
                && !branch.chars().any(|character| character.is_control() || character.is_whitespace())
        };
        if !self.branch.iter().all(is_branch) {
            return Err(Rejection::invalid("branch", "must be the name of a branch"));
        }
        for (field, hours) in [
            ("hours_before_delete_on_close", self.hours_before_delete_on_close),
            ("hours_before_delete_stale", self.hours_before_delete_stale),
        ] {
            if hours.is_some_and(|hours| hours > HOURS_MAX) {
                return Err(Rejection::invalid(field, format!("must not be more than {HOURS_MAX}")));
            }
        }
        Ok(())
    }
}
