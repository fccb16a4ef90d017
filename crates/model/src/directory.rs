//! What a platform offers: add-on providers with their plans, and stacks.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::is_variable_name;
use crate::{FieldErrors, ResourceId, Secret};

/// The most providers, and the most plans, variables and features of a provider.
const ITEMS_MAX: usize = 100;
/// The longest text in the directory.
const TEXT_BYTES_MAX: usize = 2_000;

/// The add-ons on offer. The operator can replace the directory as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Directory {
    /// The providers of the add-ons.
    pub addon_providers: Vec<Provider>,
}

/// A provider of an add-on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Provider {
    /// The short name, which identifies the provider.
    pub id: String,
    /// The display name.
    pub name: String,
    /// A short description.
    #[serde(default)]
    pub short_description: String,
    /// The category under which it is listed.
    #[serde(default)]
    pub category: String,
    /// Whether its add-on is a database, with features and maintenance.
    #[serde(default)]
    pub is_database: bool,
    /// The variables that its add-on adds to an app.
    #[serde(default)]
    pub variables: Vec<ProvidedVariable>,
    /// The features that its database can have.
    #[serde(default)]
    pub features: Vec<ProvidedFeature>,
    /// The plans.
    pub plans: Vec<Plan>,
    /// The provider's own password, at least 12 bytes. Only its hash is stored. Its username is its `id`.
    #[serde(default, skip_serializing)]
    #[schemars(with = "Option<String>")]
    pub password: Option<Secret>,
    /// The argon2id hash of the provider's own password, as a PHC string (`$argon2id$v=19$…`); omitted if the provider may
    /// not call the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
}

/// A variable that an add-on adds to an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProvidedVariable {
    /// Its name.
    pub name: String,
    /// Its value. `{resource_id}` and `{password}` are replaced by the add-on's own.
    pub value: String,
}

/// A feature that a database can have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProvidedFeature {
    /// Its name.
    pub name: String,
    /// The feature that must be enabled first; omitted if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires: Option<String>,
}

/// A plan of an add-on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The identifier, unique among the plans of all providers.
    pub id: String,
    /// Its short name.
    pub name: String,
    /// Its display name.
    pub display_name: String,
    /// The price per month.
    #[serde(default)]
    pub price: f64,
    /// A description.
    #[serde(default)]
    pub description: String,
    /// Whether it is no longer available.
    #[serde(default)]
    pub disabled: bool,
}

impl Directory {
    /// Returns the provider with this short name, or with this one after `scalingo-`, as Scalingo's documentation has it.
    pub fn provider(&self, id: &str) -> Option<&Provider> {
        let with_id = |id: &str| self.addon_providers.iter().find(|provider| provider.id == id);
        with_id(id).or_else(|| with_id(id.strip_prefix("scalingo-")?))
    }

    /// Checks a directory from the operator.
    ///
    /// # Errors
    ///
    /// Returns the invalid fields.
    pub fn check(&self) -> Result<(), FieldErrors> {
        let mut ids = BTreeSet::new();
        let mut errors = Vec::new();
        let mut refuse = |field: String, message: &str| errors.push((field, message.to_owned()));
        if self.addon_providers.len() > ITEMS_MAX {
            refuse("addon_providers".to_owned(), "must have at most 100 entries");
        }
        for (index, provider) in self.addon_providers.iter().take(ITEMS_MAX).enumerate() {
            let field = |name: &str| format!("addon_providers[{index}].{name}");
            if !is_short_name(&provider.id) {
                refuse(field("id"), "must be lower-case letters, digits and hyphens");
            }
            if !ids.insert(("provider", provider.id.as_str())) {
                refuse(field("id"), "must be unique");
            }
            if provider.name.is_empty() || provider.name.len() > TEXT_BYTES_MAX {
                refuse(field("name"), "must have 1 to 2000 bytes");
            }
            if provider.plans.is_empty() {
                refuse(field("plans"), "must not be empty");
            }
            if provider.password_hash.as_ref().is_some_and(|hash| !hash.starts_with("$argon2id$")) {
                refuse(field("password_hash"), "must be the PHC string of argon2id; or give the password");
            }
            let counts = [provider.plans.len(), provider.variables.len(), provider.features.len()];
            if counts.into_iter().any(|count| count > ITEMS_MAX) {
                refuse(field("plans"), "must have at most 100 entries, and so must variables and features");
            }
            for plan in &provider.plans {
                if plan.id.is_empty() || plan.name.is_empty() || plan.description.len() > TEXT_BYTES_MAX {
                    refuse(field("plans"), "must have an id, a name and at most 2000 bytes of description");
                }
                if !ids.insert(("plan", plan.id.as_str())) {
                    refuse(field("plans"), "must have unique ids");
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
    /// Returns the directory of a typical platform.
    fn default() -> Self {
        serde_json::from_str(include_str!("directory.json")).expect("the default directory is valid")
    }
}

impl Provider {
    /// Returns the plan with this identifier.
    pub fn plan(&self, id: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.id == id)
    }

    /// Returns the plan with this short name.
    pub fn plan_named(&self, name: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.name == name)
    }

    /// Returns the internal identifier that events contain. It is derived from the short name, so it stays the same
    /// when other fields of the provider change.
    pub fn internal_id(&self) -> ResourceId {
        ResourceId::derived([], "addon_provider", &self.id)
    }
}

fn is_short_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// A stack: the base image that an app runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Stack {
    /// The identifier.
    pub id: &'static str,
    /// Its short name.
    pub name: &'static str,
    /// The base image.
    pub base_image: &'static str,
    /// A description.
    pub description: &'static str,
    /// Whether apps get it by default.
    pub default: bool,
    /// The day from which it is no longer available, as `2023-09-30`; null if it is available.
    pub deprecated_at: Option<&'static str>,
    /// When it was introduced.
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

/// Returns the stack of apps for which none was chosen.
pub fn default_stack() -> &'static Stack {
    STACKS.iter().find(|stack| stack.default).expect("one stack is the default")
}

/// Returns the stack with this identifier or name.
pub fn stack(id_or_name: &str) -> Option<&'static Stack> {
    STACKS.iter().find(|stack| stack.id == id_or_name || stack.name == id_or_name)
}

/// Returns whether a stack is available at this time.
pub fn may_be_chosen(id_or_name: &str, now: crate::Time) -> bool {
    stack(id_or_name)
        .is_some_and(|stack| stack.deprecated_at.is_none_or(|day| now.to_string().as_str() < day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_directory_has_the_databases_of_the_public_documentation() {
        let directory = Directory::default();
        for id in ["postgresql", "mysql", "redis", "mongodb", "elasticsearch", "opensearch", "influxdb"] {
            let provider = directory.provider(id).unwrap();
            assert_eq!(directory.provider(&format!("scalingo-{id}")), Some(provider), "{id}");
        }
        // The official CLI looks for this name if it is given `redis`.
        assert_eq!(directory.provider("redis").unwrap().name, "Redis® OSS");
    }

    #[test]
    fn the_default_directory_is_valid_and_errors_name_the_field() {
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
                "addon_providers[8].id",
                "addon_providers[8].plans"
            ]
        );
    }
}
