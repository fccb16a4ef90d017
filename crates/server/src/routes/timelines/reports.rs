//! Reports: events that a trusted component states have happened.

use annals_model::report::{InvalidReports, parse_json, parse_ndjson};
use axum::extract::{Request, State};
use axum::response::Response;
use http::header;
use schemars::JsonSchema;
use serde::Serialize;

use crate::answer::created;
use crate::api::{Api, op};
use crate::error::ApiError;
use crate::extract::{Operator, idempotency, idempotency_key, read, target};
use crate::limits::REPORT_BYTES_MAX;
use crate::state::AppState;

pub(crate) fn api() -> Api {
    Api::of("Events").post(
        "/v1/events",
        report_events,
        op("Report what happened elsewhere")
            .operator()
            .raw_body(&["application/json", "application/x-ndjson"])
            .created::<AcceptedAnswer>(),
    )
}

#[derive(Serialize, JsonSchema)]
struct AcceptedAnswer {
    /// The number of events recorded.
    accepted: usize,
}

/// Records all of the reported events, or none. Responds once they are durable.
async fn report_events(
    State(state): State<AppState>,
    _: Operator,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let key = idempotency_key(&parts.headers)?;
    let is_ndjson = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.split(';').next().is_some_and(|kind| kind.trim().ends_with("ndjson")));

    // Permits are taken before the body is read, so that many connections cannot fill the memory at once.
    let declared =
        parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let bytes = declared.unwrap_or(REPORT_BYTES_MAX);
    if bytes > REPORT_BYTES_MAX {
        return Err(ApiError::TooLarge(REPORT_BYTES_MAX));
    }
    let permits = u32::try_from(bytes).expect("a report is shorter than 4 GiB");
    let _in_work = state.report_bytes.acquire_many(permits).await.map_err(|_| ApiError::Unavailable)?;

    let body = read(body, REPORT_BYTES_MAX).await?;
    let text = std::str::from_utf8(&body)
        .map_err(|error| ApiError::BadRequest(format!("the body is not UTF-8: {error}")))?;
    let reports = if is_ndjson { parse_ndjson(text) } else { parse_json(text) };
    let reports = reports.map_err(|error| match error {
        InvalidReports::Invalid(errors) => ApiError::Invalid(errors),
        InvalidReports::Malformed(message) if is_ndjson => {
            ApiError::BadRequest(format!("the body is not one JSON object per line: {message}"))
        }
        InvalidReports::Malformed(message) => ApiError::BadRequest(format!(
            "the body is not {{\"events\":[…]}}: {message} (to send one event per line, set Content-Type: application/x-ndjson)"
        )),
    })?;
    let accepted = state.service.report(reports, idempotency(key.as_ref(), &target(&parts), &body)).await?;
    Ok(created(&AcceptedAnswer { accepted }))
}
