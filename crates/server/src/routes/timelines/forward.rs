//! What streams and exports have in common: their parameters, and an event as a line.

use annals_model::{FieldErrors, Filter};
use annals_service::Positioned;
use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::error::ApiError;
use crate::extract::{by_name, parameters, take_filter};
use crate::state::AppState;

/// Which events are read forward: those after a position that match a filter.
pub(super) struct ForwardQuery {
    pub(super) after: Option<u64>,
    pub(super) filter: Filter,
    pub(super) format: Option<String>,
}

impl FromRequestParts<AppState> for ForwardQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let parameters = parameters(parts, state).await?;
        let mut query = by_name(&parameters).map_err(ApiError::Invalid)?;
        let filter = take_filter(&mut query, state.service.now()).map_err(ApiError::Invalid)?;
        let after = query.remove("after").map(|text| position(&text)).transpose()?;
        Ok(Self { after, filter, format: query.remove("format") })
    }
}

fn position(text: &str) -> Result<u64, ApiError> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let position = text.parse().ok().filter(|_| is_number);
    let message = "must be a position: 0, or that of the last event received";
    position.ok_or_else(|| ApiError::Invalid(FieldErrors::one("after", message)))
}

/// Writes an event as one line of JSON, `{"position":1,"id":…}`.
pub(super) fn write_line(event: &Positioned, out: &mut Vec<u8>) {
    write_positioned(event, out);
    out.push(b'\n');
}

/// Writes an event with its position and, on the platform timeline, with the time of its recording.
pub(crate) fn write_positioned(event: &Positioned, out: &mut Vec<u8>) {
    let Positioned { position, recorded_at, event } = event;
    out.extend_from_slice(format!("{{\"position\":{position}").as_bytes());
    if let Some(recorded_at) = recorded_at {
        out.extend_from_slice(format!(",\"recorded_at\":\"{recorded_at}\"").as_bytes());
    }
    // An event that its reader may not see at all is null.
    if let Some(fields) = event.strip_prefix(b"{") {
        out.push(b',');
        out.extend_from_slice(fields);
    } else {
        out.push(b'}');
    }
}
