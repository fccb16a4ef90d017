//! Summaries of consecutive events of a timeline: how many there are of each kind. By them a filter counts events without reading
//! them.
//!
//! Summaries form a tree. One of level 0 is a *leaf*: it has [`LEAF_EVENTS`] events, and says of each what kind it is. One of a
//! higher level joins [`CHILDREN`] summaries of the level below, and says how many events there are of each kind.
//!
//! A summary is stored as JSON:
//!
//! ```text
//! e, l   the times of the earliest and the latest event
//! t      the types, by name
//! u      the users who acted: [id, username, email address] each, null for nobody
//! a      the apps: [id, name] each, null for none
//! c      a leaf's events, oldest first: for types, users and apps one text each, with one character per event, which is the number
//!        in the list (from '!' on); a text is empty if all its events have number 0
//! k      what a higher summary joins: [type, user, app, count], by their numbers in the lists
//! ```
//!
//! A list is missing if it would be too long. Then nothing is known of this about any of the events.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::kind::Names;
use super::{Filter, Kind, OwnKind};
use crate::Time;
use crate::catalogue::{self, EventType};

/// The number of events of a leaf. Few, so that little is read where a leaf does not decide; many, so that there are few leaves.
pub const LEAF_EVENTS: u64 = 256;
/// The number of summaries that one of the next level joins.
pub const CHILDREN: u64 = 16;

/// The most users, and the most apps, that a summary lists.
const NAMES_MAX: usize = 64;
/// The most kinds that a summary above the leaves has. If there are more, the apps are left out, and then the users.
const KINDS_MAX: usize = 400;
/// The character of number 0. The characters from there on are not escaped in JSON, except one.
const FIRST: u32 = '!' as u32;
/// The number whose character, the backslash, would be escaped. It is used for no item.
const ESCAPED: u32 = '\\' as u32 - FIRST;
/// The same for the quotation mark.
const MARK: u32 = '"' as u32 - FIRST;

/// What consecutive events of a timeline are. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    #[serde(rename = "e")]
    earliest: Time,
    #[serde(rename = "l")]
    latest: Time,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    types: Option<Vec<TypeName>>,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    actors: Option<Vec<Option<Names>>>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    apps: Option<Vec<Option<Names>>>,
    #[serde(flatten)]
    kinds: Kinds,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Kinds {
    /// Of a leaf: the number of each event's type, user and app.
    #[serde(rename = "c")]
    OfEach([String; 3]),
    /// Of a higher summary: the numbers of a type, a user and an app, and how many events have them.
    #[serde(rename = "k")]
    Counted(Vec<(u32, u32, u32, u32)>),
}

/// A type of the catalogue; `None` if a later version has recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TypeName {
    name: String,
    event_type: Option<&'static EventType>,
}

impl Eq for EventType {}

impl Serialize for TypeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TypeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::of)
    }
}

impl TypeName {
    fn of(name: String) -> Self {
        let event_type = catalogue::find(&name);
        Self { name, event_type }
    }
}

/// The items of a list, while it is made: they are in order, so that equal events give equal lists.
struct Numbers<T>(Option<BTreeMap<T, u32>>);

impl<T: Ord + Clone> Numbers<T> {
    /// Numbers items; none if one of them is not known, or if there are too many.
    fn of<'a>(items: impl Iterator<Item = Option<&'a T>>, max: usize) -> Self
    where
        T: 'a,
    {
        let mut numbers = BTreeMap::new();
        for item in items {
            let Some(item) = item else { return Self(None) };
            numbers.insert(item.clone(), 0);
            if numbers.len() > max {
                return Self(None);
            }
        }
        let plain = (0..).filter(|number| ![ESCAPED, MARK].contains(number));
        numbers.values_mut().zip(plain).for_each(|(number, plain)| *number = plain);
        Self(Some(numbers))
    }

    fn get(&self, item: Option<&T>) -> u32 {
        self.0.as_ref().zip(item).and_then(|(numbers, item)| numbers.get(item).copied()).unwrap_or_default()
    }

    fn into_list(self) -> Option<Vec<T>> {
        Some(self.0?.into_keys().collect())
    }
}

/// Returns the index in its list of the item with a number.
const fn index(number: u32) -> usize {
    (number - (number > MARK) as u32 - (number > ESCAPED) as u32) as usize
}

impl Summary {
    /// Summarizes events, oldest first.
    pub fn of(events: &[OwnKind]) -> Self {
        let types = Numbers::of(events.iter().map(|event| event.event_type.as_ref()), usize::MAX);
        let actors = Numbers::of(events.iter().map(|event| event.actor.as_ref()), NAMES_MAX);
        let apps = Numbers::of(events.iter().map(|event| event.app.as_ref()), NAMES_MAX);
        let text = |numbers: &mut dyn Iterator<Item = u32>| {
            let text: String = numbers
                .map(|number| char::from_u32(FIRST + number).expect("the numbers are small"))
                .collect();
            let is_one = text.chars().all(|char| u32::from(char) == FIRST);
            if is_one { String::new() } else { text }
        };
        let of_each = [
            text(&mut events.iter().map(|event| types.get(event.event_type.as_ref()))),
            text(&mut events.iter().map(|event| actors.get(event.actor.as_ref()))),
            text(&mut events.iter().map(|event| apps.get(event.app.as_ref()))),
        ];
        Self {
            earliest: events.iter().map(|event| event.created_at).min().unwrap_or(Time::MAX),
            latest: events.iter().map(|event| event.created_at).max().unwrap_or(Time::EPOCH),
            types: types.into_list().map(|types| types.into_iter().map(TypeName::of).collect()),
            actors: actors.into_list(),
            apps: apps.into_list(),
            kinds: Kinds::OfEach(of_each),
        }
    }

    /// Joins summaries of `events` events each, oldest first.
    pub fn joining(summaries: &[&Self], events: u64) -> Self {
        let all = || summaries.iter().copied();
        let listed = |list: for<'a> fn(&'a Self) -> Option<&'a Vec<Option<Names>>>| {
            // A summary without a list says nothing of its events: one of them could have any item, or another one.
            let items = all().flat_map(move |summary| match list(summary) {
                Some(items) => items.iter().map(Some).collect(),
                None => vec![None],
            });
            Numbers::of(items, NAMES_MAX)
        };
        let names = all().flat_map(|summary| match &summary.types {
            Some(types) => types.iter().map(|of| Some(&of.name)).collect(),
            None => vec![None],
        });
        let types = Numbers::of(names, usize::MAX);
        let mut actors = listed(|summary| summary.actors.as_ref());
        let mut apps = listed(|summary| summary.apps.as_ref());
        let count = |actors: &Numbers<Option<Names>>, apps: &Numbers<Option<Names>>| {
            let mut counts = BTreeMap::<(u32, u32, u32), u32>::new();
            for summary in all() {
                let of = |list: &Option<Vec<Option<Names>>>, numbers: &Numbers<_>, number: u32| {
                    numbers.get(list.as_ref().and_then(|list| list.get(index(number))))
                };
                for (event_type, actor, app, count) in summary.counted(events) {
                    let name = summary.types.as_ref().and_then(|types| types.get(index(event_type)));
                    let kind = (
                        types.get(name.map(|of| &of.name)),
                        of(&summary.actors, actors, actor),
                        of(&summary.apps, apps, app),
                    );
                    *counts.entry(kind).or_default() += count;
                }
            }
            counts
        };
        let mut counts = count(&actors, &apps);
        if counts.len() > KINDS_MAX {
            apps = Numbers(None);
            counts = count(&actors, &apps);
        }
        if counts.len() > KINDS_MAX {
            actors = Numbers(None);
            counts = count(&actors, &apps);
        }
        Self {
            earliest: all().map(|summary| summary.earliest).min().unwrap_or(Time::MAX),
            latest: all().map(|summary| summary.latest).max().unwrap_or(Time::EPOCH),
            types: types.into_list().map(|types| types.into_iter().map(TypeName::of).collect()),
            actors: actors.into_list(),
            apps: apps.into_list(),
            kinds: Kinds::Counted(
                counts
                    .into_iter()
                    .map(|((event_type, actor, app), count)| (event_type, actor, app, count))
                    .collect(),
            ),
        }
    }

    /// Returns the kinds, by number, and how many events there are of each. A leaf has so many events.
    fn counted(&self, events: u64) -> Vec<(u32, u32, u32, u32)> {
        match &self.kinds {
            Kinds::Counted(counted) => counted.clone(),
            Kinds::OfEach(of_each) => {
                let mut counts = BTreeMap::<(u32, u32, u32), u32>::new();
                for kind in numbers(of_each).take(events as usize) {
                    *counts.entry(kind).or_default() += 1;
                }
                counts
                    .into_iter()
                    .map(|((event_type, actor, app), count)| (event_type, actor, app, count))
                    .collect()
            }
        }
    }

    /// Returns how many of the events match; `None` if it cannot be told from here without reading some of them.
    pub fn count(&self, filter: &Filter) -> Option<u64> {
        let Kinds::Counted(counted) = &self.kinds else { return None };
        let times = self.earliest..=self.latest;
        let mut matching = 0;
        for (event_type, actor, app, count) in counted {
            if filter.verdict(self.kind((*event_type, *actor, *app)), &times)? {
                matching += u64::from(*count);
            }
        }
        Some(matching)
    }

    /// Returns of each event of a leaf, oldest first, whether it matches; `None` where the event has to be read. Goes on after the
    /// last event.
    pub fn verdicts(&self, filter: &Filter) -> impl Iterator<Item = Option<bool>> {
        let times = self.earliest..=self.latest;
        let of_each = match &self.kinds {
            Kinds::OfEach(of_each) => Some(of_each),
            Kinds::Counted(_) => None,
        };
        let mut known = Vec::<((u32, u32, u32), Option<bool>)>::new();
        of_each.into_iter().flat_map(numbers).map(move |kind| {
            // A leaf has few kinds, so that looking through them is quicker than asking again.
            if let Some((_, verdict)) = known.iter().find(|(known, _)| *known == kind) {
                return *verdict;
            }
            let verdict = filter.verdict(self.kind(kind), &times);
            known.push((kind, verdict));
            verdict
        })
    }

    fn kind(&self, (event_type, actor, app): (u32, u32, u32)) -> Kind<'_> {
        Kind {
            event_type: self.types.as_ref().and_then(|types| types.get(index(event_type))?.event_type),
            actor: item(self.actors.as_ref(), actor),
            app: item(self.apps.as_ref(), app),
        }
    }
}

/// Returns the item of a list with a number; `None` if there is no list.
fn item(list: Option<&Vec<Option<Names>>>, number: u32) -> Option<Option<&Names>> {
    list?.get(index(number)).map(Option::as_ref)
}

/// Returns the numbers of each event's type, user and app. Goes on after the last event.
fn numbers(of_each: &[String; 3]) -> impl Iterator<Item = (u32, u32, u32)> {
    let [types, actors, apps] = of_each.each_ref().map(|text| {
        text.chars().map(|char| u32::from(char).saturating_sub(FIRST)).chain(std::iter::repeat(0))
    });
    types.zip(actors).zip(apps).map(|((event_type, actor), app)| (event_type, actor, app))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: usize, actors: usize, event_type: &str) -> OwnKind {
        let actor = number % actors;
        OwnKind::of(
            format!(
                r#"{{"id":"6905bc8073636100011a0000","created_at":"2026-11-01T08:00:{:02}.000Z","user":{{"username":"user-{actor}","email":"","id":"us-{actor}"}},"app_id":"5343eccd646173000a140000","app_name":"a","type":"{event_type}","type_data":{{}}}}"#,
                number % 60
            )
            .as_bytes(),
        )
    }

    fn events(count: usize, actors: usize) -> Vec<OwnKind> {
        (0..count).map(|number| event(number, actors, ["restart", "run"][number % 2])).collect()
    }

    fn filter(text: &str) -> Filter {
        Filter::parse(text, Time::EPOCH).expect("a filter")
    }

    #[test]
    fn numbers_are_written_without_escapes() {
        let items: Vec<_> = (0..300).collect();
        let numbers = Numbers::of(items.iter().map(Some), usize::MAX);
        for (place, item) in items.iter().enumerate() {
            let number = numbers.get(Some(item));
            assert_eq!(index(number), place);
            let char = char::from_u32(FIRST + number).expect("a character");
            assert_eq!(serde_json::to_string(&char).expect("JSON"), format!("\"{char}\""));
        }
    }

    #[test]
    fn a_leaf_says_of_each_event_whether_it_matches() {
        let leaf = Summary::of(&events(8, 60));
        let read: Summary =
            serde_json::from_str(&serde_json::to_string(&leaf).expect("JSON")).expect("a summary");
        assert_eq!(read, leaf);
        let verdicts: Vec<_> = leaf.verdicts(&filter("actor:USER-7 OR type:restart")).take(8).collect();
        assert_eq!(verdicts, [true, false, true, false, true, false, true, true].map(Some));
        let many = Summary::of(&events(200, 200));
        assert!(many.verdicts(&filter("actor:user-7")).take(200).all(|verdict| verdict.is_none()));
        assert_eq!(
            many.verdicts(&filter("type:run")).take(200).filter(|verdict| *verdict == Some(true)).count(),
            100
        );
        let unknown = Summary::of(&[event(1, 1, "of_a_later_version"), event(2, 1, "run")]);
        assert!(
            unknown.verdicts(&filter("type:run OR actor:user-0")).take(2).all(|verdict| verdict.is_none())
        );
    }

    #[test]
    fn joined_summaries_count_what_is_in_them() {
        let (one, two) = (Summary::of(&events(200, 5)), Summary::of(&events(200, 7)));
        let joined = Summary::joining(&[&one, &two], 200);
        let read: Summary =
            serde_json::from_str(&serde_json::to_string(&joined).expect("JSON")).expect("a summary");
        assert_eq!(read, joined);
        assert_eq!(joined.count(&filter("type:run")), Some(200));
        assert_eq!(joined.count(&filter("actor:us-6 app:A")), Some(28));
        assert_eq!(joined.count(&filter("actor:us-6 web")), None);
        assert_eq!(joined.count(&filter("actor:nobody web")), Some(0));
        assert_eq!(joined.count(&filter("created:2026-11-01 -actor:none")), Some(400));
        assert_eq!(joined.count(&filter("created:>=2026-11-01T08:00:30Z")), None);
        let above = Summary::joining(&[&joined, &joined], 400);
        assert_eq!(above.count(&filter("actor:us-6 app:A")), Some(56));
        let many = Summary::joining(&[&above, &Summary::of(&events(200, 64))], 200);
        assert_eq!(many.count(&filter("actor:us-6")), Some(56 + 4));
        let too_many = Summary::joining(&[&above, &Summary::of(&events(200, 65))], 200);
        assert_eq!(too_many.count(&filter("actor:us-6")), None);
        assert_eq!(too_many.count(&filter("type:run")), Some(500));
    }

    /// What is not known of the events below stays unknown above, also if it is known of none of them.
    #[test]
    fn what_is_not_known_stays_unknown() {
        let many = Summary::of(&events(200, 65));
        let none_known = Summary::joining(&[&many, &many], 200);
        assert_eq!(none_known.count(&filter("actor:us-0")), None);
        let known = Summary::joining(&[&Summary::of(&events(200, 5)), &Summary::of(&events(200, 5))], 200);
        let above = Summary::joining(&[&none_known, &known], 400);
        assert_eq!(above.count(&filter("actor:us-0")), None);
        assert_eq!(above.count(&filter("type:run")), Some(400));
        let unknown = Summary::of(&[event(1, 1, "of_a_later_version")]);
        let above = Summary::joining(&[&Summary::joining(&[&unknown, &unknown], 1), &known], 400);
        assert_eq!(above.count(&filter("type:run")), None);
    }
}
