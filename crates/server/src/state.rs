//! What all handlers share.

use std::sync::{Arc, OnceLock};

use annals_model::{IdSource, Rules, UserId};
use annals_service::{Clock, Service, Settings, StartError, Store};
use axum::extract::FromRef;
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::documents::Documents;
use crate::limits::{HOOKS_MAX, REPORT_BYTES_IN_WORK_MAX};
use crate::metrics::Metrics;
use crate::rate_limit::{Attempts, RateLimit};

/// The service, and what HTTP needs besides. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// What there is one of.
pub struct Inner {
    pub(crate) service: Service,
    pub(crate) config: Config,
    pub(crate) metrics: Metrics,
    pub(crate) rate_limit: Option<RateLimit<UserId>>,
    pub(crate) attempts: Attempts,
    /// The API's own description, once there is a router.
    pub(crate) documents: OnceLock<Documents>,
    /// One permit per webhook that is read.
    pub(crate) hooks: Semaphore,
    /// One permit per byte of a report in work.
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
    /// A service over that store, to be reached by HTTP, and the operator token if it is new, as [`Service::start`] says.
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
            mail: config.mail.clone(),
            ..Settings::default()
        };
        let (service, new_operator_token) = Service::start(store, clock, ids, settings).await?;
        let inner = Inner {
            service,
            rate_limit: config.requests_per_minute.map(RateLimit::per_minute),
            attempts: Attempts::per_minute(config.attempts_per_minute),
            config,
            metrics,
            documents: OnceLock::new(),
            hooks: Semaphore::new(HOOKS_MAX),
            report_bytes: Semaphore::new(REPORT_BYTES_IN_WORK_MAX),
        };
        Ok((Self(Arc::new(inner)), new_operator_token))
    }

    /// The service behind the paths.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// What the operator chose.
    pub fn config(&self) -> Config {
        self.config.clone()
    }
}
