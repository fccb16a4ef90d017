//! The state that all handlers share.

use std::sync::{Arc, OnceLock};

use annals_model::{IdSource, Rules, UserId};
use annals_service::{Clock, Service, Settings, StartError, Store};
use axum::extract::FromRef;
use tokio::sync::Semaphore;

use crate::arriving::Arriving;
use crate::config::Config;
use crate::documents::Documents;
use crate::limits::{HOOK_BYTES_IN_WORK_MAX, REPORT_BYTES_IN_WORK_MAX};
use crate::metrics::Metrics;
use crate::operations::Operations;
use crate::proofs::ProviderProofs;
use crate::rate_limit::{Attempts, RateLimit};
use crate::streams::Streams;

/// The service, and what HTTP needs besides it. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// What exists once per server.
pub struct Inner {
    pub(crate) service: Service,
    pub(crate) config: Config,
    pub(crate) metrics: Metrics,
    pub(crate) rate_limit: Option<RateLimit<UserId>>,
    pub(crate) attempts: Attempts,
    pub(crate) provider_proofs: ProviderProofs,
    /// The API's documentation, once there is a router.
    pub(crate) documents: OnceLock<Documents>,
    /// What each operation takes, once there is a router.
    pub(crate) operations: OnceLock<Operations>,
    pub(crate) arriving: Arriving,
    pub(crate) streams: Streams,
    /// One permit per byte of the webhooks being processed.
    pub(crate) hook_bytes: Semaphore,
    /// One permit per byte of the reports being processed.
    pub(crate) report_bytes: Semaphore,
}

impl std::ops::Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl FromRef<AppState> for Service {
    fn from_ref(state: &AppState) -> Self {
        state.service.clone()
    }
}

impl AppState {
    /// Starts the service over a store. Returns the operator token too if it is new; see [`Service::start`].
    ///
    /// # Errors
    ///
    /// Returns a [`StartError`] if the store cannot be read or written, or a setting is invalid.
    pub async fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        config: Config,
        metrics: Metrics,
    ) -> Result<(Self, Option<String>), StartError> {
        let rules = Rules { instant_builder: config.instant_builder, public_url: config.public_url.clone() };
        let settings = Settings {
            rules,
            contract_only: config.contract_only,
            operator_token: config.operator_token.clone(),
            archives: config.archives.clone(),
            mail: config.mail.clone(),
            ..Settings::default()
        };
        let (service, new_operator_token) = Service::start(store, clock, ids, settings).await?;
        let inner = Inner {
            service,
            rate_limit: config.requests_per_minute.map(RateLimit::per_minute),
            attempts: Attempts::per_minute(config.attempts_per_minute),
            provider_proofs: ProviderProofs::default(),
            streams: Streams::of_connections(config.connections_max),
            config,
            metrics,
            documents: OnceLock::new(),
            operations: OnceLock::new(),
            arriving: Arriving::default(),
            hook_bytes: Semaphore::new(HOOK_BYTES_IN_WORK_MAX),
            report_bytes: Semaphore::new(REPORT_BYTES_IN_WORK_MAX),
        };
        Ok((Self(Arc::new(inner)), new_operator_token))
    }

    /// Returns the service behind the API.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Returns the settings.
    pub fn config(&self) -> Config {
        self.config.clone()
    }
}
