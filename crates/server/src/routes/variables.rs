//! The environment of an app.

use std::collections::HashMap;

use annals_model::app::{
    ChangeVariable, DeleteVariable, DeleteVariables, NewValue, SetVariable, SetVariables, VariableId,
    variable_id,
};
use annals_model::{App, Role};
use axum::extract::{Path, Query, RawQuery};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::{Access, Readable};
use crate::answer::{created, ok};
use crate::body::{JsonBody, required};
use crate::error::ApiError;

/// The variables. With `aliases=true`, one whose value names another (`$OTHER`) shows that one's value. A limited
/// collaborator sees names only.
pub(crate) async fn list_variables(
    readable: Readable,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, ApiError> {
    let Readable { app, role } = readable.live()?;
    let follows_aliases = query.get("aliases").is_some_and(|value| value == "true");
    let variables: Vec<Value> = app
        .variables
        .iter()
        .map(|(name, value)| {
            let shown = match role {
                Some(Role::LimitedCollaborator) => None,
                _ if follows_aliases => Some(alias(&app, value).unwrap_or(value)),
                _ => Some(value),
            };
            view(&app, name, shown)
        })
        .collect();
    Ok(ok(&json!({ "variables": variables })))
}

#[derive(Deserialize)]
pub(crate) struct VariableBody {
    variable: Option<VariableFields>,
}

#[derive(Deserialize)]
struct VariableFields {
    name: Option<String>,
    value: Option<String>,
}

impl VariableFields {
    fn into_new_value(self) -> Result<NewValue, ApiError> {
        Ok(NewValue { name: required(self.name, "name")?, value: required(self.value, "value")? })
    }
}

/// Sets a variable: 201 if it is new, 200 if it was there.
pub(crate) async fn set_variable(
    access: Access<SetVariable>,
    body: JsonBody<VariableBody>,
) -> Result<Response, ApiError> {
    let new = required(body.value.variable, "variable")?.into_new_value()?;
    let name = new.name.clone();
    let outcome = access.act(SetVariable(new), &body.bytes).await?;
    let is_new = outcome.recorded.iter().any(|recorded| recorded == "new_variable");
    let answer = json!({ "variable": view(&outcome.app, &name, outcome.app.variables.get(&name)) });
    Ok(if is_new { created(&answer) } else { ok(&answer) })
}

/// Gives a variable another value.
pub(crate) async fn change_variable(
    access: Access<ChangeVariable>,
    Path((_, id)): Path<(String, String)>,
    body: JsonBody<VariableBody>,
) -> Result<Response, ApiError> {
    let id = parse_id(&id)?;
    let value = required(required(body.value.variable, "variable")?.value, "value")?;
    let app = access.act(ChangeVariable { id, value }, &body.bytes).await?.app;
    let changed = app.variables.iter().find(|(name, _)| variable_id(app.id, name) == id);
    let (name, value) = changed.ok_or(ApiError::NotFound("variable"))?;
    Ok(ok(&json!({ "variable": view(&app, name, Some(value)) })))
}

/// Deletes a variable.
pub(crate) async fn delete_variable(
    access: Access<DeleteVariable>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    access.act(DeleteVariable { id: parse_id(&id)? }, b"").await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
pub(crate) struct VariablesBody {
    variables: Option<Vec<VariableFields>>,
}

/// Sets many variables; those not named stay.
pub(crate) async fn set_variables(
    access: Access<SetVariables>,
    body: JsonBody<VariablesBody>,
) -> Result<Response, ApiError> {
    let variables = required(body.value.variables, "variables")?;
    let variables =
        variables.into_iter().map(VariableFields::into_new_value).collect::<Result<Vec<_>, ApiError>>()?;
    let names: Vec<_> = variables.iter().map(|variable| variable.name.clone()).collect();
    let app = access.act(SetVariables(variables), &body.bytes).await?.app;
    let set: Vec<_> = names.iter().map(|name| view(&app, name, app.variables.get(name))).collect();
    Ok(ok(&json!({ "variables": set })))
}

#[derive(Deserialize)]
pub(crate) struct DeleteBody {
    variable_ids: Option<Vec<String>>,
}

/// Deletes many variables, named in the body or, as some clients do, by `variable_ids[]` in the query.
pub(crate) async fn delete_variables(
    access: Access<DeleteVariables>,
    RawQuery(query): RawQuery,
    body: JsonBody<DeleteBody>,
) -> Result<Response, ApiError> {
    let in_query = || {
        let pairs = query.as_deref().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        let ids: Vec<_> = pairs
            .filter(|(name, _)| {
                matches!(*name, "variable_ids[]" | "variable_ids%5B%5D" | "variable_ids%5b%5d")
            })
            .map(|(_, id)| id.to_owned())
            .collect();
        (!ids.is_empty()).then_some(ids)
    };
    let ids = required(body.value.variable_ids.or_else(in_query), "variable_ids")?;
    let ids = ids.iter().map(|id| parse_id(id)).collect::<Result<_, _>>()?;
    access.act(DeleteVariables(ids), &body.bytes).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn parse_id(text: &str) -> Result<VariableId, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound("variable"))
}

/// The value of the variable that this value names, if it names one.
fn alias<'a>(app: &'a App, value: &str) -> Option<&'a String> {
    let name = value.strip_prefix('$')?;
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    app.variables.get(name)
}

fn view(app: &App, name: &str, value: Option<&String>) -> Value {
    json!({ "id": variable_id(app.id, name).to_string(), "app_id": app.id, "name": name, "value": value })
}
