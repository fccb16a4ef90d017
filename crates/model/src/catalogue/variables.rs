//! Event types of environment variables.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, event_types, join_names};
use crate::field_class::classes;

/// An added or deleted variable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariableEvent {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The add-on that added or deleted it; omitted if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addon_name: Option<String>,
    /// The identifier of that add-on's resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
}
classes!(VariableEvent { name: Public, value: Secret, addon_name: Public, resource_id: Public });

/// A variable whose value changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EditVariable {
    /// Its name.
    pub name: String,
    /// The previous value.
    pub old_value: String,
    /// The new value.
    pub value: String,
    /// The add-on that changed it; omitted if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addon_name: Option<String>,
    /// The identifier of that add-on's resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
}
classes!(EditVariable {
    name: Public,
    old_value: Secret,
    value: Secret,
    addon_name: Public,
    resource_id: Public,
});

/// A bulk update. A variable that was set to the value it already had is in none of the lists.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EditVariables {
    /// The added variables.
    #[serde(default)]
    pub new_vars: Vec<Variable>,
    /// The changed variables.
    #[serde(default)]
    pub updated_vars: Vec<ChangedVariable>,
    /// The deleted variables.
    #[serde(default)]
    pub deleted_vars: Vec<Variable>,
}
classes!(EditVariables {
    new_vars: [{ Variable }],
    updated_vars: [{ ChangedVariable }],
    deleted_vars: [{ Variable }],
});

/// One variable of a bulk update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}
classes!(Variable { name: Public, value: Secret });

/// One changed variable of a bulk update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedVariable {
    /// Its name.
    pub name: String,
    /// The previous value.
    pub old_value: String,
    /// The new value.
    pub value: String,
}
classes!(ChangedVariable { name: Public, old_value: Secret, value: Secret });

event_types! {
    /// The environment of an app.
    Variables, Variables;

    /// When a variable is added to an app.
    NewVariable(VariableEvent) = "new_variable", "Variable added", App: |data| format!("added variable {}", data.name);
    /// When the value of a variable is changed.
    EditVariable(EditVariable) = "edit_variable", "Variable modified", App:
        |data| format!("modified variable {}", data.name);
    /// When variables are changed in bulk.
    EditVariables(EditVariables) = "edit_variables", "Variables changed in bulk", App: |data| bulk_in_words(data);
    /// When a variable is deleted.
    DeleteVariable(VariableEvent) = "delete_variable", "Variable deleted", App:
        |data| format!("deleted variable {}", data.name);
}

impl Shape for VariableEvent {}
impl Shape for EditVariable {}
impl Shape for EditVariables {}

fn bulk_in_words(data: &EditVariables) -> String {
    let mut parts = Vec::new();
    if !data.new_vars.is_empty() {
        parts.push(format!(
            "added {}",
            join_names(data.new_vars.iter().map(|variable| variable.name.as_str()))
        ));
    }
    if !data.updated_vars.is_empty() {
        parts.push(format!(
            "modified {}",
            join_names(data.updated_vars.iter().map(|variable| variable.name.as_str()))
        ));
    }
    if !data.deleted_vars.is_empty() {
        parts.push(format!(
            "deleted {}",
            join_names(data.deleted_vars.iter().map(|variable| variable.name.as_str()))
        ));
    }
    if parts.is_empty() { "updated the variables without a change".to_owned() } else { parts.join("; ") }
}
