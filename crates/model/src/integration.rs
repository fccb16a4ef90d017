//! The accounts at forges that users connect.

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::catalogue::{IntegrationData, IntegrationEvent};

/// An account at a forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integration {
    /// Identifies it.
    pub id: String,
    /// The kind of forge.
    pub scm_type: String,
    /// The root of the forge.
    pub url: String,
    /// The name of the account there, where it is known.
    pub login: String,
    /// When it was connected.
    pub created_at: Time,
}

impl Integration {
    pub(crate) fn connected(data: &IntegrationEvent, at: Time) -> Self {
        Self {
            id: data.integration_id.clone(),
            scm_type: data.integration_type.clone(),
            url: data.data.url.clone(),
            login: data.data.login.clone(),
            created_at: at,
        }
    }

    pub(crate) fn event(&self) -> IntegrationEvent {
        let (login, url) = (self.login.clone(), self.url.clone());
        let data = IntegrationData { login, avatar_url: String::new(), url };
        IntegrationEvent { integration_id: self.id.clone(), integration_type: self.scm_type.clone(), data }
    }
}
