//! What changes the store.
//!
//! Each command is one decision, made by the pure rules of `annals-model` with the store in view, and recorded together
//! with all that follows from it: the events, the states they change, the names they take and free.

mod accounts;
mod apps;
mod directory;
pub(crate) mod idempotency;
mod mails;
mod reports;
mod review_apps;
mod sign_in;
mod tokens;
mod users;
mod vouchers;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use annals_model::{App, Person, PrivateState};
use annals_store::{Caller, CommandError, Snapshot};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::transaction::{RecordedEvent, RepeatedIds, Transaction};
use crate::{Error, Service};

pub use accounts::AccountOutcome;
pub use sign_in::SignInOutcome;
pub use tokens::IssuedToken;
pub use users::NewUser;

/// What a request says besides what it asks for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The caller; the platform itself where there is nobody.
    pub actor: Option<Person>,
    /// Where it comes from, if that is known.
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
pub struct Outcome<C = ()> {
    /// The app after it.
    pub app: Arc<App>,
    /// Its private state after it.
    pub private: Arc<PrivateState>,
    /// The events recorded; none where nothing changed.
    pub recorded: Vec<RecordedEvent>,
    /// What the action made.
    pub created: C,
}

impl<C> Outcome<C> {
    /// The event of that type, if one was recorded.
    pub fn recorded(&self, event_type: &str) -> Option<&RecordedEvent> {
        self.recorded.iter().find(|recorded| recorded.event_type == event_type)
    }
}

impl Request {
    /// Who sent it, as answers are remembered by.
    fn caller(&self) -> Caller {
        self.actor.as_ref().map_or(Caller::Operator, |actor| Caller::User(actor.id))
    }

    /// What makes a repeat harmless. A request that records nothing needs nothing for that.
    fn idempotency(&self) -> Option<Idempotency> {
        self.idempotency.clone().filter(|_| !self.dry_run)
    }

    /// The request of the caller as they are now, who may not be as they were when the request came.
    fn refreshed(&self, transaction: &Transaction<'_>) -> Result<Self, CommandError> {
        Ok(Self { actor: transaction.refresh(self.actor.clone())?, ..self.clone() })
    }
}

impl Service {
    /// Commits what `decide` writes to the transaction, and gives what it returned.
    pub(crate) async fn commit<T: Send + 'static>(
        &self,
        mut decide: impl FnMut(&mut Transaction<'_>) -> Result<T, CommandError> + Send + 'static,
    ) -> Result<T, Error> {
        let result = Arc::new(Mutex::new(None));
        let ids = RepeatedIds::new(Arc::clone(&self.inner().ids));
        // Not the service itself: the store drops commands, and must not be held by one of them then.
        let settings = Arc::clone(&self.inner().settings);
        let now = self.now();
        let command = {
            let result = Arc::clone(&result);
            move |snapshot: &dyn Snapshot| -> Result<_, CommandError> {
                ids.repeat();
                let mut transaction = Transaction::new(snapshot, &ids, &settings, now);
                let decided = decide(&mut transaction)?;
                let writes = transaction.finish()?;
                *result.lock().expect("nothing panics while it holds this lock") = Some(decided);
                Ok(writes)
            }
        };
        self.store().commit(Box::new(command)).await?;
        let decided = result.lock().expect("nothing panics while it holds this lock").take();
        decided.ok_or(Error::Commit(annals_store::Error::Closed))
    }

    /// As [`Service::commit`], but a repeat with the same idempotency key gets what the first one got.
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
