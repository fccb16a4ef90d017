//! Commands: everything that changes the store.
//!
//! The pure rules of `annals-model` decide a command from a snapshot of the store. One commit writes everything that follows
//! from the decision: the events, the states that they change, the names that they take and free.

mod accounts;
mod apps;
mod directory;
pub(crate) mod idempotency;
mod mails;
mod outputs;
mod recovery;
mod reports;
mod review_apps;
mod sign_in;
mod tokens;
mod users;
mod vouchers;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use annals_model::{App, Person, PrivateState, Role};
use annals_store::{Caller, CommandError, Snapshot};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::transaction::{Contradiction, RecordedEvent, RepeatedIds, Transaction};
use crate::{Error, Service};

pub use accounts::AccountOutcome;
pub use recovery::RevokedTokens;
pub use reports::{Repeats, Reported};
pub use sign_in::SignInOutcome;
pub use tokens::IssuedToken;
pub use users::NewUser;

/// The caller of a command, and how to carry it out.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The calling user; `None` for the operator.
    pub actor: Option<Person>,
    /// The address the request came from, if known.
    pub remote_ip: Option<IpAddr>,
    /// The idempotency key; `None` if the request has none.
    pub idempotency: Option<Idempotency>,
    /// Whether to decide the command without recording anything.
    pub dry_run: bool,
}

/// An idempotency key: a repeated request with the same key gets the first outcome, and changes nothing.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The key that the caller chose.
    pub key: String,
    /// A fingerprint of the request, to detect a key that is used for two different requests.
    pub fingerprint: String,
}

/// The outcome of an action on an app.
#[derive(Debug, Clone)]
pub struct Outcome<C = ()> {
    /// The app after the action.
    pub app: Arc<App>,
    /// The app's private state after the action.
    pub private: Arc<PrivateState>,
    /// The caller's role in the app after the action, or now if the outcome is repeated.
    pub role: Option<Role>,
    /// The recorded events; empty if nothing changed.
    pub recorded: Vec<RecordedEvent>,
    /// What the action created.
    pub created: C,
    /// Whether this is the outcome of an earlier request with the same idempotency key, and nothing was recorded now.
    pub is_repeat: bool,
}

impl<C> Outcome<C> {
    /// Returns the recorded event of a type, if there is one.
    pub fn recorded(&self, event_type: &str) -> Option<&RecordedEvent> {
        self.recorded.iter().find(|recorded| recorded.event_type == event_type)
    }
}

impl Request {
    /// Returns the caller, as a part of the key under which an outcome is stored.
    fn caller(&self) -> Caller {
        self.actor.as_ref().map_or(Caller::Operator, |actor| Caller::User(actor.id))
    }

    /// Returns the idempotency key. A dry run has none, because it records nothing that a repeat could record again.
    fn idempotency(&self) -> Option<Idempotency> {
        self.idempotency.clone().filter(|_| !self.dry_run)
    }

    /// Returns the request with its actor's current name and address. These may have changed since the caller was
    /// authenticated.
    fn refreshed(&self, transaction: &Transaction<'_>) -> Result<Self, CommandError> {
        Ok(Self { actor: transaction.refresh(self.actor.clone())?, ..self.clone() })
    }
}

impl Service {
    /// Runs `decide` as a command, commits what it writes to the transaction, and returns its result.
    pub(crate) async fn commit<T: Send + 'static>(
        &self,
        mut decide: impl FnMut(&mut Transaction<'_>) -> Result<T, CommandError> + Send + 'static,
    ) -> Result<T, Error> {
        let result = Arc::new(Mutex::new(None));
        let ids = RepeatedIds::new(Arc::clone(&self.inner().ids));
        // The command gets the settings, not the service: it must not own the store (see `annals_store::Command`).
        let settings = Arc::clone(&self.inner().settings);
        let clock = Arc::clone(&self.inner().clock);
        let command = {
            let result = Arc::clone(&result);
            move |snapshot: &dyn Snapshot| -> Result<_, CommandError> {
                ids.repeat();
                // The time of the decision, not of the request: commands wait in a queue that is in no order of their requests,
                // and of two on one timeline, one would be late.
                let mut transaction = Transaction::new(snapshot, &ids, &settings, clock.now());
                let decided = decide(&mut transaction)?;
                let contradictions = transaction.take_contradictions();
                let writes = transaction.finish()?;
                *result.lock().expect("nothing panics while it holds this lock") =
                    Some((decided, contradictions));
                Ok(writes)
            }
        };
        self.store().commit(Box::new(command)).await?;
        let decided = result.lock().expect("nothing panics while it holds this lock").take();
        let (decided, contradictions) = decided.ok_or(Error::Commit(annals_store::Error::Closed))?;
        Contradiction::log(&contradictions);
        Ok(decided)
    }

    /// Does the same as [`Service::commit`]. But if the idempotency key has a stored outcome, returns that and commits nothing.
    async fn commit_once<T: Serialize + DeserializeOwned + Send + 'static>(
        &self,
        caller: Caller,
        idempotency: Option<Idempotency>,
        mut decide: impl FnMut(&mut Transaction<'_>) -> Result<T, CommandError> + Send + 'static,
    ) -> Result<T, Error> {
        let Some(idempotency) = idempotency else { return self.commit(decide).await };
        self.commit(move |transaction| {
            if let Some(answered) = idempotency::find(transaction, caller, &idempotency)? {
                return Ok(answered);
            }
            let decided = decide(transaction)?;
            idempotency::remember(transaction, caller, &idempotency, &decided);
            Ok(decided)
        })
        .await
    }
}
