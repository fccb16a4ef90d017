//! New identifiers for one command.

use std::sync::{Arc, Mutex};

use annals_model::{AppId, EventId, IdSource, SECRET_BYTES, Time, UserId};

/// A source of new identifiers that repeats them when a command is decided again. An engine may look up the rows that a
/// command read, and then decide the command again. With other identifiers, the command would read other rows each time.
pub(crate) struct RepeatedIds {
    source: Arc<dyn IdSource>,
    /// The identifiers of events, with the times for which they were generated.
    events: Repeated<(Time, EventId)>,
    apps: Repeated<AppId>,
    users: Repeated<UserId>,
    secrets: Repeated<[u8; SECRET_BYTES]>,
}

impl RepeatedIds {
    pub(crate) fn new(source: Arc<dyn IdSource>) -> Self {
        Self {
            source,
            events: Repeated::default(),
            apps: Repeated::default(),
            users: Repeated::default(),
            secrets: Repeated::default(),
        }
    }

    /// Starts over with the first identifier.
    pub(crate) fn repeat(&self) {
        self.events.repeat();
        self.apps.repeat();
        self.users.repeat();
        self.secrets.repeat();
    }
}

impl IdSource for RepeatedIds {
    fn event_id(&self, time: Time) -> EventId {
        let new = || self.source.event_id(time);
        match self.events.next(|| (time, new())) {
            (given_for, id) if given_for == time => id,
            _ => new(),
        }
    }

    fn app_id(&self, now: Time) -> AppId {
        self.apps.next(|| self.source.app_id(now))
    }

    fn user_id(&self) -> UserId {
        self.users.next(|| self.source.user_id())
    }

    fn secret(&self) -> [u8; SECRET_BYTES] {
        self.secrets.next(|| self.source.secret())
    }
}

/// The identifiers returned so far, and how many of them were repeated.
struct Repeated<T>(Mutex<(Vec<T>, usize)>);

impl<T> Default for Repeated<T> {
    fn default() -> Self {
        Self(Mutex::new((Vec::new(), 0)))
    }
}

impl<T: Copy> Repeated<T> {
    fn next(&self, new: impl FnOnce() -> T) -> T {
        let mut given = self.0.lock().expect("nothing panics while it holds this lock");
        if given.1 == given.0.len() {
            given.0.push(new());
        }
        given.1 += 1;
        given.0[given.1 - 1]
    }

    fn repeat(&self) {
        self.0.lock().expect("nothing panics while it holds this lock").1 = 0;
    }
}
