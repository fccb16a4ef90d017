//! The output of a deployment: the text that its builder appends.

use annals_service::{Access, OUTPUT_PARTS_READ, Service};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::deployments::parse_id;
use crate::api::{Api, op};
use crate::arriving::Arrived;
use crate::error::ApiError;
use crate::extract::{Authorized, Readable, Segments, TheOperator};
use crate::idempotency::Repeatable;
use crate::limits::OUTPUT_PART_BYTES_MAX;
use crate::state::AppState;

pub(crate) fn api() -> Api {
    const PATH: &str = "/v1/apps/{app}/deployments/{deployment}/output";
    Api::of("Deployments")
        .get(
            PATH,
            show_deployment_output,
            op("Get the output of a deployment, as far as its builder sent it")
                .anybody_known()
                .text("text/plain"),
        )
        .post(
            PATH,
            append_deployment_output,
            op("Append to the output of a deployment: whole lines, in UTF-8")
                .operator()
                .repeatable()
                .raw_body("text/plain")
                .no_content(),
        )
}

/// Shows the output, or a line about the deployment if there is none.
async fn show_deployment_output(
    State(service): State<Service>,
    readable: Readable,
    Segments([_, id]): Segments<2>,
) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live()?;
    let private = service.private_state(app.id).await?;
    let record = private.deployment(parse_id(&id)?).ok_or(ApiError::NotFound("deployment"))?;
    let mut text = String::new();
    let mut part = 0;
    loop {
        let read = service.output(app.id, record.id, part).await?;
        read.iter().for_each(|more| text.push_str(more));
        part += read.len() as u64;
        if read.len() < OUTPUT_PARTS_READ {
            break;
        }
    }
    if text.is_empty() {
        let status = serde_json::to_value(record.status).unwrap_or_default();
        let status = status.as_str().unwrap_or_default();
        text = format!("{} deployment {}: {status}\n", record.created_at, record.id);
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// Appends to the output.
async fn append_deployment_output(
    State(state): State<AppState>,
    access: Authorized<TheOperator>,
    Segments([_, id]): Segments<2>,
    repeatable: Repeatable,
    body: Body,
) -> Result<Response, ApiError> {
    let id = parse_id(&id)?;
    let Arrived { bytes, room: _room } = state.arriving.read(body, OUTPUT_PART_BYTES_MAX, None).await?;
    // A builder's programs print any bytes.
    let text = String::from_utf8_lossy(&bytes).into_owned();
    state.service.append_output(access.app.id, id, text, repeatable.idempotency(&bytes)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
