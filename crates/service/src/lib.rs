//! Decides and answers. Takes a store, and knows no HTTP.
//!
//! A [`Service`] carries out commands (`commands`, each one transaction), answers queries (`queries`),
//! and does what is done without being asked (`jobs`, `followers`). [`Service::authorize`] says what a caller may do with
//! an app, and `visibility` what they may see of it: both in one place, for whatever speaks to people.

mod authorization;
mod clock;
mod commands;
mod credentials;
mod error;
mod followers;
mod jobs;
mod queries;
mod settings;
mod transaction;
mod visibility;

use std::sync::Arc;

use annals_model::{App, AppId, IdSource, Time};
use annals_store::{Setting, TypedRows as _, key};
use bytes::Bytes;
use quick_cache::sync::Cache;
use tokio::sync::{Notify, Semaphore};

use credentials::Credentials;
use jobs::Mailer;
use queries::history::{FOLDS_MAX, STATES_MAX};
use queries::page::{Page, PageBytes};
use queries::timelines::{PAGES_BYTES_MAX, PAGES_ESTIMATE};

pub use authorization::{Access, AppReference, to_uuid};
pub use clock::{Clock, SystemClock};
pub use commands::{AccountOutcome, Idempotency, IssuedToken, NewUser, Outcome, Request, SignInOutcome};
pub use credentials::{Credential, SignedIn, is_password_of};
pub use error::{Error, StartError};
pub use queries::{Change, Difference, Point, StateAt};
pub use settings::{MailConfig, Settings};
pub use transaction::RecordedEvent;
pub use visibility::{Reader, Visibility};

pub use annals_store::{
    CommitSummary, Error as StoreError, EventCounts, Head, Mail, Statistics, Store, TimelineId, Token,
    TokenId,
};

/// Decides commands and answers queries over a store. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) credentials: Credentials,
    pub(crate) mailer: Option<Mailer>,
    /// Says that there is mail to be sent.
    pub(crate) mail_waits: Notify,
    /// One permit per timeline that is folded.
    pub(crate) folds: Semaphore,
    /// States on the way through timelines, by how many events are in them.
    pub(crate) states: Cache<(AppId, u64), Arc<App>>,
    /// Pages of timelines, by their first and last position.
    pub(crate) pages: Cache<(TimelineId, u64, u64), Page, PageBytes>,
}

impl Service {
    /// A service over that store, and the operator token if it is new: where the settings name none and the store has none,
    /// one is generated, which can be shown only now.
    pub async fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        settings: Settings,
    ) -> Result<(Self, Option<String>), StartError> {
        let unfinished = store.get(key::Setting(Setting::UnfinishedCopy)).await.map_err(Error::Store)?;
        if unfinished.is_some() {
            return Err(StartError::UnfinishedCopy);
        }
        let (credentials, new_operator_token) =
            Credentials::of_store(&store, settings.operator_token.as_deref()).await?;
        let mailer = settings.mail.as_ref().map(Mailer::new).transpose().map_err(StartError::Mail)?;
        let inner = Inner {
            store,
            clock,
            ids,
            settings: Arc::new(settings),
            credentials,
            mailer,
            mail_waits: Notify::new(),
            folds: Semaphore::new(FOLDS_MAX),
            states: Cache::new(STATES_MAX),
            pages: Cache::with_weighter(PAGES_ESTIMATE, PAGES_BYTES_MAX, PageBytes),
        };
        Ok((Self(Arc::new(inner)), new_operator_token))
    }

    /// The store behind it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// The time now.
    pub fn now(&self) -> Time {
        self.0.clock.now()
    }

    /// Where people reach the platform, without a slash at its end.
    pub fn public_url(&self) -> &str {
        &self.0.settings.rules.public_url
    }

    /// All that is committed by now as a stream of bytes, in pieces, if the store has no better means of its own.
    pub fn backup(&self) -> Option<Box<dyn Iterator<Item = Result<Bytes, StoreError>> + Send>> {
        self.store().backup()
    }

    /// What the store can say of itself cheaply.
    pub async fn statistics(&self) -> Result<Statistics, Error> {
        Ok(self.store().statistics().await?)
    }

    /// Whether requests can be carried out now, writes included.
    pub async fn ready(&self) -> Result<(), Error> {
        Ok(self.store().ready().await?)
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Finishes what was accepted and closes the store.
    pub async fn close(&self) -> Result<(), Error> {
        Ok(self.store().close().await?)
    }
}
