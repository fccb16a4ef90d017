//! Responses that contain a part of a timeline: stored bytes, joined.

use annals_model::{EventId, event};
use annals_service::{Head, Reader, Span, TimelineId};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::answer::json_bytes;
use crate::error::ApiError;
use crate::extract::{Anchor, Beside, EventQuery, Pagination, Selection};
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

    /// Responds with `{"events":[…],"meta":{"pagination":…}}` of a timeline with this head, newest first. A response that does not
    /// fit into one read is streamed, so memory is bounded whatever is asked for.
    pub(crate) async fn respond(self, head: Head, query: &EventQuery) -> Result<Response, ApiError> {
        let service = &self.state.service;
        let selection = query.selection;
        if let Some(since) = selection.since(service.now()) {
            let span = service.since(self.timeline, head, since).await?.matching(query.filter.clone());
            return self.stream(span, selection, None).await;
        }
        if let Some(beside) = query.beside {
            return self.respond_beside(head, query, beside).await;
        }
        if !query.filter.is_everything() {
            return self.respond_with_found(head, query).await;
        }
        let total_count = query.pinned(head.length)?;
        let positions = selection.positions(total_count);
        let links = query.links(&selection.pagination(total_count));
        let response = match service.page(self.reader, self.timeline, &positions).await? {
            Some(events) if !self.has_scale_strings => {
                let body = [OPENING, &events, &closing(selection, total_count)].concat();
                self.answer(body.into())
            }
            _ => self.stream(Span::of(positions), selection, Some(total_count)).await?,
        };
        Ok(with_links(response, links))
    }

    /// Responds with a page of the events that match the filter.
    async fn respond_with_found(self, head: Head, query: &EventQuery) -> Result<Response, ApiError> {
        let Self { state, timeline, reader, .. } = &self;
        let found = state.service.search(*reader, *timeline, head, &query.filter).await?;
        let total_count = query.pinned(found.total_count)?;
        let numbers = query.numbers(found.total_count, total_count);
        let service = &state.service;
        let events = service.found_events(*reader, *timeline, head, &query.filter, &found, numbers).await?;
        let body = respond_with(&events, query.selection, total_count, |event, out| self.write(event, out));
        let links = query.links(&query.selection.pagination(total_count));
        Ok(with_links(self.answer(body.into()), links))
    }

    /// Responds with the events just before or just after one. The page number is that of the newest of them.
    async fn respond_beside(
        self,
        head: Head,
        query: &EventQuery,
        beside: Beside,
    ) -> Result<Response, ApiError> {
        let Self { state, timeline, reader, .. } = &self;
        let (service, filter) = (&state.service, &query.filter);
        let (name, anchor) = match beside {
            Beside::Before(anchor) => ("before", anchor),
            Beside::After(anchor) => ("after", anchor),
        };
        let position = match anchor {
            Anchor::Position(position) => Some(position),
            Anchor::Event(id) => service.position_of(*timeline, head, id).await?,
        };
        let unknown = || ApiError::invalid(name, "is no event of this timeline; write its position");
        let position = position.ok_or_else(unknown)?;
        // The numbers of the wanted events among all that match, newest first, follow from how many newer ones there are.
        let newer_from = if name == "before" { position } else { position.saturating_add(1) }.max(1);
        let found = match filter.is_everything() {
            true => None,
            false => Some(service.search(*reader, *timeline, head, filter).await?),
        };
        let (total_count, newer) = match &found {
            None => (head.length, (head.length + 1).saturating_sub(newer_from)),
            Some(found) => {
                let newer = service.search_from(*reader, *timeline, head, filter, newer_from).await?;
                (found.total_count, newer.total_count)
            }
        };
        let per_page = query.selection.per_page();
        let numbers = match beside {
            Beside::Before(_) => newer..total_count.min(newer.saturating_add(per_page)),
            Beside::After(_) => newer.saturating_sub(per_page)..newer,
        };
        let events = match &found {
            Some(found) => {
                service.found_events(*reader, *timeline, head, filter, found, numbers.clone()).await?
            }
            None => {
                let mut span = Span::of(total_count + 1 - numbers.end..=total_count - numbers.start);
                let mut events = Vec::new();
                while !span.is_empty() {
                    events.extend(service.next_events(*reader, *timeline, &mut span, READ_BYTES).await?);
                }
                events
            }
        };
        let page = Selection::Page { page: numbers.start / per_page + 1, per_page };
        let body = respond_with(&events, page, total_count, |event, out| self.write(event, out));
        let id_of = |event: Option<&Bytes>| event.and_then(|event| event::id_in(event));
        let newest = id_of(events.first()).filter(|_| numbers.start > 0);
        let oldest = id_of(events.last()).filter(|_| numbers.end < total_count);
        Ok(with_links(self.answer(body.into()), query.links_beside(newest, oldest)))
    }

    async fn stream(
        self,
        span: Span,
        selection: Selection,
        total_count: Option<u64>,
    ) -> Result<Response, ApiError> {
        let mut outgoing =
            EventStream { reading: self, span, progress: Progress::Opening, selection, total_count, sent: 0 };
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

    /// Creates the response. If some clients get `scale` events in their own form, it has `Vary`.
    fn answer(&self, body: Body) -> Response {
        let mut response = json_bytes(StatusCode::OK, body);
        if self.state.config.scale_strings {
            response.headers_mut().insert(header::VARY, HeaderValue::from_static(scale_strings::VARY));
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
    span: Span,
    progress: Progress,
    selection: Selection,
    /// The number of events that the response tells; `None` if it is the number of those sent.
    total_count: Option<u64>,
    sent: u64,
}

impl EventStream {
    /// Returns the next bytes of the response.
    async fn read(&mut self) -> Result<Bytes, ApiError> {
        let Reading { state, timeline, reader, .. } = &self.reading;
        let events = state.service.next_events(*reader, *timeline, &mut self.span, READ_BYTES).await?;
        let bytes: usize = events.iter().map(|event| event.len() + 1).sum();
        let mut out = Vec::with_capacity(bytes + 256);
        for event in &events {
            out.extend_from_slice(if self.progress == Progress::Opening { OPENING } else { b"," });
            self.progress = Progress::Events;
            self.reading.write(event, &mut out);
        }
        self.sent += events.len() as u64;
        if self.span.is_empty() {
            if self.progress == Progress::Opening {
                out.extend_from_slice(OPENING);
            }
            out.extend_from_slice(&closing(self.selection, self.total_count.unwrap_or(self.sent)));
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

/// Writes a page of events.
pub(crate) fn respond_with<T>(
    events: &[T],
    selection: Selection,
    total_count: u64,
    write: impl Fn(&T, &mut Vec<u8>),
) -> Vec<u8> {
    let mut body = OPENING.to_vec();
    for (index, event) in events.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        write(event, &mut body);
    }
    body.extend_from_slice(&closing(selection, total_count));
    body
}

pub(crate) fn with_links(mut response: Response, links: Option<HeaderValue>) -> Response {
    response.headers_mut().extend(links.map(|links| (header::LINK, links)));
    response
}

/// Returns what follows the events.
fn closing(selection: Selection, total_count: u64) -> Vec<u8> {
    #[derive(Serialize)]
    struct Meta {
        pagination: Pagination,
    }
    let mut closing = b"],\"meta\":".to_vec();
    let meta = Meta { pagination: selection.pagination(total_count) };
    serde_json::to_writer(&mut closing, &meta).expect("numbers can always be written to memory");
    closing.push(b'}');
    closing
}
