//! Query parameters.

use std::collections::HashMap;

use annals_model::FieldErrors;

/// Refuses unknown parameters. To ignore one would return something else than the client requested.
pub(crate) fn refuse_unknown(query: &HashMap<String, String>, known: &[&str]) -> Result<(), FieldErrors> {
    let unknown = query.keys().filter(|name| !known.contains(&name.as_str()));
    let message = format!("unknown parameter; known: {}", known.join(", "));
    FieldErrors::any(unknown.map(|name| (name.clone(), message.clone()))).map_or(Ok(()), Err)
}
