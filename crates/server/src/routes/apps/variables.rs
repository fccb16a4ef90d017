//! The environment of an app.

use std::collections::HashMap;

use annals_model::app::{
    ChangeVariable, DeleteVariable, DeleteVariables, NewValue, SetVariable, SetVariables, variable_id,
};
use annals_model::{App, AppId, ResourceId};
use axum::extract::{Query, RawQuery};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{created, ok};
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{Authorized, JsonBody, Readable, Segments, required};

pub(crate) fn api() -> Api {
    const ALL: &str = "/v1/apps/{app}/variables";
    const ONE: &str = "/v1/apps/{app}/variables/{variable}";
    Api::of("Variables")
        .get(
            ALL,
            list_variables,
            op("List the environment variables of an app")
                .query("aliases", "`true` follows aliases: if a value names another variable (`$OTHER`), shows the value of that variable.")
                .anybody_known()
                .ok::<VariablesAnswer>(),
        )
        .post(
            ALL,
            set_variable,
            action("Set a variable")
                .records(&["new_variable", "edit_variable"])
                .body::<VariableBody>()
                .example(json!({ "variable": { "name": "LOG_LEVEL", "value": "debug" } }))
                .ok::<VariableAnswer>()
                .created::<VariableAnswer>(),
        )
        .put(
            ALL,
            set_variables,
            action("Set several variables at once")
                .records(&["edit_variables"])
                .body::<VariablesBody>()
                .example(json!({ "variables": [
                    { "name": "LOG_LEVEL", "value": "debug" },
                    { "name": "WORKERS", "value": "2" },
                ] }))
                .ok::<VariablesAnswer>(),
        )
        .delete(
            ALL,
            delete_variables,
            action("Delete several variables at once")
                .records(&["edit_variables"])
                .query("variable_ids[]", "An identifier of a variable. Repeat it for more, or send a body.")
                .body::<DeleteVariablesBody>()
                .no_content(),
        )
        .patch(
            ONE,
            update_variable,
            action("Change the value of a variable")
                .records(&["edit_variable"])
                .body::<VariableBody>()
                .example(json!({ "variable": { "value": "info" } }))
                .ok::<VariableAnswer>(),
        )
        .delete(ONE, delete_variable, action("Delete a variable").records(&["delete_variable"]).no_content())
}

/// Lists the variables. With `aliases=true`, a variable whose value names another (`$OTHER`) shows the other's value. A
/// limited collaborator sees names only.
async fn list_variables(
    readable: Readable,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, ApiError> {
    let access = readable.live()?;
    let (app, visibility) = (&access.app, access.visibility());
    let follows_aliases = query.get("aliases").is_some_and(|value| value == "true");
    let variables = app
        .variables
        .iter()
        .map(|(name, value)| {
            let shown = if follows_aliases { alias(app, value).unwrap_or(value) } else { value };
            VariableView::new(app, name, visibility.secret(shown))
        })
        .collect();
    Ok(ok(&VariablesAnswer { variables }))
}

#[derive(Deserialize, JsonSchema)]
struct VariableBody {
    variable: Option<VariableFields>,
}

#[derive(Deserialize, JsonSchema)]
struct VariableFields {
    name: Option<String>,
    value: Option<String>,
}

impl VariableFields {
    /// Converts the fields at `path` of the body.
    fn into_new_value(self, path: &str) -> Result<NewValue, ApiError> {
        Ok(NewValue {
            name: required(self.name, &format!("{path}name"))?,
            value: required(self.value, &format!("{path}value"))?,
        })
    }
}

/// Sets a variable. The status is 201 if it is new, 200 if it existed.
async fn set_variable(
    access: Authorized<SetVariable>,
    body: JsonBody<VariableBody>,
) -> Result<Response, ApiError> {
    let new = required(body.value.variable, "variable")?.into_new_value("")?;
    let name = new.name.clone();
    let outcome = access.act(SetVariable(new), &body.bytes).await?;
    let answer =
        VariableAnswer { variable: VariableView::new(&outcome.app, &name, outcome.app.variables.get(&name)) };
    Ok(if outcome.created.is_some() { created(&answer) } else { ok(&answer) })
}

/// Changes the value of a variable.
async fn update_variable(
    access: Authorized<ChangeVariable>,
    Segments([_, id]): Segments<2>,
    body: JsonBody<VariableBody>,
) -> Result<Response, ApiError> {
    let id = parse_id(&id)?;
    let value = required(required(body.value.variable, "variable")?.value, "value")?;
    let app = access.act(ChangeVariable { id, value }, &body.bytes).await?.app;
    let changed = app.variables.iter().find(|(name, _)| variable_id(app.id, name) == id);
    let (name, value) = changed.ok_or(ApiError::NotFound("variable"))?;
    Ok(ok(&VariableAnswer { variable: VariableView::new(&app, name, Some(value)) }))
}

/// Deletes a variable.
async fn delete_variable(
    access: Authorized<DeleteVariable>,
    Segments([_, id]): Segments<2>,
) -> Result<Response, ApiError> {
    access.act(DeleteVariable { id: parse_id(&id)? }, b"").await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize, JsonSchema)]
struct VariablesBody {
    variables: Option<Vec<VariableFields>>,
}

/// Sets several variables. Others stay as they are. Clients send no list, or `null`, if there is nothing to set.
async fn set_variables(
    access: Authorized<SetVariables>,
    body: JsonBody<VariablesBody>,
) -> Result<Response, ApiError> {
    let variables = body.value.variables.unwrap_or_default();
    let variables = variables
        .into_iter()
        .enumerate()
        .map(|(index, fields)| fields.into_new_value(&format!("variables[{index}].")))
        .collect::<Result<Vec<_>, ApiError>>()?;
    let names: Vec<_> = variables.iter().map(|variable| variable.name.clone()).collect();
    let app = access.act(SetVariables(variables), &body.bytes).await?.app;
    let set = names.iter().map(|name| VariableView::new(&app, name, app.variables.get(name)));
    Ok(ok(&VariablesAnswer { variables: set.collect() }))
}

#[derive(Deserialize, JsonSchema)]
struct DeleteVariablesBody {
    variable_ids: Option<Vec<String>>,
}

/// Deletes several variables. Clients name them in the body, or as `variable_ids[]` in the query, or name none.
async fn delete_variables(
    access: Authorized<DeleteVariables>,
    RawQuery(query): RawQuery,
    body: JsonBody<DeleteVariablesBody>,
) -> Result<Response, ApiError> {
    let in_query = || {
        let pairs = query.as_deref().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(name, _)| {
                matches!(*name, "variable_ids[]" | "variable_ids%5B%5D" | "variable_ids%5b%5d")
            })
            .map(|(_, id)| id.to_owned())
            .collect()
    };
    let ids: Vec<_> = body.value.variable_ids.unwrap_or_else(in_query);
    let ids = ids.iter().map(|id| parse_id(id)).collect::<Result<_, _>>()?;
    access.act(DeleteVariables(ids), &body.bytes).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn parse_id(text: &str) -> Result<ResourceId, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound("variable"))
}

/// Returns the value of the variable that this value names; `None` if it names none.
fn alias<'a>(app: &'a App, value: &str) -> Option<&'a String> {
    let name = value.strip_prefix('$')?;
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    app.variables.get(name)
}

#[derive(Serialize, JsonSchema)]
struct VariablesAnswer {
    variables: Vec<VariableView>,
}

#[derive(Serialize, JsonSchema)]
struct VariableAnswer {
    variable: VariableView,
}

#[derive(Serialize, JsonSchema)]
struct VariableView {
    id: String,
    app_id: AppId,
    name: String,
    /// Null for limited collaborators.
    value: Option<String>,
}

impl VariableView {
    fn new(app: &App, name: &str, value: Option<&String>) -> Self {
        let id = variable_id(app.id, name).to_string();
        Self { id, app_id: app.id, name: name.to_owned(), value: value.cloned() }
    }
}
