//! The state of an app at any instant, folded from its timeline.

use std::collections::HashMap;

use annals_model::Time;
use annals_service::{Difference, Service, StateAt};
use axum::extract::{Query, State};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use crate::answer::ok;
use crate::api::{Api, op};
use crate::error::ApiError;
use crate::extract::{Readable, refuse_unknown};

pub(crate) fn api() -> Api {
    Api::of("Apps").get(
        "/v1/apps/{app}/state",
        show_app_state,
        op("Get the state of an app at a time, or the difference between two times")
            .query("at", "The time, as an RFC 3339 date-time. Defaults to now.")
            .query("from", "Returns the difference since this time instead.")
            .query("to", "The end of the difference. Defaults to now.")
            .anybody_known()
            .ok::<StateAnswer>(),
    )
}

/// Shows the state at an instant, or the difference between two.
async fn show_app_state(
    State(service): State<Service>,
    Readable(access): Readable,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, ApiError> {
    refuse_unknown(&query, &["at", "from", "to"]).map_err(ApiError::Invalid)?;
    let instant = |field: &str| -> Result<Option<Time>, ApiError> {
        // Offsets contain a plus, which stands for a space in a query.
        let text = query.get(field).map(|text| text.replace(' ', "+"));
        text.map(|text| text.parse())
            .transpose()
            .map_err(|error: annals_model::InvalidTime| ApiError::invalid(field, &error.to_string()))
    };
    let answer = match (instant("from")?, instant("to")?, instant("at")?) {
        (None, None, None) => StateAnswer::At(service.state_now(&access)),
        (None, None, Some(at)) => StateAnswer::At(service.state_at(&access, at).await?),
        (Some(from), to, None) => StateAnswer::Between(service.difference(&access, from, to).await?),
        (None, Some(_), None) => return Err(ApiError::invalid("from", "is missing")),
        (_, _, Some(_)) => {
            return Err(ApiError::invalid("at", "cannot be combined with from or to"));
        }
    };
    Ok(ok(&answer))
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum StateAnswer {
    At(StateAt),
    Between(Difference),
}
