//! What a filter says of an event of which only the kind, or a part of it, and about the time are known.

use std::ops::RangeInclusive;

use super::{Actor, Created, Filter, Kind};
use crate::Time;

impl Filter {
    /// Returns whether every event of which this is known and that happened within these times matches (`Some(true)`), or none
    /// does (`Some(false)`). Returns `None` if it depends on the event, which has to be read.
    pub fn verdict(&self, kind: Kind<'_>, times: &RangeInclusive<Time>) -> Option<bool> {
        match self {
            Self::All(all) => decided(all, false, kind, times),
            Self::Any(any) => decided(any, true, kind, times),
            Self::Not(not) => not.verdict(kind, times).map(|matches| !matches),
            Self::Type(types) => kind.event_type.map(|known| types.contains(&known)),
            Self::Category(categories) => kind.event_type.map(|known| categories.contains(&known.category)),
            Self::Created(created) => created.verdict(times),
            Self::Actor(actors) => {
                let known = kind.actor?;
                Some(actors.iter().any(|actor| match (actor, known) {
                    (Actor::None, known) => known.is_none(),
                    (Actor::Named(name), known) => known.is_some_and(|names| names.have(name)),
                }))
            }
            Self::App(apps) => {
                let known = kind.app?;
                Some(apps.iter().any(|app| known.is_some_and(|names| names.have(app))))
            }
            Self::Text(_) => None,
        }
    }

    /// Returns whether the kinds of events can decide, so that an index is of use.
    pub fn asks_for_kinds(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::asks_for_kinds),
            Self::Not(not) => not.asks_for_kinds(),
            Self::Type(_) | Self::Category(_) | Self::Actor(_) | Self::App(_) => true,
            Self::Created(_) | Self::Text(_) => false,
        }
    }
}

/// Joins the verdicts of several filters: one that is `deciding` decides, and otherwise all of them have to be known.
fn decided(filters: &[Filter], deciding: bool, kind: Kind<'_>, times: &RangeInclusive<Time>) -> Option<bool> {
    let mut verdict = Some(!deciding);
    for filter in filters {
        match filter.verdict(kind, times) {
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
