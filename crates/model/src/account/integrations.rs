//! The accounts at forges that somebody connected.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Account, AccountAction, AccountFacts};
use crate::action::Context;
use crate::app::Secret;
use crate::catalogue::{AccountChanges, IntegrationData, IntegrationEvent, TypeData};
use crate::{FieldErrors, Rejection, Time};

/// The kinds of forges, and where those are that there is one of.
const FORGES: &[(&str, Option<&str>)] = &[
    ("github", Some("https://github.com")),
    ("github-enterprise", None),
    ("gitlab", Some("https://gitlab.com")),
    ("gitlab-self-hosted", None),
];
/// The most integrations of an account, and the longest text of one.
const INTEGRATIONS_MAX: usize = 20;
const TEXT_BYTES_MAX: usize = 512;

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
    pub(super) fn connected(data: &IntegrationEvent, at: Time) -> Self {
        Self {
            id: data.integration_id.clone(),
            scm_type: data.integration_type.clone(),
            url: data.data.url.clone(),
            login: data.data.login.clone(),
            created_at: at,
        }
    }

    fn event(&self) -> IntegrationEvent {
        let (login, url) = (self.login.clone(), self.url.clone());
        let data = IntegrationData { login, avatar_url: String::new(), url };
        IntegrationEvent { integration_id: self.id.clone(), integration_type: self.scm_type.clone(), data }
    }
}

impl Account {
    /// The integration of that identifier or, as the official CLI asks, of that kind of forge.
    pub fn integration(&self, name: &str) -> Option<&Integration> {
        self.integrations
            .get(name)
            .or_else(|| self.integrations.values().find(|integration| integration.scm_type == name))
    }
}

/// Connects an account at a forge.
#[derive(Debug, Clone)]
pub struct Connect {
    /// The kind of forge.
    pub scm_type: String,
    /// The root of the forge, where there is more than one of the kind.
    pub url: Option<String>,
    /// What the forge takes for proof.
    pub access_token: String,
    /// The name of the account there, if it is told.
    pub login: Option<String>,
}

impl AccountAction for Connect {
    fn decide(
        &self,
        account: &Account,
        facts: &mut Arc<AccountFacts>,
        context: &Context<'_>,
    ) -> Result<Vec<TypeData>, Rejection> {
        let forge = FORGES.iter().find(|(kind, _)| *kind == self.scm_type);
        let url =
            forge.and_then(|(_, url)| *url).or(self.url.as_deref()).unwrap_or_default().trim_end_matches('/');
        let is_known =
            account.integrations.values().any(|known| known.scm_type == self.scm_type && known.url == url);
        let kinds: Vec<_> = FORGES.iter().map(|(kind, _)| *kind).collect();
        let url_is_good = url.len() <= TEXT_BYTES_MAX
            && url
                .strip_prefix("https://")
                .or_else(|| url.strip_prefix("http://"))
                .is_some_and(|host| !host.is_empty())
            && !url.contains(char::is_whitespace);
        let token_is_good = (1..=TEXT_BYTES_MAX).contains(&self.access_token.len());
        let login = self.login.clone().unwrap_or_default();
        let errors = [
            forge.is_none().then(|| ("scm_type".to_owned(), format!("must be one of {}", kinds.join(", ")))),
            is_known.then(|| ("scm_type".to_owned(), "is connected already".to_owned())),
            (account.integrations.len() >= INTEGRATIONS_MAX).then(|| {
                ("scm_type".to_owned(), format!("is one too many: there may be {INTEGRATIONS_MAX}"))
            }),
            (forge.is_some() && !url_is_good)
                .then(|| ("url".to_owned(), "must be the URL of the forge".to_owned())),
            (!token_is_good).then(|| ("access_token".to_owned(), "is missing or too long".to_owned())),
            (login.len() > TEXT_BYTES_MAX).then(|| ("login".to_owned(), "is too long".to_owned())),
        ];
        if let Some(errors) = FieldErrors::any(errors.into_iter().flatten()) {
            return Err(Rejection::Invalid(errors));
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&context.ids.secret()[..16]);
        let id = uuid::Builder::from_random_bytes(bytes).into_uuid().hyphenated().to_string();
        Arc::make_mut(facts).forge_tokens.insert(id.clone(), Secret(self.access_token.clone()));
        let integration = Integration {
            id,
            scm_type: self.scm_type.clone(),
            url: url.to_owned(),
            login,
            created_at: context.now,
        };
        Ok(vec![AccountChanges::NewIntegration(integration.event()).into()])
    }
}

/// Disconnects an account at a forge. Apps linked through it stay linked.
#[derive(Debug, Clone)]
pub struct Disconnect {
    /// Which.
    pub id: Uuid,
}

impl AccountAction for Disconnect {
    fn decide(
        &self,
        account: &Account,
        facts: &mut Arc<AccountFacts>,
        _: &Context<'_>,
    ) -> Result<Vec<TypeData>, Rejection> {
        let id = self.id.hyphenated().to_string();
        let integration = account.integrations.get(&id).ok_or(Rejection::NotFound("scm_integration"))?;
        Arc::make_mut(facts).forge_tokens.remove(&id);
        Ok(vec![AccountChanges::DeleteIntegration(integration.event()).into()])
    }
}
