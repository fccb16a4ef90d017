//! Reports: events that a trusted component says have happened.

use annals_model::report::{EVENTS_MAX, InvalidReports, parse_json, parse_ndjson};
use annals_model::{AppId, EventId, Person, Time};
use annals_service::{Repeats, Reported};
use axum::extract::{FromRequestParts, Request, State};
use axum::response::Response;
use http::header;
use http::request::Parts;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::answer::created;
use crate::api::{Api, action};
use crate::arriving::Arrived;
use crate::dry_run::DryRun;
use crate::error::ApiError;
use crate::extract::{Operator, by_name, parameters, refuse_unknown, without_mark};
use crate::idempotency::Repeatable;
use crate::limits::REPORT_BYTES_MAX;
use crate::state::AppState;

pub(crate) fn api() -> Api {
    let event = json!({
        "type": "restart",
        "created_at": "2026-11-01T11:59:00Z",
        "user": { "username": "jane", "email": "jane@example.com", "id": "us-0e6d8e46-5cd0-42a4-acba-372b2be605ac" },
        "app_id": "5343eccd646173000a140000",
        "app_name": "my-app",
        "type_data": { "scope": ["web"] },
    });
    Api::of("Events").post(
        "/v1/events",
        report_events,
        action("Report events that happened elsewhere: all are recorded, or none")
            .operator()
            .query(
                "repeats",
                "`skip` leaves out events whose identifiers are recorded already, instead of rejecting all.",
            )
            .body::<ReportBody>()
            .example(json!({ "events": [event.clone()] }))
            .raw_body("application/x-ndjson")
            .example(format!("{event}\n").into())
            .created::<AcceptedAnswer>(),
    )
}

/// A report.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it only describes the body; the model parses it")]
struct ReportBody {
    /// The events, oldest first.
    #[schemars(length(max = EVENTS_MAX))]
    events: Vec<ReportedEvent>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "never constructed")]
struct ReportedEvent {
    /// Assigned by annals if it is missing.
    id: Option<EventId>,
    /// When the event happened. Defaults to now. It may be however late, and up to five minutes ahead of the server's clock.
    created_at: Option<Time>,
    /// Who did it. Required for events of accounts.
    user: Option<Person>,
    /// Required for events of apps.
    app_id: Option<AppId>,
    /// Required for events of apps.
    app_name: Option<String>,
    /// One of the types of `/v1/event_types`.
    #[schemars(rename = "type")]
    event_type: String,
    /// The fields of the type, as its `type_data_schema` describes them.
    #[schemars(default)]
    type_data: Map<String, Value>,
}

#[derive(Serialize, JsonSchema)]
struct AcceptedAnswer {
    /// The number of events recorded.
    accepted: usize,
    /// The number of events left out, if the request asks to leave out those that are recorded already.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<usize>,
}

/// What the query says of repeated events.
struct OfRepeats(Repeats);

impl FromRequestParts<AppState> for OfRepeats {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let parameters = parameters(parts, state).await?;
        let query = by_name(&parameters).map_err(ApiError::Invalid)?;
        refuse_unknown(&query, &["repeats"]).map_err(ApiError::Invalid)?;
        match query.get("repeats").map(String::as_str) {
            None => Ok(Self(Repeats::Refuse)),
            Some("skip") => Ok(Self(Repeats::Skip)),
            Some(_) => Err(ApiError::invalid("repeats", "must be skip")),
        }
    }
}

/// Records all of the reported events, or none. Responds once they are durable.
async fn report_events(
    State(state): State<AppState>,
    _: Operator,
    OfRepeats(repeats): OfRepeats,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let is_ndjson = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.split(';').next().is_some_and(|kind| kind.trim().ends_with("ndjson")));

    let declared: Option<usize> =
        parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|bytes| bytes > REPORT_BYTES_MAX) {
        return Err(ApiError::TooLarge(REPORT_BYTES_MAX));
    }
    let Arrived { bytes: body, room: _room } = state.arriving.read(body, REPORT_BYTES_MAX, None).await?;
    let body = without_mark(body);
    let permits = u32::try_from(body.len()).expect("a report is shorter than 4 GiB");
    let _in_work = state.report_bytes.acquire_many(permits).await.map_err(|_| ApiError::Unavailable)?;
    let text = std::str::from_utf8(&body)
        .map_err(|error| ApiError::BadRequest(format!("the body is not UTF-8: {error}")))?;
    let reports = match text.trim_ascii_start().starts_with('[') {
        _ if is_ndjson => parse_ndjson(text).map_err(InvalidReports::Invalid),
        true => Err(InvalidReports::Malformed("it is an array".to_owned())),
        false => parse_json(text),
    };
    let reports = reports.map_err(|error| match error {
        InvalidReports::Invalid(errors) => ApiError::Invalid(errors),
        InvalidReports::Malformed(message) => ApiError::BadRequest(format!(
            "the body is not {{\"events\":[…]}}: {message} (to send one event per line, set Content-Type: application/x-ndjson)"
        )),
    })?;
    let Reported { accepted, skipped } = match DryRun::of(&parts) {
        DryRun(true) => state.service.check_reports(reports, repeats).await?,
        DryRun(false) => {
            state.service.report_with(reports, repeats, Repeatable::of(&parts).idempotency(&body)).await?
        }
    };
    let skipped = (repeats == Repeats::Skip).then_some(skipped);
    Ok(created(&AcceptedAnswer { accepted, skipped }))
}
