//! What all handlers share.

use std::sync::{Arc, OnceLock};

use annals_model::{App, AppId, Facts, IdSource, Rules, UserId};
use annals_store::{
    Clock, CommitError, Recorder, Row, RowKey, Setting, Settings, Store, TimelineId, TokenHash,
};
use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::{Notify, Semaphore};

use crate::auth::{SigningKey, new_secret};
use crate::config::Config;
use crate::documents::Documents;
use crate::limits::{
    FOLDS_MAX, HOOKS_MAX, PAGES_BYTES_MAX, PAGES_ESTIMATE, REPORT_BYTES_IN_WORK_MAX, STATES_MAX,
};
use crate::mail::Mailer;
use crate::metrics::Metrics;
use crate::rate_limit::{Attempts, RateLimit};

/// The service behind the paths. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Shared>);

/// What there is one of.
pub struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) recorder: Recorder,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Config,
    pub(crate) metrics: Metrics,
    pub(crate) operator_token: TokenHash,
    pub(crate) signing_key: SigningKey,
    pub(crate) rate_limit: Option<RateLimit<UserId>>,
    pub(crate) attempts: Attempts,
    pub(crate) mailer: Option<Mailer>,
    /// Says that there is mail to be sent.
    pub(crate) work: Notify,
    /// The API's own description, once there is a router.
    pub(crate) documents: OnceLock<Documents>,
    /// One permit per webhook that is read.
    pub(crate) hooks: Semaphore,
    /// One permit per timeline that is folded.
    pub(crate) folds: Semaphore,
    /// States on the way through timelines, by how many events are in them.
    pub(crate) states: Cache<(AppId, u64), Arc<App>>,
    /// Pages of timelines, by their first and last position.
    pub(crate) pages: Cache<(TimelineId, u64, u64), Bytes, PageBytes>,
    /// One permit per byte of a report in work.
    pub(crate) report_bytes: Arc<Semaphore>,
}

/// What a page takes in memory.
#[derive(Clone)]
pub(crate) struct PageBytes;

impl Weighter<(TimelineId, u64, u64), Bytes> for PageBytes {
    fn weight(&self, _: &(TimelineId, u64, u64), page: &Bytes) -> u64 {
        // The page, its key, and the cache's own part.
        page.len() as u64 + 200
    }
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store did not give or keep what the service needs.
    #[error(transparent)]
    Store(#[from] CommitError),
    /// Mail cannot be sent as it is configured.
    #[error("mail cannot be sent so: {0}")]
    Mail(String),
    /// A copy into the store was begun and not finished.
    #[error("the store is a copy that is not finished: run annals copy again, which goes on where it was")]
    UnfinishedCopy,
    /// Something the service keeps in the store is not as it was written.
    #[error("the store's {0} cannot be read")]
    Damaged(&'static str),
}

impl std::ops::Deref for Service {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Service {
    /// A service over that store. Where the configuration names no operator token and the store has none yet, one is
    /// made, and comes back to be shown once.
    pub async fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        config: Config,
        metrics: Metrics,
    ) -> Result<(Self, Option<String>), StartError> {
        let rules = Rules { instant_builder: config.instant_builder, public_url: config.public_url.clone() };
        let settings = Settings { rules, contract_only: config.contract_only, ..Settings::default() };
        let recorder = Recorder::new(Arc::clone(&store), Arc::clone(&clock), ids, settings);
        let unfinished = store.row(&RowKey::Setting(Setting::UnfinishedCopy)).await;
        if unfinished.map_err(CommitError::Failed)?.is_some() {
            return Err(StartError::UnfinishedCopy);
        }
        let (operator_token, made) = operator_token(&recorder, &config).await?;
        let signing_key =
            recorder.setting(Setting::SigningKey, hex::encode(rand::random::<[u8; 64]>())).await?;
        let signing_key = SigningKey::from_hex(&signing_key).ok_or(StartError::Damaged("signing key"))?;
        let rate_limit = config.requests_per_minute.map(RateLimit::per_minute);
        let attempts = Attempts::per_minute(config.attempts_per_minute);
        let mailer = config.mail.as_ref().map(Mailer::new).transpose().map_err(StartError::Mail)?;
        let report_bytes = Arc::new(Semaphore::new(REPORT_BYTES_IN_WORK_MAX));
        let pages = Cache::with_weighter(PAGES_ESTIMATE, PAGES_BYTES_MAX, PageBytes);
        let shared = Shared {
            pages,
            store,
            recorder,
            clock,
            config,
            metrics,
            operator_token,
            signing_key,
            rate_limit,
            attempts,
            mailer,
            work: Notify::new(),
            documents: OnceLock::new(),
            hooks: Semaphore::new(HOOKS_MAX),
            folds: Semaphore::new(FOLDS_MAX),
            states: Cache::new(STATES_MAX),
            report_bytes,
        };
        Ok((Self(Arc::new(shared)), made))
    }

    /// The store behind it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What the operator chose.
    pub fn config(&self) -> Config {
        self.config.clone()
    }

    /// Does what is due by now. Gives how many timers there were.
    pub async fn fire_due_timers(&self) -> Result<usize, CommitError> {
        self.recorder.fire_due_timers().await
    }

    /// Forgets answers that are no longer remembered for a repeat. Gives how many there were.
    pub async fn forget_expired_answers(&self) -> Result<usize, CommitError> {
        self.recorder.forget_expired_answers().await
    }

    /// The private facts of an app.
    pub(crate) async fn facts(&self, app: AppId) -> Result<Arc<Facts>, annals_store::Error> {
        match self.store.row(&RowKey::Facts(app)).await? {
            Some(Row::Facts(facts)) => Ok(facts),
            _ => Ok(Arc::default()),
        }
    }

    /// Finishes what was accepted and closes the store.
    pub async fn close(&self) -> Result<(), annals_store::Error> {
        self.store.close().await
    }
}

/// The hash of the operator token, and the token itself if it was just made.
async fn operator_token(
    recorder: &Recorder,
    config: &Config,
) -> Result<(TokenHash, Option<String>), StartError> {
    if let Some(token) = &config.operator_token {
        return Ok((TokenHash::of(token), None));
    }
    let token = new_secret("tk-op-");
    let kept = recorder.setting(Setting::OperatorTokenHash, TokenHash::of(&token).to_string()).await?;
    let kept = TokenHash::from_hex(&kept).ok_or(StartError::Damaged("operator token"))?;
    Ok((kept, (kept == TokenHash::of(&token)).then_some(token)))
}
