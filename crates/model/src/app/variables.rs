//! The environment variables of an app.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{App, AppAction, PrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{
    ChangedVariable, EditVariable, EditVariables, TypeData, Variable, VariableEvent, Variables,
};
use crate::limits::VARIABLE_NAME_MAX;
use crate::names::is_variable_name;
use crate::{AppId, FieldErrors, Rejection, ResourceId, Role};

/// The longest value, in characters.
const VALUE_MAX: usize = 32_768;
/// The most variables of one app.
const VARIABLES_MAX: usize = 1_000;
/// The total size of all names and values of one app, in bytes.
const ENVIRONMENT_BYTES_MAX: usize = 512 << 10;

/// Returns the identifier of an app's variable.
pub fn variable_id(app: AppId, name: &str) -> ResourceId {
    ResourceId::of(Sha256::new().chain_update(app.as_bytes()).chain_update(name))
}

/// A variable's name and its new value.
#[derive(Debug, Clone)]
pub struct NewValue {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// Sets one variable, whether or not it exists. Creates its identifier if it is new.
#[derive(Debug, Clone)]
pub struct SetVariable(pub NewValue);

impl AppAction for SetVariable {
    const ROLE: Role = Role::Collaborator;
    type Created = Option<ResourceId>;

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        _context: &Context<'_>,
    ) -> Result<Decision<Option<ResourceId>>, Rejection> {
        let NewValue { name, value } = &self.0;
        check_values([&self.0])?;
        check_total(app, [(name, value)])?;
        let is_new = !app.variables.contains_key(name);
        let events = set_one(app, name, value, None).into_iter().collect();
        Ok(Decision { events, created: is_new.then(|| variable_id(app.id, name)) })
    }
}

/// Changes the value of an existing variable.
#[derive(Debug, Clone)]
pub struct ChangeVariable {
    /// The variable's identifier.
    pub id: ResourceId,
    /// The new value.
    pub value: String,
}

impl AppAction for ChangeVariable {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let (name, _) = find(app, self.id)?;
        let set = SetVariable(NewValue { name: name.clone(), value: self.value.clone() });
        Ok(set.decide(app, private, context)?.events.into())
    }
}

/// Deletes one variable.
#[derive(Debug, Clone)]
pub struct DeleteVariable {
    /// The variable's identifier.
    pub id: ResourceId,
}

impl AppAction for DeleteVariable {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        _context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let (name, value) = find(app, self.id)?;
        let (name, value) = (name.clone(), value.clone());
        Ok(Decision::of(Variables::DeleteVariable(VariableEvent {
            name,
            value,
            addon_name: None,
            resource_id: None,
        })))
    }
}

/// Sets several variables at once. All others stay. The event is recorded even if nothing changes: it records that the
/// bulk update was used.
#[derive(Debug, Clone)]
pub struct SetVariables(pub Vec<NewValue>);

impl AppAction for SetVariables {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        _context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        if self.0.is_empty() {
            return Ok(Decision::none());
        }
        check_count(self.0.len(), "variables")?;
        check_values(&self.0)?;
        // If a name is given twice, the last value counts.
        let wanted: BTreeMap<_, _> =
            self.0.iter().map(|variable| (&variable.name, &variable.value)).collect();
        check_total(app, wanted.iter().map(|(name, value)| (*name, *value)))?;
        let mut changes = EditVariables::default();
        for (name, value) in wanted {
            let (name, value) = (name.clone(), value.clone());
            match app.variables.get(&name) {
                None => changes.new_vars.push(Variable { name, value }),
                Some(old_value) if *old_value != value => {
                    changes.updated_vars.push(ChangedVariable { name, old_value: old_value.clone(), value });
                }
                Some(_) => {}
            }
        }
        Ok(Decision::of(Variables::EditVariables(changes)))
    }
}

/// Deletes several variables at once. If one of them does not exist, none is deleted.
#[derive(Debug, Clone)]
pub struct DeleteVariables(pub Vec<ResourceId>);

impl AppAction for DeleteVariables {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        _context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        if self.0.is_empty() {
            return Ok(Decision::none());
        }
        check_count(self.0.len(), "variable_ids")?;
        let known: BTreeMap<_, _> =
            app.variables.iter().map(|(name, value)| (variable_id(app.id, name), (name, value))).collect();
        let find = |id| known.get(id).copied().ok_or(Rejection::NotFound("variable"));
        let found = self.0.iter().map(find).collect::<Result<BTreeMap<_, _>, _>>()?;
        let deleted_vars = found
            .into_iter()
            .map(|(name, value)| Variable { name: name.clone(), value: value.clone() })
            .collect();
        Ok(Decision::of(Variables::EditVariables(EditVariables { deleted_vars, ..EditVariables::default() })))
    }
}

pub(super) fn apply(app: &mut App, data: &Variables) {
    let environment = &mut app.variables;
    match data {
        Variables::NewVariable(VariableEvent { name, value, resource_id, .. }) => {
            environment.insert(name.clone(), value.clone());
            if let Some(addon) = resource_id.as_ref().and_then(|id| app.addons.get_mut(id)) {
                addon.variables.insert(name.clone());
            }
        }
        Variables::EditVariable(EditVariable { name, value, .. }) => {
            environment.insert(name.clone(), value.clone());
        }
        Variables::DeleteVariable(data) => {
            environment.remove(&data.name);
            forget(app, &data.name);
        }
        Variables::EditVariables(EditVariables { new_vars, updated_vars, deleted_vars }) => {
            for Variable { name, .. } in deleted_vars {
                environment.remove(name);
            }
            environment.extend(new_vars.iter().map(|new| (new.name.clone(), new.value.clone())));
            environment
                .extend(updated_vars.iter().map(|updated| (updated.name.clone(), updated.value.clone())));
            for Variable { name, .. } in deleted_vars {
                forget(app, name);
            }
        }
    }
}

/// Removes a deleted variable from its add-on.
fn forget(app: &mut App, name: &str) {
    for addon in app.addons.values_mut() {
        addon.variables.remove(name);
    }
}

/// Returns the event of setting one variable; `None` if that changes nothing. `by_addon` has the name and the resource
/// of the add-on that sets it.
pub(super) fn set_one(
    app: &App,
    name: &str,
    value: &str,
    by_addon: Option<(&str, &str)>,
) -> Option<TypeData> {
    let (addon_name, resource_id) =
        by_addon.map(|(addon_name, resource_id)| (addon_name.to_owned(), resource_id.to_owned())).unzip();
    let (name, value) = (name.to_owned(), value.to_owned());
    match app.variables.get(&name) {
        None => Some(Variables::NewVariable(VariableEvent { name, value, addon_name, resource_id }).into()),
        Some(old_value) if *old_value == value => None,
        Some(old_value) => {
            let old_value = old_value.clone();
            Some(
                Variables::EditVariable(EditVariable { name, old_value, value, addon_name, resource_id })
                    .into(),
            )
        }
    }
}

/// Refuses a list with more entries than an app can have variables. This bounds the work that follows.
fn check_count(count: usize, field: &str) -> Result<(), Rejection> {
    if count <= VARIABLES_MAX {
        return Ok(());
    }
    Err(Rejection::invalid(field, format!("limit reached ({VARIABLES_MAX})")))
}

fn find(app: &App, id: ResourceId) -> Result<(&String, &String), Rejection> {
    app.variables
        .iter()
        .find(|(name, _)| variable_id(app.id, name) == id)
        .ok_or(Rejection::NotFound("variable"))
}

pub(super) fn check_values<'a>(variables: impl IntoIterator<Item = &'a NewValue>) -> Result<(), Rejection> {
    let errors = variables.into_iter().flat_map(|NewValue { name, value }| {
        let name_error = if name.is_empty() {
            Some("is missing".to_owned())
        } else if name.chars().count() > VARIABLE_NAME_MAX {
            Some(format!(
                "must not be longer than {VARIABLE_NAME_MAX} characters: {}…",
                name.chars().take(16).collect::<String>()
            ))
        } else if !is_variable_name(name) {
            Some(format!("must be a letter, then letters, digits and underscores: {name}"))
        } else {
            None
        };
        let value_error = if value.is_empty() {
            Some(format!("of {name} is missing"))
        } else if value.chars().count() > VALUE_MAX {
            Some(format!("of {name} must not be longer than {VALUE_MAX} characters"))
        } else {
            None
        };
        let named = |field: &str, error: Option<String>| error.map(|message| (field.to_owned(), message));
        [named("name", name_error), named("value", value_error)].into_iter().flatten()
    });
    FieldErrors::any(errors).map_or(Ok(()), |errors| Err(Rejection::Invalid(errors)))
}

/// Checks that the environment stays within its limits after these changes.
pub(super) fn check_total<'a>(
    app: &'a App,
    changes: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<(), Rejection> {
    let mut environment: BTreeMap<&String, &String> = app.variables.iter().collect();
    environment.extend(changes);
    let bytes: usize = environment.iter().map(|(name, value)| name.len() + value.len()).sum();
    if environment.len() > VARIABLES_MAX {
        return Err(Rejection::invalid("variables", format!("limit reached ({VARIABLES_MAX})")));
    }
    if bytes > ENVIRONMENT_BYTES_MAX {
        let message = format!("must not have more than {ENVIRONMENT_BYTES_MAX} bytes in total");
        return Err(Rejection::invalid("variables", message));
    }
    Ok(())
}
