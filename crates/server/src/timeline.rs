//! A part of a timeline as an answer: stored bytes, joined.

use std::ops::RangeInclusive;

use annals_model::Role;
use annals_store::TimelineId;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::answer::json_bytes;
use crate::error::ApiError;
use crate::limits::READ_BYTES;
use crate::page::Selection;
use crate::service::Service;
use crate::{masking, scale_strings};

const OPENING: &[u8] = b"{\"events\":[";

/// `{"events":[…],"meta":{"pagination":…}}` of a timeline of that length, newest first. What does not fit into one read is streamed, so memory is
/// bounded whatever is asked for.
pub(crate) async fn respond(
    service: &Service,
    timeline: TimelineId,
    length: u64,
    selection: Selection,
    form: EventForm,
) -> Result<Response, ApiError> {
    let before = match selection.since(service.clock.now()) {
        Some(since) => service.store.count_before(timeline, since).await?.min(length),
        None => 0,
    };
    let end = end_of_answer(selection, length, before);
    let positions = selection.positions(length, before);
    if matches!(selection, Selection::Page { .. })
        && form.is_as_stored()
        && let Some(events) = page(service, timeline, &positions).await?
    {
        let body = [OPENING, &events, &end].concat();
        return Ok(answer(service, body.into()));
    }
    let mut listing =
        Listing { service: service.clone(), timeline, left: positions, form, state: State::Opening, end };
    let first = listing.read().await?;
    let body = match listing.state {
        State::Done => Body::from(first),
        _ => {
            Body::from_stream(stream::try_unfold((Some(first), listing), |(first, mut listing)| async move {
                let chunk = match (first, listing.state) {
                    (Some(first), _) => first,
                    (None, State::Done) => return Ok(None),
                    (None, _) => listing
                        .read()
                        .await
                        .map_err(|_| std::io::Error::other("a timeline could not be read on"))?,
                };
                Ok::<_, std::io::Error>(Some((chunk, (None, listing))))
            }))
        }
    };
    Ok(answer(service, body))
}

/// The events at these positions, joined, unless they are longer than one read.
///
/// What is at a position never changes, so a page that was read once is good for ever.
async fn page(
    service: &Service,
    timeline: TimelineId,
    positions: &RangeInclusive<u64>,
) -> Result<Option<Bytes>, ApiError> {
    if positions.is_empty() {
        return Ok(Some(Bytes::new()));
    }
    let key = (timeline, *positions.start(), *positions.end());
    if let Some(page) = service.pages.get(&key) {
        return Ok(Some(page));
    }
    let events = service.store.read(timeline, positions.clone(), READ_BYTES).await?;
    if events.len() as u64 != positions.end() - positions.start() + 1 {
        return Ok(None);
    }
    let page = Bytes::from(events.join(b",".as_slice()));
    service.pages.insert(key, page.clone());
    Ok(Some(page))
}

fn answer(service: &Service, body: Body) -> Response {
    let mut response = json_bytes(StatusCode::OK, body);
    vary(service, &mut response);
    response
}

/// `{"event":…}`.
pub(crate) fn respond_with_one(service: &Service, event: &[u8], form: EventForm) -> Response {
    let mut body = b"{\"event\":".to_vec();
    form.write(event, &mut body);
    body.push(b'}');
    answer(service, body.into())
}

/// Answers differ by client where some get scale events in their own form.
fn vary(service: &Service, response: &mut Response) {
    if service.config.scale_strings {
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("User-Agent"));
    }
}

/// How who asks gets events.
#[derive(Clone, Copy)]
pub(crate) struct EventForm {
    has_scale_strings: bool,
    hides_values: bool,
}

impl EventForm {
    /// The form for a client, told by its headers, of somebody in that role; the operator has none.
    pub(crate) fn new(service: &Service, headers: &HeaderMap, role: Option<Role>) -> Self {
        Self {
            has_scale_strings: service.config.scale_strings && scale_strings::are_read_by(headers),
            hides_values: role == Some(Role::LimitedCollaborator),
        }
    }

    const fn is_as_stored(self) -> bool {
        !self.has_scale_strings && !self.hides_values
    }

    fn write(self, event: &[u8], out: &mut Vec<u8>) {
        // No type is rewritten by both.
        match (self.has_scale_strings, self.hides_values) {
            (false, false) => out.extend_from_slice(event),
            (true, false) => scale_strings::write(event, out),
            (false, true) => masking::write(event, out),
            (true, true) if annals_model::event::type_in(event) == Some("scale") => {
                scale_strings::write(event, out)
            }
            (true, true) => masking::write(event, out),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Opening,
    Listing,
    Done,
}

/// A part of a timeline on its way out.
struct Listing {
    service: Service,
    timeline: TimelineId,
    left: RangeInclusive<u64>,
    form: EventForm,
    state: State,
    end: Vec<u8>,
}

impl Listing {
    /// The next bytes of the answer.
    async fn read(&mut self) -> Result<Bytes, ApiError> {
        let events = if self.left.is_empty() {
            Vec::new()
        } else {
            self.service.store.read(self.timeline, self.left.clone(), READ_BYTES).await?
        };
        let bytes: usize = events.iter().map(|event| event.len() + 1).sum();
        let mut out = Vec::with_capacity(bytes + self.end.len() + 16);
        for event in &events {
            out.extend_from_slice(if self.state == State::Opening { OPENING } else { b"," });
            self.state = State::Listing;
            self.form.write(event, &mut out);
        }
        let read = events.len() as u64;
        self.left = *self.left.start()..=self.left.end().saturating_sub(read);
        if self.left.is_empty() || *self.left.end() == 0 || read == 0 {
            if self.state == State::Opening {
                out.extend_from_slice(OPENING);
            }
            out.extend_from_slice(&self.end);
            self.state = State::Done;
        }
        Ok(out.into())
    }
}

/// What comes behind the events.
fn end_of_answer(selection: Selection, length: u64, before: u64) -> Vec<u8> {
    #[derive(Serialize)]
    struct Meta {
        pagination: crate::page::Pagination,
    }
    let mut end = b"],\"meta\":".to_vec();
    let meta = Meta { pagination: selection.pagination(length, before) };
    serde_json::to_writer(&mut end, &meta).expect("numbers can always be written to memory");
    end.push(b'}');
    end
}
