//! Cached pages of timelines.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use annals_store::TimelineId;
use bytes::Bytes;
use quick_cache::Weighter;

use crate::visibility::{Owner, Visibility, owner_of_sensitive_fields};

/// A page of events, newest first and joined by commas. Events never change, so a cached page is never stale. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Page(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    events: Bytes,
    /// The range of each event in `events`.
    at: Box<[Range<usize>]>,
    /// The events with fields that some readers may not see; found when the first such reader reads the page.
    sensitive: OnceLock<Box<[Sensitive]>>,
}

#[derive(Debug)]
struct Sensitive {
    at: Range<usize>,
    /// Decides who may see these fields.
    owner: Owner,
    /// The event for limited readers, once one needs it.
    limited: OnceLock<Bytes>,
}

impl Page {
    pub(crate) fn of(events: &[Bytes]) -> Self {
        let mut end = 0;
        let at = events.iter().map(|event| {
            let at = end..end + event.len();
            end = at.end + 1;
            at
        });
        let at = at.collect();
        Self(Arc::new(Inner { events: events.join(b",".as_slice()).into(), at, sensitive: OnceLock::new() }))
    }

    /// Returns the page for a reader who may see all fields.
    pub(crate) fn whole(&self) -> Bytes {
        self.0.events.clone()
    }

    /// Returns whose sensitive fields the page has.
    pub(crate) fn owners(&self) -> impl Iterator<Item = Owner> {
        self.sensitive().iter().map(|sensitive| sensitive.owner)
    }

    fn sensitive(&self) -> &[Sensitive] {
        let Inner { events, at, sensitive } = &*self.0;
        sensitive.get_or_init(|| {
            let found = at.iter().filter_map(|at| {
                let owner = owner_of_sensitive_fields(&events[at.clone()])?;
                Some(Sensitive { at: at.clone(), owner, limited: OnceLock::new() })
            });
            found.collect()
        })
    }

    /// Returns the page for a reader. `visibility` returns what the reader may see of an owner's fields.
    pub(crate) fn seen(&self, visibility: impl Fn(Owner) -> Visibility) -> Bytes {
        let mut seen = Vec::new();
        let mut copied = 0;
        for Sensitive { at, owner, limited } in self.sensitive() {
            let visibility = visibility(*owner);
            if visibility == Visibility::ALL {
                continue;
            }
            let event = || visibility.event(&self.0.events.slice(at.clone()));
            seen.extend_from_slice(&self.0.events[copied..at.start]);
            match visibility == Visibility::LIMITED {
                true => seen.extend_from_slice(limited.get_or_init(event)),
                false => seen.extend_from_slice(&event()),
            }
            copied = at.end;
        }
        if copied == 0 {
            return self.0.events.clone();
        }
        seen.extend_from_slice(&self.0.events[copied..]);
        seen.into()
    }
}

/// Weighs a page by its bytes in memory.
#[derive(Clone)]
pub(crate) struct PageBytes;

impl Weighter<(TimelineId, u64, u64), Page> for PageBytes {
    fn weight(&self, _: &(TimelineId, u64, u64), page: &Page) -> u64 {
        // The events, their ranges, the key, and the cache's overhead. With the events of limited readers, a page may take
        // twice as much.
        (page.0.events.len() + size_of_val(&*page.0.at) + 200) as u64
    }
}

#[cfg(test)]
mod tests {
    use annals_model::AppId;

    use super::*;

    #[test]
    fn a_page_shows_of_each_app_what_its_reader_may_see() {
        let event = |app: &str, secret: bool| {
            let (event_type, data) =
                if secret { ("run", r#"{"command":"secret"}"#) } else { ("restart", "{}") };
            Bytes::from(format!(
                r#"{{"id":"6905bc8073636100011a0000","app_id":"{app}","type":"{event_type}","type_data":{data}}}"#
            ))
        };
        let (mine, others) = ("5343eccd646173000a140000", "5343eccd646173000a140001");
        let owner = |text: &str| Owner::App(Some(text.parse::<AppId>().unwrap()));
        let events = [event(mine, true), event(others, false), event(others, true), event(mine, false)];
        let page = Page::of(&events);
        assert_eq!(page.owners().collect::<Vec<_>>(), [owner(mine), owner(others)]);
        assert_eq!(page.seen(|_| Visibility::ALL), events.join(b",".as_slice()));
        let limited = Visibility::of(None);
        for _ in 0..2 {
            let seen = page.seen(|of| if of == owner(mine) { Visibility::ALL } else { limited });
            let expected =
                [events[0].clone(), events[1].clone(), limited.event(&events[2]), events[3].clone()];
            assert_eq!(seen, expected.join(b",".as_slice()));
        }
        // Who else may not see the fields gets another event than a limited reader, in either order.
        let auditor = Visibility::AUDITOR;
        assert_eq!(
            page.seen(|_| auditor),
            events.each_ref().map(|event| auditor.event(event)).join(b",".as_slice())
        );
        assert!(!String::from_utf8_lossy(&page.seen(|_| limited)).contains("secret"));
        assert_eq!(Page::of(&[]).seen(|_| limited), "");
    }
}
