//! Exports: a whole timeline as one file, oldest event first.
//!
//! An export has the events that there were when it began. Each has its position. An interrupted export goes on after the last
//! position that arrived whole (`after=`), and both parts together are what one export would have been.

use std::io;

use annals_model::{FieldErrors, Filter};
use annals_service::{Forward, Reader, Service, Timeline, TimelineId};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, header};

use super::forward::{ForwardQuery, write_line};
use super::live::{NDJSON, beyond};
use super::table;
use crate::api::{Api, op};
use crate::error::ApiError;
use crate::extract::{PlatformReader, Readable, User};
use crate::state::AppState;

const CSV: &str = "text/csv; charset=utf-8";

pub(crate) fn api() -> Api {
    let export = |summary| op(summary).bytes(NDJSON).forward().with_format();
    Api::of("Events")
        .get(
            "/v1/events/export",
            export_own_events,
            export("Export what you did, and what happened to your account"),
        )
        .get(
            "/v1/apps/{app}/events/export",
            export_app_events,
            export("Export the events of an app").anybody_known(),
        )
        .get(
            "/v1/operator/events/export",
            export_platform_events,
            export("Export the events of the whole platform").auditor(),
        )
}

/// Sends all events of an app.
async fn export_app_events(
    State(state): State<AppState>,
    Readable(access): Readable,
    query: ForwardQuery,
) -> Result<Response, ApiError> {
    let timeline = Timeline::Of(TimelineId::App(access.app.id));
    respond(state, timeline, access.reader(), query, &access.app.name).await
}

/// Sends all of the caller's events.
async fn export_own_events(
    State(state): State<AppState>,
    User(user): User,
    query: ForwardQuery,
) -> Result<Response, ApiError> {
    let timeline = Timeline::Of(TimelineId::User(user.id()));
    respond(state, timeline, Reader::Own(user.id()), query, "activity").await
}

/// Sends the events of all apps and users, in the order of their recording.
async fn export_platform_events(
    State(state): State<AppState>,
    PlatformReader(reader): PlatformReader,
    query: ForwardQuery,
) -> Result<Response, ApiError> {
    respond(state, Timeline::Platform, reader, query, "platform").await
}

async fn respond(
    state: AppState,
    timeline: Timeline,
    reader: Reader,
    query: ForwardQuery,
    name: &str,
) -> Result<Response, ApiError> {
    let format = match query.format.as_deref() {
        None | Some("jsonl") => Format::Lines,
        Some("csv") => Format::Table,
        Some(_) => return Err(ApiError::Invalid(FieldErrors::one("format", "must be jsonl or csv"))),
    };
    let length = state.service.length(timeline).await?;
    let after = query.after.unwrap_or_default();
    if after > length {
        return Err(ApiError::Invalid(beyond(length)));
    }
    let export = Export {
        forward: state.service.forward(timeline, after),
        service: state.service.clone(),
        reader,
        is_platform: timeline == Timeline::Platform,
        last: length,
        filter: query.filter,
        format,
        // What goes on after a position is appended to what there is already.
        has_begun: query.after.is_some_and(|after| after > 0),
    };
    let mut response = Response::new(Body::from_stream(stream::try_unfold(export, next_piece)));
    let (kind, ending) = match format {
        Format::Lines => (NDJSON, "jsonl"),
        Format::Table => (CSV, "csv"),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // The name of a reported app can have any characters, and some would end the quotation.
    let name = name.replace(|char: char| !char.is_ascii_alphanumeric() && !"-_.".contains(char), "_");
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}.{ending}\""));
    headers
        .insert(header::CONTENT_DISPOSITION, disposition.expect("letters, digits and underscores are valid"));
    Ok(response)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Lines,
    Table,
}

struct Export {
    service: Service,
    reader: Reader,
    forward: Forward,
    is_platform: bool,
    /// The last position when the export began.
    last: u64,
    filter: Filter,
    format: Format,
    has_begun: bool,
}

/// Returns the next bytes of an export. Nothing is read before the reader has taken what was sent before.
async fn next_piece(mut export: Export) -> io::Result<Option<(Bytes, Export)>> {
    let piece = export.next().await.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "an export failed while it was read");
        io::Error::other("the rest of a timeline could not be read")
    })?;
    Ok(piece.map(|piece| (piece, export)))
}

impl Export {
    async fn next(&mut self) -> Result<Option<Bytes>, annals_service::Error> {
        let mut out = Vec::new();
        if !self.has_begun && self.format == Format::Table {
            table::write_header(self.is_platform, &mut out);
        }
        self.has_begun = true;
        while out.is_empty() {
            if self.forward.position() >= self.last {
                return Ok(None);
            }
            let events = self.service.step(self.reader, &mut self.forward, &self.filter, self.last).await?;
            match self.format {
                Format::Lines => events.iter().for_each(|event| write_line(event, &mut out)),
                Format::Table => table::write_rows(&events, &mut out),
            }
        }
        Ok(Some(out.into()))
    }
}
