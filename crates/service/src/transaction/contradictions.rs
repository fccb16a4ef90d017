//! Facts that contradict the states of apps. Reports are facts, so they are recorded all the same, and the log says so.

use std::collections::BTreeSet;

use annals_model::catalogue::{AppOperations, SourceControl};
use annals_model::{AppId, AppRef, Event, TypeData};
use annals_store::Error;

use super::Transaction;

/// The most apps that are visited to find out whether review apps lead in a circle.
const VISITED_MAX: usize = 100;

/// A recorded fact that contradicts the states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contradiction {
    /// The app that the event belongs to.
    pub(crate) app: AppId,
    /// The name of the event's type.
    pub(crate) event_type: &'static str,
    /// What is wrong, and what follows.
    pub(crate) reason: &'static str,
}

impl Contradiction {
    /// Says in the log what a committed command recorded in contradiction to the states.
    pub(crate) fn log(all: &[Self]) {
        if let Some(Self { app, event_type, reason }) = all.first() {
            tracing::warn!(
                app_id = %app,
                event_type,
                reason,
                events = all.len(),
                "recorded events contradict the state of their app"
            );
        }
    }
}

impl Transaction<'_> {
    /// Returns the contradictions noted so far, and forgets them.
    pub(crate) fn take_contradictions(&mut self) -> Vec<Contradiction> {
        std::mem::take(&mut self.contradictions)
    }

    /// Notes if an event that is about to be applied contradicts the states.
    pub(super) fn note_contradiction(&mut self, app: &AppRef, event: &Event) -> Result<(), Error> {
        let review_app = match &event.data {
            TypeData::AppOperations(AppOperations::NewApp(_)) => None,
            TypeData::SourceControl(SourceControl::CreateReviewApp(data)) => data.app_id,
            _ => return Ok(()),
        };
        let contradiction = self.touch_app(app, event.created_at)?.now.contradiction(&event.data);
        let reason = match (contradiction, review_app) {
            (None, Some(review_app)) if self.has_below(review_app, app.id)? => {
                Some("the review apps of the app lead back to it: a deletion takes each of them once")
            }
            (contradiction, _) => contradiction,
        };
        let event_type = event.data.event_type().name;
        self.contradictions.extend(reason.map(|reason| Contradiction { app: app.id, event_type, reason }));
        Ok(())
    }

    /// Returns whether an app is among the review apps of another, or among theirs, and so on.
    fn has_below(&self, top: AppId, wanted: AppId) -> Result<bool, Error> {
        let (mut met, mut waiting) = (BTreeSet::from([top]), vec![top]);
        while let Some(next) = waiting.pop() {
            let Some(app) = self.app(next)?.filter(|app| app.deleted_at.is_none()) else { continue };
            for child in app.review_apps.values().filter_map(|review_app| review_app.app_id) {
                if child == wanted {
                    return Ok(true);
                }
                if met.len() < VISITED_MAX && met.insert(child) {
                    waiting.push(child);
                }
            }
        }
        Ok(false)
    }
}
