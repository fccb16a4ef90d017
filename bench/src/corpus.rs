//! The reported events: of ten thousand apps and two thousand users, some of them far more active than others.

use std::fmt::Write as _;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

pub(crate) const APPS: usize = 10_000;
pub(crate) const USERS: usize = 2_000;

/// Generates the same events in every run, and counts them.
pub(crate) struct Corpus {
    random: SmallRng,
    /// The number of events of each app.
    pub(crate) lengths: Vec<u64>,
    /// The number of events of each user.
    pub(crate) user_lengths: Vec<u64>,
    /// The number of generated events.
    pub(crate) events: u64,
    /// Each user's bearer token.
    pub(crate) bearers: Vec<String>,
}

/// The body of a report, and its number of events.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) events: u64,
}

impl Corpus {
    pub(crate) fn new() -> Self {
        Self {
            random: SmallRng::seed_from_u64(46),
            lengths: vec![0; APPS],
            user_lengths: vec![0; USERS],
            events: 0,
            bearers: Vec::new(),
        }
    }

    pub(crate) fn random(&mut self) -> &mut SmallRng {
        &mut self.random
    }

    /// Chooses an app by popularity: a hundredth of the apps has a fifth of the events.
    pub(crate) fn any_app(&mut self) -> usize {
        (APPS as f64 * self.random.random::<f64>().powi(3)) as usize
    }

    /// Chooses a user by activity.
    pub(crate) fn any_user(&mut self) -> usize {
        (USERS as f64 * self.random.random::<f64>().powi(2)) as usize
    }

    /// Returns reports of every app's first event.
    pub(crate) fn first_events(&mut self) -> Vec<Body> {
        (0..APPS)
            .collect::<Vec<_>>()
            .chunks(1000)
            .map(|apps| {
                let mut text = String::new();
                for &app in apps {
                    self.count(Some(app), owner(app));
                    begin(&mut text, owner(app), Some(app));
                    text.push_str(r#""type":"new_app","type_data":{"git_source":null}}"#);
                    text.push('\n');
                }
                Body { bytes: text.into(), events: apps.len() as u64 }
            })
            .collect()
    }

    /// Returns a report of that many events.
    pub(crate) fn body(&mut self, events: u64) -> Body {
        let mut text = String::with_capacity(usize::try_from(events).unwrap_or_default() * 400);
        for _ in 0..events {
            self.push_event(&mut text);
        }
        Body { bytes: text.into(), events }
    }

    /// Returns a report of that many events of one app, which is not among the others.
    pub(crate) fn body_of_one_app(&mut self, app: usize, events: u64) -> Body {
        let mut text = String::with_capacity(usize::try_from(events).unwrap_or_default() * 400);
        for _ in 0..events {
            let user = self.any_user();
            self.user_lengths[user] += 1;
            begin(&mut text, user, Some(app));
            self.push_app_data(&mut text, user);
        }
        Body { bytes: text.into(), events }
    }

    fn push_event(&mut self, text: &mut String) {
        let app = self.any_app();
        // Most of an app's events are its owner's.
        let user = if self.random.random_range(0..10) < 7 { owner(app) } else { self.any_user() };
        if self.random.random_range(0..12) == 0 {
            self.count(None, user);
            begin(text, user, None);
            let [a, b] = [self.random.random::<u8>(), self.random.random::<u8>()];
            _ = writeln!(text, r#""type":"login_success","type_data":{{"remote_ip":"192.0.{a}.{b}"}}}}"#);
            return;
        }
        self.count(Some(app), user);
        begin(text, user, Some(app));
        self.push_app_data(text, user);
    }

    fn push_app_data(&mut self, text: &mut String, user: usize) {
        let random = &mut self.random;
        let (git_ref, small, larger): (u128, u32, u32) =
            (random.random(), random.random_range(0..5), random.random_range(5..10));
        let id: u64 = random.random();
        _ = match random.random_range(0..10) {
            0..=2 => writeln!(
                text,
                r#""type":"deployment","type_data":{{"deployment_id":"6905be00{id:016x}","deployment_type":"deployment","pusher":"user-{user}","git_ref":"{git_ref:032x}00000000","git_ref_url":null,"status":"success","duration":{},"stack":"scalingo-22","finished_at":"2026-11-01T09:20:00.000Z","last_commits":{{"commits":[],"remaining":0}}}}}}"#,
                id % 300
            ),
            3..=4 => writeln!(text, r#""type":"restart","type_data":{{"scope":["web","worker"]}}}}"#),
            5 => writeln!(
                text,
                r#""type":"scale","type_data":{{"previous_containers":{{"web":{small},"worker":1}},"containers":{{"web":{larger},"worker":1}},"previous_sizes":{{"web":"M","worker":"M"}},"sizes":{{"web":"M","worker":"M"}}}}}}"#
            ),
            6 => writeln!(
                text,
                r#""type":"edit_variable","type_data":{{"name":"RELEASE_{small}","old_value":"{id:016x}","value":"{git_ref:032x}"}}}}"#
            ),
            7 => writeln!(
                text,
                r#""type":"run","type_data":{{"command":"bundle exec rake task:{}","audit_log_id":"{id:016x}","detached":false}}}}"#,
                id % 50
            ),
            8 => writeln!(
                text,
                r#""type":"edit_domain","type_data":{{"hostname":"www-{}.example.com","old_ssl":false,"ssl":true}}}}"#,
                id % 20
            ),
            _ => writeln!(
                text,
                r#""type":"new_addon","type_data":{{"addon_provider_name":"postgresql","plan_name":"starter-512","resource_id":"app_{}"}}}}"#,
                id % 5
            ),
        };
    }

    fn count(&mut self, app: Option<usize>, user: usize) {
        self.events += 1;
        self.user_lengths[user] += 1;
        if let Some(app) = app {
            self.lengths[app] += 1;
        }
    }
}

/// Returns the owner of an app.
pub(crate) fn owner(app: usize) -> usize {
    app % USERS
}

/// Returns the identifier of an app.
pub(crate) fn app_id(app: usize) -> String {
    // Spread like random identifiers, so that apps of similar popularity are not neighbours in the store.
    let spread = (app as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{spread:016x}{app:08x}")
}

/// Returns the identifier of a user.
pub(crate) fn user_id(user: usize) -> String {
    let spread = (user as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        "us-{:08x}-{:04x}-4{:03x}-9{:03x}-{user:012x}",
        spread >> 32,
        spread >> 16 & 0xffff,
        spread & 0xfff,
        user & 0xfff
    )
}

fn begin(text: &mut String, user: usize, app: Option<usize>) {
    let id = user_id(user);
    _ = write!(
        text,
        r#"{{"user":{{"username":"user-{user}","email":"user-{user}@example.com","id":"{id}"}},"#
    );
    if let Some(app) = app {
        _ = write!(text, r#""app_id":"{}","app_name":"app-{app:06}","#, app_id(app));
    }
}
