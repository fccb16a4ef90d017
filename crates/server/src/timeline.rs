//! Responses that contain a part of a timeline: stored bytes, joined.

use std::ops::RangeInclusive;

use annals_model::EventId;
use annals_service::{Reader, TimelineId};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::answer::json_bytes;
use crate::error::ApiError;
use crate::extract::{Pagination, Selection};
use crate::limits::READ_BYTES;
use crate::scale_strings;
use crate::state::AppState;

const OPENING: &[u8] = b"{\"events\":[";

/// A timeline, its reader, and the form that the reader's client expects.
pub(crate) struct Reading {
    state: AppState,
    timeline: TimelineId,
    reader: Reader,
    has_scale_strings: bool,
}

impl Reading {
    /// Creates a reading for the client that sent these headers.
    pub(crate) fn new(state: &AppState, timeline: TimelineId, reader: Reader, headers: &HeaderMap) -> Self {
        let has_scale_strings = state.config.scale_strings && scale_strings::are_read_by(headers);
        Self { state: state.clone(), timeline, reader, has_scale_strings }
    }

    /// Responds with `{"events":[…],"meta":{"pagination":…}}`, newest first. `length` is the timeline's length. A response
    /// that takes more than one read is streamed, so memory is bounded for any request.
    ///
    /// # Errors
    ///
    /// [`ApiError::Unreadable`] if the store cannot be read.
    pub(crate) async fn respond(self, length: u64, selection: Selection) -> Result<Response, ApiError> {
        let service = &self.state.service;
        let before = match selection.since(service.now()) {
            Some(since) => service.count_before(self.timeline, since).await?.min(length),
            None => 0,
        };
        let end = end_of_answer(selection, length, before);
        let positions = selection.positions(length, before);
        if matches!(selection, Selection::Page { .. })
            && !self.has_scale_strings
            && let Some(events) = service.page(self.reader, self.timeline, &positions).await?
        {
            let body = [OPENING, &events, &end].concat();
            return Ok(self.answer(body.into()));
        }
        let mut outgoing = EventStream { reading: self, left: positions, progress: Progress::Opening, end };
        let first = outgoing.read().await?;
        let answer = outgoing.reading.answer(Body::empty());
        let body = match outgoing.progress {
            Progress::Done => Body::from(first),
            _ => Body::from_stream(stream::try_unfold((Some(first), outgoing), read_on)),
        };
        Ok(answer.map(|_| body))
    }

    /// Responds with `{"event":…}`.
    ///
    /// # Errors
    ///
    /// [`ApiError::NotFound`] if the timeline has no such event, [`ApiError::Unreadable`] if the store cannot be read.
    pub(crate) async fn respond_with_one(self, event: EventId) -> Result<Response, ApiError> {
        let found = self.state.service.event(self.reader, self.timeline, event).await?;
        let mut body = b"{\"event\":".to_vec();
        self.write(&found, &mut body);
        body.push(b'}');
        Ok(self.answer(body.into()))
    }

    fn write(&self, event: &[u8], out: &mut Vec<u8>) {
        match self.has_scale_strings {
            true => scale_strings::write(event, out),
            false => out.extend_from_slice(event),
        }
    }

    /// Creates the response. If some clients get `scale` events in their own form, it has `Vary: User-Agent`.
    fn answer(&self, body: Body) -> Response {
        let mut response = json_bytes(StatusCode::OK, body);
        if self.state.config.scale_strings {
            response.headers_mut().insert(header::VARY, HeaderValue::from_static("User-Agent"));
        }
        response
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Opening,
    Events,
    Done,
}

/// A part of a timeline that is being sent.
struct EventStream {
    reading: Reading,
    left: RangeInclusive<u64>,
    progress: Progress,
    end: Vec<u8>,
}

impl EventStream {
    /// Reads the next bytes of the response.
    async fn read(&mut self) -> Result<Bytes, ApiError> {
        let Reading { state, timeline, reader, .. } = &self.reading;
        let events = match self.left.is_empty() {
            true => Vec::new(),
            false => state.service.events(*reader, *timeline, self.left.clone(), READ_BYTES).await?,
        };
        let bytes: usize = events.iter().map(|event| event.len() + 1).sum();
        let mut out = Vec::with_capacity(bytes + self.end.len() + 16);
        for event in &events {
            out.extend_from_slice(if self.progress == Progress::Opening { OPENING } else { b"," });
            self.progress = Progress::Events;
            self.reading.write(event, &mut out);
        }
        let read = events.len() as u64;
        self.left = *self.left.start()..=self.left.end().saturating_sub(read);
        if self.left.is_empty() || *self.left.end() == 0 || read == 0 {
            if self.progress == Progress::Opening {
                out.extend_from_slice(OPENING);
            }
            out.extend_from_slice(&self.end);
            self.progress = Progress::Done;
        }
        Ok(out.into())
    }
}

/// Returns the next piece: first the one already read, then what is left.
async fn read_on(
    (first, mut outgoing): (Option<Bytes>, EventStream),
) -> std::io::Result<Option<(Bytes, (Option<Bytes>, EventStream))>> {
    let piece = match (first, outgoing.progress) {
        (Some(first), _) => first,
        (None, Progress::Done) => return Ok(None),
        (None, _) => {
            let read = outgoing.read().await;
            read.map_err(|_| std::io::Error::other("the rest of a timeline could not be read"))?
        }
    };
    Ok(Some((piece, (None, outgoing))))
}

/// Returns what follows the events.
fn end_of_answer(selection: Selection, length: u64, before: u64) -> Vec<u8> {
    #[derive(Serialize)]
    struct Meta {
        pagination: Pagination,
    }
    let mut end = b"],\"meta\":".to_vec();
    let meta = Meta { pagination: selection.pagination(length, before) };
    serde_json::to_writer(&mut end, &meta).expect("numbers can always be written to memory");
    end.push(b'}');
    end
}
