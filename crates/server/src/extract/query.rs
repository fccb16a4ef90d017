//! Query parameters.

use std::collections::HashMap;

use annals_model::FieldErrors;
use axum::extract::{FromRequestParts, Query};
use http::request::Parts;

use crate::error::ApiError;
use crate::state::AppState;

/// Reads the parameters of a request, in their order.
pub(crate) async fn parameters(
    parts: &mut Parts,
    state: &AppState,
) -> Result<Vec<(String, String)>, ApiError> {
    let query = Query::from_request_parts(parts, state).await;
    query
        .map(|Query(parameters)| parameters)
        .map_err(|_| ApiError::BadRequest("the query cannot be read".to_owned()))
}

/// Returns parameters by name. Refuses one that is there twice: to ignore one of them would return something else than the
/// client requested.
pub(crate) fn by_name(parameters: &[(String, String)]) -> Result<HashMap<String, String>, FieldErrors> {
    let mut by_name = HashMap::new();
    for (name, value) in parameters {
        if by_name.insert(name.clone(), value.clone()).is_some() {
            return Err(FieldErrors::one(name, "is there twice; separate several values by commas"));
        }
    }
    Ok(by_name)
}

/// Refuses unknown parameters. To ignore one would return something else than the client requested.
pub(crate) fn refuse_unknown(query: &HashMap<String, String>, known: &[&str]) -> Result<(), FieldErrors> {
    let unknown = query.keys().filter(|name| !known.contains(&name.as_str()));
    let message = format!("unknown parameter; known: {}", known.join(", "));
    FieldErrors::any(unknown.map(|name| (name.clone(), message.clone()))).map_or(Ok(()), Err)
}
