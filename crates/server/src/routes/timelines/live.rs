//! Following timelines: new events as they are recorded.
//!
//! A stream has server-sent events (WHATWG HTML, section 9.2), or lines of JSON for those who accept `application/x-ndjson`. Each
//! event has its position. A client that lost its connection names the last position that it got, and misses nothing: the
//! timeline itself is the buffer.

use std::convert::Infallible;
use std::time::Duration;

use annals_model::{FieldErrors, Filter};
use annals_service::{AppReference, Credential, Forward, Positioned, Reader, Timeline, TimelineId};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::sync::watch;

use super::forward::{ForwardQuery, write_line, write_positioned};
use crate::api::{Api, op};
use crate::error::ApiError;
use crate::extract::{PlatformReader, Presented, Readable, User};
use crate::listen::Stopping;
use crate::state::AppState;
use crate::streams::OpenStream;

/// How often a stream shows that it lives, and whether its reader may still read is asked at least.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
/// How long a client waits before it connects again: at least this, and up to twice as long, so that not all come at once.
const RETRY_AFTER_MS: u64 = 2_000;

const SSE: &str = "text/event-stream";
pub(super) const NDJSON: &str = "application/x-ndjson";

pub(crate) fn api() -> Api {
    let follow = |summary| op(summary).bytes(SSE).forward();
    Api::of("Events")
        .get(
            "/v1/events/stream",
            follow_own_events,
            follow("Follow what you do, and what happens to your account"),
        )
        .get(
            "/v1/apps/{app}/events/stream",
            follow_app_events,
            follow("Follow the events of an app").anybody_known(),
        )
        .get(
            "/v1/operator/events/stream",
            follow_platform_events,
            follow("Follow the events of the whole platform").auditor(),
        )
}

/// Sends new events of an app until its reader leaves or may not read them any more.
async fn follow_app_events(
    State(state): State<AppState>,
    Readable(access): Readable,
    Presented(secret): Presented,
    query: ForwardQuery,
    stopping: Option<Extension<Stopping>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let timeline = Timeline::Of(TimelineId::App(access.app.id));
    respond(state, secret, timeline, query, stopping, &headers).await
}

/// Sends the caller's new events until they leave or their token ends.
async fn follow_own_events(
    State(state): State<AppState>,
    User(user): User,
    Presented(secret): Presented,
    query: ForwardQuery,
    stopping: Option<Extension<Stopping>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let timeline = Timeline::Of(TimelineId::User(user.id()));
    respond(state, secret, timeline, query, stopping, &headers).await
}

/// Sends new events of all apps and users, as they are recorded.
async fn follow_platform_events(
    State(state): State<AppState>,
    _: PlatformReader,
    Presented(secret): Presented,
    query: ForwardQuery,
    stopping: Option<Extension<Stopping>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    respond(state, secret, Timeline::Platform, query, stopping, &headers).await
}

async fn respond(
    state: AppState,
    secret: String,
    timeline: Timeline,
    query: ForwardQuery,
    stopping: Option<Extension<Stopping>>,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let length = state.service.length(timeline).await?;
    let after = match last_event_id(headers)? {
        Some(position) => position,
        None => query.after.unwrap_or(length),
    };
    if after > length {
        return Err(ApiError::Invalid(beyond(length)));
    }
    let mut open = state.streams.open()?;
    if let Credential::User(user) = state.service.authenticate(&secret, None).await?
        && !open.is_of(user.id())
    {
        return Err(ApiError::NoStream);
    }
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = if accepted.contains(NDJSON) { Form::Lines } else { Form::ServerSent };
    let live = Live {
        forward: state.service.forward(timeline, after),
        state,
        secret,
        timeline,
        filter: query.filter,
        form,
        stopping: stopping.map(|Extension(Stopping(stopping))| stopping),
        has_begun: false,
        _open: open,
    };
    let mut response = Response::new(Body::from_stream(stream::unfold(live, next_piece)));
    let kind = match form {
        Form::Lines => NDJSON,
        Form::ServerSent => SSE,
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // Proxies would hold events back until their buffers are full.
    const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
    response.headers_mut().insert(NO_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

/// Reads the position that a browser sends when it connects again.
fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let position = value.to_str().ok().and_then(|text| text.parse().ok());
    position.map(Some).ok_or_else(|| ApiError::BadRequest("Last-Event-ID is not a position".to_owned()))
}

pub(super) fn beyond(length: u64) -> FieldErrors {
    FieldErrors::one("after", format!("is beyond the last position, {length}"))
}

#[derive(Clone, Copy)]
enum Form {
    ServerSent,
    Lines,
}

struct Live {
    state: AppState,
    secret: String,
    timeline: Timeline,
    forward: Forward,
    filter: Filter,
    form: Form,
    stopping: Option<watch::Receiver<()>>,
    has_begun: bool,
    _open: OpenStream,
}

/// Returns the next bytes of a stream; `None` at its end. Nothing is read before the reader has taken what was sent before.
async fn next_piece(mut live: Live) -> Option<(Result<Bytes, Infallible>, Live)> {
    let piece = live.next().await?;
    Some((Ok(piece), live))
}

impl Live {
    async fn next(&mut self) -> Option<Bytes> {
        if !self.has_begun {
            self.has_begun = true;
            return Some(self.opening());
        }
        loop {
            let length = tokio::select! {
                length = self.state.service.wait_for_more(&mut self.forward, HEARTBEAT_EVERY) => length.ok()?,
                () = stopped(&mut self.stopping) => return None,
            };
            // A token may have been revoked, or a role changed, since the last events.
            let reader = self.reader().await?;
            let is_idle = length <= self.forward.position();
            let events =
                self.state.service.step(reader, &mut self.forward, &self.filter, length).await.ok()?;
            if !events.is_empty() || is_idle {
                return Some(self.write(&events));
            }
        }
    }

    /// Returns what the reader may see now; `None` if the stream ends.
    async fn reader(&self) -> Option<Reader> {
        let service = &self.state.service;
        let credential = service.authenticate(&self.secret, None).await.ok()?;
        match self.timeline {
            Timeline::Platform => service.platform_reader(&credential).ok(),
            Timeline::Of(TimelineId::User(user)) => Some(Reader::Own(user)),
            Timeline::Of(TimelineId::App(app)) => {
                let access =
                    service.authorize(&credential, AppReference::App(&app.to_string())).await.ok()?;
                Some(access.reader())
            }
        }
    }

    fn opening(&self) -> Bytes {
        let far = self.position_alone();
        match self.form {
            Form::Lines => far.into(),
            Form::ServerSent => {
                let retry_ms = rand::random_range(RETRY_AFTER_MS..2 * RETRY_AFTER_MS);
                format!("retry: {retry_ms}\n{far}").into()
            }
        }
    }

    /// Says how far the stream is. A server-sent event without data only moves the identifier that the client will send.
    fn position_alone(&self) -> String {
        let position = self.forward.position();
        match self.form {
            Form::Lines => format!("{{\"position\":{position}}}\n"),
            Form::ServerSent => format!("id: {position}\n\n"),
        }
    }

    /// Writes events, and how far the stream is if that is beyond the last of them.
    fn write(&self, events: &[Positioned]) -> Bytes {
        let bytes: usize = events.iter().map(|event| event.event.len() + 96).sum();
        let mut out = Vec::with_capacity(bytes + 32);
        for event in events {
            match (self.form, self.timeline) {
                (Form::Lines, _) => write_line(event, &mut out),
                (Form::ServerSent, timeline) => {
                    out.extend_from_slice(format!("id: {}\ndata: ", event.position).as_bytes());
                    match timeline {
                        Timeline::Of(_) => out.extend_from_slice(&event.event),
                        Timeline::Platform => write_positioned(event, &mut out),
                    }
                    out.extend_from_slice(b"\n\n");
                }
            }
        }
        if events.last().is_none_or(|last| last.position < self.forward.position()) {
            out.extend_from_slice(self.position_alone().as_bytes());
        }
        out.into()
    }
}

/// Waits until the server stops.
async fn stopped(stopping: &mut Option<watch::Receiver<()>>) {
    match stopping {
        Some(stopping) => _ = stopping.changed().await,
        None => std::future::pending().await,
    }
}
