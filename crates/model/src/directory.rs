//! What a platform offers: add-on providers with their plans, and stacks.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::is_variable_name;
use crate::{FieldErrors, ResourceId};

/// The most providers, and the most plans, variables and features of one.
const ENTRIES_MAX: usize = 100;
/// The longest text of an entry.
const TEXT_BYTES_MAX: usize = 2_000;

/// The add-ons on offer. The operator may replace it as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Directory {
    /// Who offers them.
    pub addon_providers: Vec<Provider>,
}

/// Somebody who offers an add-on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Provider {
    /// The short name, which identifies it.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// What it is, in a few words.
    #[serde(default)]
    pub short_description: String,
    /// What it is listed under.
    #[serde(default)]
    pub category: String,
    /// Whether it is a database, which has features and maintenance.
    #[serde(default)]
    pub is_database: bool,
    /// The variables it brings.
    #[serde(default)]
    pub variables: Vec<ProvidedVariable>,
    /// The features a database may have.
    #[serde(default)]
    pub features: Vec<ProvidedFeature>,
    /// What it is offered as.
    pub plans: Vec<Plan>,
    /// The SHA-256 of the password with which the provider itself asks, in hexadecimal, if it may. Its user name is its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_sha256: Option<String>,
}

/// A variable that an add-on brings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProvidedVariable {
    /// Its name.
    pub name: String,
    /// Its value, in which `{resource_id}` and `{password}` stand for the add-on's own.
    pub value: String,
}

/// A feature that a database may have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProvidedFeature {
    /// Its name.
    pub name: String,
    /// The feature it needs, if it needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires: Option<String>,
}

/// What an add-on is offered as.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Identifies it, among the plans of all providers.
    pub id: String,
    /// Its short name.
    pub name: String,
    /// Its name for people.
    pub display_name: String,
    /// The price of a month.
    #[serde(default)]
    pub price: f64,
    /// What it is.
    #[serde(default)]
    pub description: String,
    /// Whether it can no longer be chosen.
    #[serde(default)]
    pub disabled: bool,
}

impl Directory {
    /// The provider of that short name.
    pub fn provider(&self, id: &str) -> Option<&Provider> {
        self.addon_providers.iter().find(|provider| provider.id == id)
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), FieldErrors> {
        let mut ids = BTreeSet::new();
        let mut errors = Vec::new();
        let mut refuse = |field: String, message: &str| errors.push((field, message.to_owned()));
        if self.addon_providers.len() > ENTRIES_MAX {
            refuse("addon_providers".to_owned(), "must not be more than 100");
        }
        for (index, provider) in self.addon_providers.iter().take(ENTRIES_MAX).enumerate() {
            let field = |name: &str| format!("addon_providers[{index}].{name}");
            if !is_short_name(&provider.id) {
                refuse(field("id"), "must be lower-case letters, digits and hyphens");
            }
            if !ids.insert(("provider", provider.id.as_str())) {
                refuse(field("id"), "is there twice");
            }
            if provider.name.is_empty() || provider.name.len() > TEXT_BYTES_MAX {
                refuse(field("name"), "must have 1 to 2000 bytes");
            }
            if provider.plans.is_empty() {
                refuse(field("plans"), "must not be empty");
            }
            let entries = [provider.plans.len(), provider.variables.len(), provider.features.len()];
            if entries.into_iter().any(|entries| entries > ENTRIES_MAX) {
                refuse(field("plans"), "must not be more than 100, nor variables, nor features");
            }
            for plan in &provider.plans {
                if plan.id.is_empty() || plan.name.is_empty() || plan.description.len() > TEXT_BYTES_MAX {
                    refuse(field("plans"), "must have an id, a name and at most 2000 bytes of description");
                }
                if !ids.insert(("plan", plan.id.as_str())) {
                    refuse(field("plans"), "must have ids that no other plan has");
                }
                if !plan.price.is_finite() || plan.price < 0.0 {
                    refuse(field("plans"), "must not have a price below 0");
                }
            }
            for variable in &provider.variables {
                if !is_variable_name(&variable.name) || variable.value.len() > TEXT_BYTES_MAX {
                    refuse(
                        field("variables"),
                        "must have the name of a variable and a value of at most 2000 bytes",
                    );
                }
            }
            for feature in &provider.features {
                let needed = feature.requires.as_ref();
                if needed.is_some_and(|needed| !provider.features.iter().any(|other| other.name == *needed)) {
                    refuse(field("features"), "must require only features of the same provider");
                }
            }
        }
        FieldErrors::any(errors).map_or(Ok(()), Err)
    }
}

impl Default for Directory {
    /// What a platform usually offers.
    fn default() -> Self {
        serde_json::from_str(include_str!("directory.json")).expect("the default directory is written well")
    }
}

impl Provider {
    /// The plan of that identifier.
    pub fn plan(&self, id: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.id == id)
    }

    /// The plan of that short name.
    pub fn plan_named(&self, name: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.name == name)
    }

    /// The internal identifier that events carry: derived, so that it stays whatever else of the provider changes.
    pub fn internal_id(&self) -> ResourceId {
        ResourceId::derived([], "addon_provider", &self.id)
    }
}

fn is_short_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// What an app runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Stack {
    /// Identifies it.
    pub id: &'static str,
    /// Its short name.
    pub name: &'static str,
    /// The image it is made from.
    pub base_image: &'static str,
    /// What it is.
    pub description: &'static str,
    /// Whether apps get it for which none was chosen.
    pub default: bool,
    /// The day from which it can no longer be chosen, as `2023-09-30`; null while it can.
    pub deprecated_at: Option<&'static str>,
    /// When it came.
    pub created_at: &'static str,
}

/// Every stack, oldest first.
pub const STACKS: &[Stack] = &[
    Stack {
        id: "st-2d4a4d3b-6a0c-4d8a-9c1f-4f0f5f0b1f18",
        name: "scalingo-18",
        base_image: "scalingo/scalingo-18:latest",
        description: "Based on Ubuntu 18.04",
        default: false,
        deprecated_at: Some("2023-09-30"),
        created_at: "2019-01-08T00:00:00.000Z",
    },
    Stack {
        id: "st-2f83d71f-505c-4b40-89b4-04912cbfa911",
        name: "scalingo-20",
        base_image: "scalingo/scalingo-20:latest",
        description: "Based on Ubuntu 20.04",
        default: false,
        deprecated_at: Some("2025-10-01"),
        created_at: "2021-04-27T00:00:00.000Z",
    },
    Stack {
        id: "st-9d5bf098-01df-4194-8160-9779cfbc7122",
        name: "scalingo-22",
        base_image: "scalingo/scalingo-22:latest",
        description: "Based on Ubuntu 22.04",
        default: false,
        deprecated_at: None,
        created_at: "2022-11-28T00:00:00.000Z",
    },
    Stack {
        id: "st-c1b8f2a4-93d5-4f0e-8a57-5f6f0d4e2c24",
        name: "scalingo-24",
        base_image: "scalingo/scalingo-24:latest",
        description: "Based on Ubuntu 24.04",
        default: true,
        deprecated_at: None,
        created_at: "2024-11-26T00:00:00.000Z",
    },
];

/// The stack of apps for which none was chosen.
pub fn default_stack() -> &'static Stack {
    STACKS.iter().find(|stack| stack.default).expect("one stack is the default")
}

/// The stack of that identifier or name.
pub fn stack(id_or_name: &str) -> Option<&'static Stack> {
    STACKS.iter().find(|stack| stack.id == id_or_name || stack.name == id_or_name)
}

/// Whether an app may get that stack at that time.
pub fn may_be_chosen(id_or_name: &str, now: crate::Time) -> bool {
    stack(id_or_name)
        .is_some_and(|stack| stack.deprecated_at.is_none_or(|day| now.to_string().as_str() < day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_directory_is_right_and_a_wrong_one_is_refused_by_field() {
        assert_eq!(Directory::default().check(), Ok(()));
        let mut directory = Directory::default();
        let first = directory.addon_providers[0].clone();
        directory.addon_providers.push(first);
        directory.addon_providers[1].plans.clear();
        directory.addon_providers[2].id = "No Name".to_owned();
        let refused = directory.check().unwrap_err();
        let fields: Vec<_> = refused.as_map().keys().map(String::as_str).collect();
        assert_eq!(
            fields,
            [
                "addon_providers[1].plans",
                "addon_providers[2].id",
                "addon_providers[4].id",
                "addon_providers[4].plans"
            ]
        );
    }
}
