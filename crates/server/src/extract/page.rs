//! Pages of timelines and lists.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use annals_model::{FieldErrors, Time};
use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use schemars::JsonSchema;
use serde::Serialize;

use super::query::refuse_unknown;
use crate::error::ApiError;
use crate::limits::{FROM_HOURS_MAX, PAGE_DEFAULT, PAGE_MAX};
use crate::state::AppState;

/// The requested part of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selection {
    /// A page. Page 1 has the newest events.
    Page { page: u64, per_page: u64 },
    /// All events of the last hours.
    LastHours(u64),
}

impl FromRequestParts<AppState> for Selection {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let query = Query::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let Query(query) = query.map_err(|_| ApiError::BadRequest("the query cannot be read".to_owned()))?;
        Self::from_query(&query).map_err(ApiError::Invalid)
    }
}

impl Selection {
    pub(super) fn from_query(query: &HashMap<String, String>) -> Result<Self, FieldErrors> {
        refuse_unknown(query, &["page", "per_page", "from"])?;
        if let Some(hours) = number(query, "from", FROM_HOURS_MAX)? {
            return Ok(Self::LastHours(hours));
        }
        let page = number_or_zero(query, "page")?.unwrap_or(1);
        Ok(Self::Page { page, per_page: per_page(query)? })
    }

    /// Returns the start of the requested hours. `None` for a page.
    pub(crate) fn since(self, now: Time) -> Option<Time> {
        match self {
            Self::Page { .. } => None,
            Self::LastHours(hours) => Some(now.minus_millis(hours * 60 * 60 * 1000)),
        }
    }

    /// Returns the requested positions of a timeline of this length: a page, or all if hours are requested.
    pub(crate) fn positions(self, length: u64) -> RangeInclusive<u64> {
        match self {
            Self::LastHours(_) => 1..=length,
            Self::Page { page, per_page } => {
                let newer = (page - 1).saturating_mul(per_page);
                let newest = length.saturating_sub(newer);
                newest.saturating_sub(per_page) + 1..=newest
            }
        }
    }

    /// Returns the number of items per page.
    pub(crate) fn per_page(self) -> u64 {
        match self {
            Self::Page { per_page, .. } => per_page,
            Self::LastHours(_) => PAGE_DEFAULT,
        }
    }

    /// Describes the page for the response. `total_count` is the number of events in the requested hours, or of all events if a
    /// page is requested.
    pub(crate) fn pagination(self, total_count: u64) -> Pagination {
        match self {
            Self::LastHours(_) => {
                Pagination { current_page: 1, next_page: None, prev_page: None, total_pages: 1, total_count }
            }
            Self::Page { page, per_page } => {
                let total_pages = total_count.div_ceil(per_page).max(1);
                Pagination {
                    current_page: page,
                    next_page: (page < total_pages).then(|| page + 1),
                    prev_page: (page > 1).then(|| (page - 1).min(total_pages)),
                    total_pages,
                    total_count,
                }
            }
        }
    }
}

/// A page of a list.
pub(crate) struct Paged<T> {
    pub(crate) items: Vec<T>,
    pub(crate) pagination: Pagination,
}

impl Selection {
    /// Cuts the requested page out of a list whose oldest item comes first. The page has the newest item first.
    pub(crate) fn page_of<T>(self, list: Vec<T>) -> Paged<T> {
        let length = list.len() as u64;
        let positions = self.positions(length);
        let is_asked_for = |index: usize| positions.contains(&(index as u64 + 1));
        let mut items: Vec<T> = list
            .into_iter()
            .enumerate()
            .filter(|(index, _)| is_asked_for(*index))
            .map(|(_, item)| item)
            .collect();
        items.reverse();
        Paged { items, pagination: self.pagination(length) }
    }
}

/// The position of a page among all pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Pagination {
    current_page: u64,
    pub(super) next_page: Option<u64>,
    pub(super) prev_page: Option<u64>,
    pub(super) total_pages: u64,
    pub(super) total_count: u64,
}

pub(super) fn number(
    query: &HashMap<String, String>,
    field: &str,
    max: u64,
) -> Result<Option<u64>, FieldErrors> {
    let Some(text) = query.get(field) else { return Ok(None) };
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(number) if is_number && (1..=max).contains(&number) => Ok(Some(number)),
        _ if max == u64::MAX => Err(FieldErrors::one(field, "must be a whole number from 1 on")),
        _ => Err(FieldErrors::one(field, format!("must be a whole number from 1 to {max}"))),
    }
}

/// Reads the number of items per page.
pub(crate) fn per_page(query: &HashMap<String, String>) -> Result<u64, FieldErrors> {
    Ok(number_or_zero(query, "per_page")?.unwrap_or(PAGE_DEFAULT).min(PAGE_MAX))
}

/// Reads a number for which Go clients send zero if they have none.
fn number_or_zero(query: &HashMap<String, String>, field: &str) -> Result<Option<u64>, FieldErrors> {
    if query.get(field).is_some_and(|text| text == "0") { Ok(None) } else { number(query, field, u64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(query: &str) -> Result<Selection, String> {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let query = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Selection::from_query(&query).map_err(|errors| errors.as_map().keys().next().unwrap().clone())
    }

    #[test]
    fn queries_are_read_and_nonsense_is_refused_by_field() {
        let page = |page, per_page| Ok(Selection::Page { page, per_page });
        for (query, expected) in [
            ("", page(1, 20)),
            ("page=3&per_page=30", page(3, 30)),
            ("per_page=101", page(1, 100)),
            ("page=18446744073709551615", page(u64::MAX, 20)),
            ("from=72", Ok(Selection::LastHours(72))),
            ("from=1&page=x", Ok(Selection::LastHours(1))),
            ("page=0&per_page=0", page(1, 20)),
            ("page=00", Err("page".to_owned())),
            ("page=", Err("page".to_owned())),
            ("page=-1", Err("page".to_owned())),
            ("page=+1", Err("page".to_owned())),
            ("page=1.0", Err("page".to_owned())),
            ("page=18446744073709551616", Err("page".to_owned())),
            ("per_page=-0", Err("per_page".to_owned())),
            ("per_page=x", Err("per_page".to_owned())),
            ("from=0", Err("from".to_owned())),
            ("from=73", Err("from".to_owned())),
            ("from=two", Err("from".to_owned())),
            ("from=2&type=scale", Err("type".to_owned())),
        ] {
            assert_eq!(selection(query), expected, "{query}");
        }
    }

    #[test]
    fn pages_cover_a_timeline_once_and_say_where_they_are() {
        for length in [0_u64, 1, 19, 20, 21, 61, 252] {
            let page_of = |page| Selection::Page { page, per_page: 20 };
            let total_pages = page_of(1).pagination(length).total_pages;
            assert_eq!(total_pages, length.div_ceil(20).max(1));
            let mut covered: Vec<u64> = (1..=total_pages)
                .flat_map(|page| page_of(page).positions(length).rev())
                .filter(|&p| p > 0)
                .collect();
            covered.reverse();
            assert_eq!(covered, (1..=length).collect::<Vec<_>>());
        }
        let middle = Selection::Page { page: 2, per_page: 20 };
        assert_eq!(middle.positions(61), 22..=41);
        let Pagination { next_page, prev_page, total_pages, .. } = middle.pagination(61);
        assert_eq!((next_page, prev_page, total_pages), (Some(3), Some(1), 4));
        let beyond = Selection::Page { page: u64::MAX, per_page: 100 };
        assert!(beyond.positions(61).is_empty() || *beyond.positions(61).end() == 0);
        assert_eq!(beyond.pagination(61).prev_page, Some(1));
        let hours = Selection::LastHours(2);
        assert_eq!(hours.positions(61), 1..=61);
        assert_eq!(hours.pagination(11).total_count, 11);
    }
}
