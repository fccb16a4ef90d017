//! Wakes those who wait for new events of one timeline.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use annals_store::{Store, TimelineId};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::queries::Timeline;

type Waiting = Mutex<HashMap<Timeline, watch::Sender<()>>>;

/// The timelines for whose events somebody waits. One task reads the store's notifications for all of them, so a thousand who
/// wait cost nothing while other timelines get events.
#[derive(Default)]
pub(crate) struct Arrivals(OnceLock<Arc<Waiting>>);

impl Arrivals {
    /// Returns what changes when a timeline has new events. A notification can be lost, so its reader also has to look by
    /// itself now and then.
    pub(crate) fn of(&self, store: &Arc<dyn Store>, timeline: Timeline) -> watch::Receiver<()> {
        let waiting = self.0.get_or_init(|| {
            let waiting = Arc::default();
            tokio::spawn(distribute(store.subscribe(), Arc::downgrade(&waiting)));
            waiting
        });
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, sender| sender.receiver_count() > 0);
        waiting.entry(timeline).or_default().subscribe()
    }
}

/// Passes notifications on until the store or the service has ended.
async fn distribute(mut notifications: Receiver<TimelineId>, waiting: Weak<Waiting>) {
    loop {
        let changed = match notifications.recv().await {
            Ok(timeline) => Some(timeline),
            Err(RecvError::Lagged(_)) => None,
            Err(RecvError::Closed) => return,
        };
        let Some(waiting) = waiting.upgrade() else { return };
        let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match changed {
            Some(timeline) => [Timeline::Of(timeline), Timeline::Platform]
                .iter()
                .filter_map(|timeline| waiting.get(timeline))
                .for_each(|sender| sender.send_replace(())),
            // Which ones is not known any more.
            None => waiting.values().for_each(|sender| sender.send_replace(())),
        }
    }
}
