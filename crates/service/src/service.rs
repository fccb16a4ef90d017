//! The service: what commands, queries and jobs share.

use std::ops::RangeInclusive;
use std::sync::Arc;

use annals_model::filter::Summary;
use annals_model::{App, AppId, IdSource, Time};
use annals_store::{Error as StoreError, Setting, Statistics, Store, TimelineId, TypedRows as _, key};
use bytes::Bytes;
use quick_cache::sync::Cache;
use tokio::sync::{Notify, Semaphore};

use crate::archives::Archives;
use crate::arrivals::Arrivals;
use crate::clock::Clock;
use crate::credentials::Credentials;
use crate::error::{Error, StartError};
use crate::jobs::{Failures, Mailer};
use crate::queries::history::{FOLDS_MAX, STATES_MAX};
use crate::queries::page::{Page, PageBytes};
use crate::queries::search::SEARCHES_MAX;
use crate::queries::summaries::LEAVES_CACHED;
use crate::queries::timelines::{PAGES_BYTES_MAX, PAGES_ESTIMATE};
use crate::settings::Settings;

/// Carries out commands and queries over a store. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) credentials: Credentials,
    pub(crate) mailer: Option<Mailer>,
    pub(crate) archives: Option<Archives>,
    /// Wakes those who follow timelines.
    pub(crate) arrivals: Arrivals,
    /// Wakes the mail job.
    pub(crate) mail_waits: Notify,
    pub(crate) failures: Failures,
    /// One permit per timeline that is being folded.
    pub(crate) folds: Semaphore,
    /// One permit per search that reads many events.
    pub(crate) searches: Semaphore,
    /// The permit of the one who stores summaries that a search has missed.
    pub(crate) summarizing: Arc<Semaphore>,
    /// Summaries of leaves that are not stored, by their number and their last position.
    pub(crate) leaves: Cache<(TimelineId, u64, u64), Arc<Summary>>,
    /// States at points within timelines, by app and the positions of the events that they result from.
    pub(crate) states: Cache<(AppId, Vec<RangeInclusive<u64>>), Arc<App>>,
    /// Pages of timelines, by their first and last position.
    pub(crate) pages: Cache<(TimelineId, u64, u64), Page, PageBytes>,
}

impl Service {
    /// Starts a service over a store. If neither the settings nor the store has an operator token, generates one and returns
    /// it. Only the token's hash is stored, so the token cannot be shown again.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read or written, contains an unfinished copy or damaged keys, or if the mail settings
    /// are invalid.
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
        let archives = settings.archives.clone().map(Archives::new);
        let inner = Inner {
            store,
            clock,
            ids,
            settings: Arc::new(settings),
            credentials,
            mailer,
            archives,
            arrivals: Arrivals::default(),
            mail_waits: Notify::new(),
            failures: Failures::default(),
            folds: Semaphore::new(FOLDS_MAX),
            searches: Semaphore::new(SEARCHES_MAX),
            summarizing: Arc::new(Semaphore::new(1)),
            leaves: Cache::new(LEAVES_CACHED),
            states: Cache::new(STATES_MAX),
            pages: Cache::with_weighter(PAGES_ESTIMATE, PAGES_BYTES_MAX, PageBytes),
        };
        Ok((Self(Arc::new(inner)), new_operator_token))
    }

    /// Returns the store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// Returns the current time.
    pub fn now(&self) -> Time {
        self.0.clock.now()
    }

    /// Returns the URL at which users reach the platform, without a trailing slash.
    pub fn public_url(&self) -> &str {
        &self.0.settings.rules.public_url
    }

    /// Returns a backup of the store as a stream of bytes; `None` if the engine has other means for backups.
    pub fn backup(&self) -> Option<Box<dyn Iterator<Item = Result<Bytes, StoreError>> + Send>> {
        self.store().backup()
    }

    /// Returns the store's size.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn statistics(&self) -> Result<Statistics, Error> {
        Ok(self.store().statistics().await?)
    }

    /// Checks that the store accepts reads and writes.
    ///
    /// # Errors
    ///
    /// Fails if it does not; the error says why.
    pub async fn ready(&self) -> Result<(), Error> {
        Ok(self.store().ready().await?)
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Finishes accepted commands and closes the store.
    ///
    /// # Errors
    ///
    /// Fails if the store is closed already.
    pub async fn close(&self) -> Result<(), Error> {
        Ok(self.store().close().await?)
    }
}
