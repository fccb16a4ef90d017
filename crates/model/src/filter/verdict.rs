//! What a filter says of an event of which only the type and about the time are known.

use std::ops::RangeInclusive;

use super::{Created, Filter};
use crate::{EventType, Time};

impl Filter {
    /// Returns whether every event of this type that happened within these times matches (`Some(true)`), or none does
    /// (`Some(false)`). Returns `None` if it depends on the event, which has to be read.
    pub fn verdict(&self, event_type: Option<&EventType>, times: &RangeInclusive<Time>) -> Option<bool> {
        match self {
            Self::All(all) => decided(all, false, event_type, times),
            Self::Any(any) => decided(any, true, event_type, times),
            Self::Not(not) => not.verdict(event_type, times).map(|matches| !matches),
            Self::Type(types) => event_type.map(|known| types.contains(&known)),
            Self::Category(categories) => event_type.map(|known| categories.contains(&known.category)),
            Self::Created(created) => created.verdict(times),
            Self::Actor(_) | Self::App(_) | Self::Text(_) => None,
        }
    }
}

/// Joins the verdicts of several filters: one that is `deciding` decides, and otherwise all of them have to be known.
fn decided(
    filters: &[Filter],
    deciding: bool,
    event_type: Option<&EventType>,
    times: &RangeInclusive<Time>,
) -> Option<bool> {
    let mut verdict = Some(!deciding);
    for filter in filters {
        match filter.verdict(event_type, times) {
            Some(known) if known == deciding => return Some(deciding),
            Some(_) => {}
            None => verdict = None,
        }
    }
    verdict
}

impl Created {
    fn verdict(self, times: &RangeInclusive<Time>) -> Option<bool> {
        let (first, last) = (self.contains(*times.start()), self.contains(*times.end()));
        let is_apart = *times.end() < self.first() || self.last().is_some_and(|last| last < *times.start());
        match (first && last, is_apart) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }
}
