//! What a client asks of a timeline: which part of it, and which events.

use std::collections::HashMap;
use std::ops::Range;

use annals_model::filter::Created;
use annals_model::{EventId, FieldErrors, Filter, Time};
use axum::extract::FromRequestParts;
use http::HeaderValue;
use http::request::Parts;
use url::form_urlencoded;

use super::page::{Pagination, Selection, number};
use super::query;
use crate::error::ApiError;
use crate::state::AppState;

/// The parameters that name the events, besides those that name the part of the timeline.
pub(crate) const FILTER_PARAMETERS: [&str; 5] = ["q", "type", "actor", "since", "until"];

/// An event of a timeline, as a client names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Position(u64),
    Event(EventId),
}

/// Which events are requested beside an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Those recorded just before it.
    Before(Anchor),
    /// Those recorded just after it.
    After(Anchor),
}

impl Beside {
    /// Takes the parameters `before` and `after` out of a query.
    fn take(query: &mut HashMap<String, String>) -> Result<Option<Self>, FieldErrors> {
        let anchor = |field: &str, text: String| {
            let is_position = text.len() < 20 && text.bytes().all(|byte| byte.is_ascii_digit());
            let position = text.parse().ok().filter(|_| is_position).map(Anchor::Position);
            let anchor = position.or_else(|| text.parse().ok().map(Anchor::Event));
            let message = "must be the identifier of an event, or its position";
            anchor.ok_or_else(|| FieldErrors::one(field, message))
        };
        let before = query.remove("before").map(|text| anchor("before", text)).transpose()?;
        let after = query.remove("after").map(|text| anchor("after", text)).transpose()?;
        let beside = match (before, after) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(FieldErrors::one("before", "does not go with `after`")),
            (Some(anchor), None) => Self::Before(anchor),
            (None, Some(anchor)) => Self::After(anchor),
        };
        match ["page", "from", "as_of"].into_iter().find(|other| query.contains_key(*other)) {
            Some(other) => Err(FieldErrors::one(other, "does not go with `before` and `after`")),
            None => Ok(Some(beside)),
        }
    }
}

/// The requested events of a timeline.
pub(crate) struct EventQuery {
    pub(crate) selection: Selection,
    /// Where the page is, if it is not at a number of pages.
    pub(crate) beside: Option<Beside>,
    pub(crate) filter: Filter,
    /// How many events there were when the first of several pages was read. Newer ones are left out, so that pages do not shift.
    pub(crate) as_of: Option<u64>,
    path: String,
    parameters: Vec<(String, String)>,
}

impl FromRequestParts<AppState> for EventQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let parameters = query::parameters(parts, state).await?;
        Self::new(parts.uri.path().to_owned(), parameters, state.service.now()).map_err(ApiError::Invalid)
    }
}

impl EventQuery {
    fn new(path: String, parameters: Vec<(String, String)>, now: Time) -> Result<Self, FieldErrors> {
        let mut by_name = query::by_name(&parameters)?;
        let filter = take_filter(&mut by_name, now)?;
        let beside = Beside::take(&mut by_name)?;
        let as_of = number(&by_name, "as_of", u64::MAX)?;
        by_name.remove("as_of");
        let selection = Selection::from_query(&by_name)?;
        if as_of.is_some() && matches!(selection, Selection::LastHours(_)) {
            return Err(FieldErrors::one("as_of", "goes with `page`, not with `from`"));
        }
        Ok(Self { selection, beside, filter, as_of, path, parameters })
    }

    /// Returns how many of this many events the client asks for pages of.
    ///
    /// # Errors
    ///
    /// [`ApiError::Invalid`] if there were never as many as the client says.
    pub(crate) fn pinned(&self, total_count: u64) -> Result<u64, ApiError> {
        match self.as_of {
            Some(as_of) if as_of > total_count => {
                let message = format!("is greater than the number of events, {total_count}");
                Err(ApiError::Invalid(FieldErrors::one("as_of", message)))
            }
            as_of => Ok(as_of.unwrap_or(total_count)),
        }
    }

    /// Returns the numbers of the requested events among all that were found, newest first, from 0 on. Those after the first
    /// `pinned` ones that were recorded are left out.
    pub(crate) fn numbers(&self, found: u64, pinned: u64) -> Range<u64> {
        let positions = self.selection.positions(pinned);
        found - positions.end()..found + 1 - positions.start()
    }

    /// Returns the header `Link` with the addresses of the events before the oldest of these, and after the newest.
    pub(crate) fn links_beside(
        &self,
        newest: Option<EventId>,
        oldest: Option<EventId>,
    ) -> Option<HeaderValue> {
        let link = |relation: &str, cursor: Option<(&str, EventId)>| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query
                .extend_pairs(self.parameters.iter().filter(|(name, _)| name != "before" && name != "after"));
            if let Some((name, id)) = cursor {
                query.append_pair(name, &id.to_string());
            }
            format!("<{}?{}>; rel=\"{relation}\"", self.path, query.finish())
        };
        let next = oldest.map(|id| link("next", Some(("before", id))));
        let previous = newest.map(|id| link("prev", Some(("after", id))));
        let links: Vec<_> = [next, previous, Some(link("first", None))].into_iter().flatten().collect();
        HeaderValue::try_from(links.join(", ")).ok()
    }

    /// Returns the header `Link` with the addresses of other pages (RFC 8288). They have `as_of`, so that they fit together.
    pub(crate) fn links(&self, pagination: &Pagination) -> Option<HeaderValue> {
        let Selection::Page { page, .. } = self.selection else { return None };
        let link = |relation: &str, page: u64| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            let kept = self.parameters.iter().filter(|(name, _)| name != "page" && name != "as_of");
            query.extend_pairs(kept);
            query.append_pair("page", &page.to_string());
            if pagination.total_count > 0 {
                query.append_pair("as_of", &pagination.total_count.to_string());
            }
            format!("<{}?{}>; rel=\"{relation}\"", self.path, query.finish())
        };
        let next = pagination.next_page.map(|page| link("next", page));
        let previous = pagination.prev_page.map(|page| link("prev", page));
        let first = (page > 1).then(|| link("first", 1));
        let last = (page != pagination.total_pages).then(|| link("last", pagination.total_pages));
        let links: Vec<_> = [next, previous, first, last].into_iter().flatten().collect();
        if links.is_empty() { None } else { HeaderValue::try_from(links.join(", ")).ok() }
    }
}

/// Takes the parameters that name events out of a query.
pub(crate) fn take_filter(query: &mut HashMap<String, String>, now: Time) -> Result<Filter, FieldErrors> {
    let mut filter = Filter::EVERYTHING;
    for field in FILTER_PARAMETERS {
        let Some(value) = query.remove(field) else { continue };
        let part = match field {
            "q" => Filter::parse(&value, now).map_err(|error| error.to_string()),
            "since" => Created::since(&value, now).map(Filter::Created),
            "until" => Created::until(&value, now).map(Filter::Created),
            field => Filter::of_field(field, &value, now),
        };
        filter = filter.and(part.map_err(|message| FieldErrors::one(field, message))?);
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<EventQuery, String> {
        let parameters = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        EventQuery::new("/v1/events".to_owned(), parameters, Time::EPOCH.plus_millis(1_000_000_000_000))
            .map_err(|errors| format!("{:?}", errors.as_map()))
    }

    #[test]
    fn parameters_are_shorthand_for_words_of_the_filter() {
        for (text, expected) in [
            ("", ""),
            ("type=scale,restart", "type:scale,restart"),
            ("q=type:run&actor=none", "type:run actor:none"),
            (
                "since=2001-09-08&until=2001-09-09",
                "created:>=2001-09-08T00:00:00.000Z created:<=2001-09-09T23:59:59.999Z",
            ),
            ("since=-1h", "created:>=2001-09-09T00:46:40.000Z"),
        ] {
            assert_eq!(read(text).map(|query| query.filter.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn wrong_parameters_are_refused_by_name() {
        for (text, expected) in [
            ("type=scal", "did you mean `scale`?"),
            ("q=typ:scale", "column 1: unknown field `typ:`; did you mean `type:`?"),
            ("since=yesterday", "since"),
            ("as_of=x", "as_of"),
            ("as_of=3&from=2", "goes with `page`"),
            ("type=scale&type=run", "is there twice"),
            ("color=red", "unknown parameter"),
        ] {
            let error = read(text).map(|_| ()).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn links_keep_what_was_asked_and_pin_the_pages() {
        let asked = read("type=scale&page=2&per_page=20").unwrap();
        let links = asked.links(&asked.selection.pagination(61)).unwrap();
        let page = |page| format!("</v1/events?type=scale&per_page=20&page={page}&as_of=61>");
        assert_eq!(
            links.to_str().unwrap(),
            format!(
                "{}; rel=\"next\", {}; rel=\"prev\", {}; rel=\"first\", {}; rel=\"last\"",
                page(3),
                page(1),
                page(1),
                page(4)
            )
        );
        let empty = read("").unwrap();
        assert_eq!(empty.links(&empty.selection.pagination(0)), None);
    }
}
