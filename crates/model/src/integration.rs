//! The forge accounts that users connect. A forge is a Git hosting service, such as GitHub or GitLab.

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::catalogue::{IntegrationData, IntegrationEvent};

/// A user's account at a forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integration {
    /// The integration's identifier.
    pub id: String,
    /// The kind of forge.
    pub scm_type: String,
    /// The forge's base URL.
    pub url: String,
    /// The username at the forge; empty if unknown.
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
