//! The automation of an app linked to a repository: deployments and review apps.

use serde::{Deserialize, Serialize};

use crate::Rejection;

/// The longest name of a branch.
const BRANCH_BYTES_MAX: usize = 1_024;
/// The longest delay, in hours: a year.
const HOURS_MAX: u32 = 366 * 24;
/// The time without activity after which a pull request is stale if no other was chosen: five days.
const STALE_HOURS: u32 = 5 * 24;

/// What a webhook triggers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Automation {
    /// Whether pushes to the branch deploy the app.
    pub auto_deploy: bool,
    /// Whether pull requests get review apps.
    pub auto_deploy_review_apps: bool,
    /// Whether closing a pull request destroys its review app.
    pub delete_on_close: bool,
    /// The delay between closing and destruction, in hours.
    pub hours_before_delete_on_close: u32,
    /// Whether the review app of a stale pull request is destroyed.
    pub delete_stale: bool,
    /// The time without activity after which a pull request is stale, in hours; 0 for the default.
    pub hours_before_delete_stale: u32,
    /// Whether pull requests from forks get review apps too.
    pub creation_from_forks_allowed: bool,
}

impl Automation {
    /// The automation of a new link, where its settings say nothing else.
    pub(super) fn of_new_link() -> Self {
        Self { delete_on_close: true, ..Self::default() }
    }

    /// Returns the time without activity after which a pull request is stale, in hours. A link may say 0: the contract's
    /// examples do, and the official CLI sends 0 when the user gave no value. No pull request is stale while it is active,
    /// so 0 stands for the default.
    pub fn stale_after_hours(&self) -> u32 {
        if self.hours_before_delete_stale == 0 { STALE_HOURS } else { self.hours_before_delete_stale }
    }
}

/// Changes to a link's settings. `None` keeps the current value.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "these are the fields of a link and of its automation")]
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
                Some(hours) => hours,
                None if delete_stale && !before.delete_stale && before.hours_before_delete_stale == 0 => {
                    STALE_HOURS
                }
                None => before.hours_before_delete_stale,
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
