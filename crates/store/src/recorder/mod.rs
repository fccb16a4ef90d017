//! What everything that changes the store goes through.
//!
//! Each method is one decision, made by the pure rules of `annals-model` with the store in view, and recorded together
//! with all that follows from it: the events, the states they change, the names they take and free.

mod accounts;
mod actions;
mod answers;
mod draft;
mod ids;
mod outbox;
mod people;
mod reports;
mod review_apps;
mod vouchers;

use std::sync::{Arc, Mutex};

use std::net::IpAddr;

use annals_model::{App, Directory, EventId, Facts, IdSource, Person, Rejection, Rules, Time};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::contract::{Command, CommandError, CommitError, Error, Snapshot, Store, WriteSet};
use crate::rows::{Caller, Row, RowKey, Setting};
use draft::Draft;
use ids::RepeatedIds;

pub use accounts::SignInOutcome;
pub use people::{IssuedToken, NewUser, TOKEN_NAME_MAX};

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Time;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where the time comes from")]
    fn now(&self) -> Time {
        let since_epoch =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Time::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}

/// What a request says besides the action itself.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Who asks; the platform itself where there is nobody.
    pub actor: Option<Person>,
    /// Where from, if that is known.
    pub remote_ip: Option<IpAddr>,
    /// What makes a repeat of it harmless, if it carries that.
    pub idempotency: Option<Idempotency>,
    /// Whether to decide only, and record nothing.
    pub dry_run: bool,
}

/// What makes a repeated request harmless.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The key the caller chose.
    pub key: String,
    /// Stands for what is asked for: the same for the same request, another for another.
    pub fingerprint: String,
}

/// What came of an action on an app.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The app after it.
    pub app: Arc<App>,
    /// Its private facts after it.
    pub facts: Arc<Facts>,
    /// The events recorded; none where nothing changed.
    pub recorded: Vec<Recorded>,
    /// The deployment, the one-off or the maintenance that it made, if it made one.
    pub made: Option<EventId>,
}

/// An event that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its identifier.
    pub id: EventId,
    /// Its type.
    pub event_type: String,
}

impl Outcome {
    /// The event of that type, if one was recorded.
    pub fn recorded(&self, event_type: &str) -> Option<&Recorded> {
        self.recorded.iter().find(|recorded| recorded.event_type == event_type)
    }
}

/// How a platform is run, as far as it decides what is recorded.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the rules go by.
    pub rules: Rules,
    /// Whether only the contract's event types are recorded, and none of the further ones.
    pub contract_only: bool,
    /// The add-ons on offer until the operator says otherwise.
    pub default_directory: Arc<Directory>,
}

impl Default for Settings {
    fn default() -> Self {
        let rules = Rules { instant_builder: false, public_url: "http://127.0.0.1:8080".to_owned() };
        Self { rules, contract_only: false, default_directory: Arc::default() }
    }
}

/// Changes the store, one decision at a time.
#[derive(Clone)]
pub struct Recorder {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    settings: Arc<Settings>,
}

impl Recorder {
    /// A recorder for that store.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        settings: Settings,
    ) -> Self {
        Self { store, clock, ids, settings: Arc::new(settings) }
    }

    /// The add-ons on offer.
    pub async fn directory(&self) -> Result<Arc<Directory>, Error> {
        match self.store.row(&RowKey::Directory).await? {
            Some(Row::Directory(directory)) => Ok(directory),
            _ => Ok(Arc::clone(&self.settings.default_directory)),
        }
    }

    /// Puts other add-ons on offer.
    pub async fn set_directory(&self, directory: Directory) -> Result<(), CommitError> {
        directory.check().map_err(|errors| CommitError::Rejected(Rejection::Invalid(errors)))?;
        let directory = Arc::new(directory);
        self.commit(move |draft| {
            draft.put(RowKey::Directory, Row::Directory(Arc::clone(&directory)));
            Ok(())
        })
        .await
    }

    /// The value of a setting, which becomes this one if there is none yet.
    pub async fn setting(&self, setting: Setting, otherwise: String) -> Result<String, CommitError> {
        let key = RowKey::Setting(setting);
        if let Some(Row::Setting(value)) = self.store.row(&key).await? {
            return Ok(value.to_string());
        }
        self.commit(move |draft| match draft.row(&key)? {
            Some(Row::Setting(value)) => Ok(value.to_string()),
            _ => {
                draft.put(key.clone(), Row::Setting(otherwise.as_str().into()));
                Ok(otherwise.clone())
            }
        })
        .await
    }

    /// Commits what `decide` writes to the draft, and gives what it returned.
    async fn commit<T: Send + 'static>(
        &self,
        mut decide: impl FnMut(&mut Draft<'_>) -> Result<T, CommandError> + Send + 'static,
    ) -> Result<T, CommitError> {
        let result = Arc::new(Mutex::new(None));
        let ids = RepeatedIds::new(Arc::clone(&self.ids));
        let settings = Arc::clone(&self.settings);
        let now = self.clock.now();
        let change = Decision({
            let result = Arc::clone(&result);
            move |view: &dyn Snapshot| {
                ids.repeat();
                let mut draft = Draft::new(view, &ids, &settings, now);
                let decided = decide(&mut draft)?;
                let writes = draft.finish()?;
                *result.lock().expect("nothing panics while it holds this lock") = Some(decided);
                Ok(writes)
            }
        });
        self.store.commit(Box::new(change)).await?;
        let decided = result.lock().expect("nothing panics while it holds this lock").take();
        decided.ok_or(CommitError::Failed(Error::Closed))
    }

    /// As [`Recorder::commit`], but a repeat with the same idempotency key gets what the first one got.
    async fn commit_once<T: Serialize + DeserializeOwned + Send + 'static>(
        &self,
        caller: Caller,
        idempotency: Option<Idempotency>,
        mut decide: impl FnMut(&mut Draft<'_>) -> Result<T, CommandError> + Send + 'static,
    ) -> Result<T, CommitError> {
        let Some(idempotency) = idempotency else { return self.commit(decide).await };
        self.commit(move |draft| {
            if let Some(answered) = answers::find(draft, caller, &idempotency)? {
                return Ok(answered);
            }
            let decided = decide(draft)?;
            answers::remember(draft, caller, &idempotency, &decided);
            Ok(decided)
        })
        .await
    }
}

/// A decision as the store takes it.
struct Decision<F>(F);

impl<F: FnMut(&dyn Snapshot) -> Result<WriteSet, CommandError> + Send> Command for Decision<F> {
    fn decide(&mut self, view: &dyn Snapshot) -> Result<WriteSet, CommandError> {
        (self.0)(view)
    }
}

impl From<Rejection> for CommandError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
