//! Integrations: the forge accounts that a user connected. A forge is a Git hosting service.

use std::sync::Arc;

use super::{Account, AccountAction, AccountPrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::AccountChanges;
use crate::{FieldErrors, Integration, Rejection, Secret};

/// The kinds of forges, each with its URL if there is only one forge of that kind.
const FORGES: &[(&str, Option<&str>)] = &[
    ("github", Some("https://github.com")),
    ("github-enterprise", None),
    ("gitlab", Some("https://gitlab.com")),
    ("gitlab-self-hosted", None),
    ("bitbucket", Some("https://bitbucket.org")),
];
/// The most integrations of an account, and the longest text in one.
const INTEGRATIONS_MAX: usize = 20;
const TEXT_BYTES_MAX: usize = 512;

impl Account {
    /// Returns the integration with this identifier or of this kind of forge. The official CLI names the kind.
    pub fn integration(&self, name: &str) -> Option<&Integration> {
        self.integrations
            .get(name)
            .or_else(|| self.integrations.values().find(|integration| integration.scm_type == name))
    }
}

/// Connects a forge account. Creates the integration's identifier.
#[derive(Debug, Clone)]
pub struct Connect {
    /// The kind of forge.
    pub scm_type: String,
    /// The forge's base URL; ignored for kinds with only one forge.
    pub url: Option<String>,
    /// The forge's access token.
    pub access_token: String,
    /// The username at the forge; `None` for that of the account, because clients do not say it.
    pub login: Option<String>,
}

impl AccountAction for Connect {
    type Created = String;

    fn decide(
        &self,
        account: &Account,
        private: &mut Arc<AccountPrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision<String>, Rejection> {
        let forge = FORGES.iter().find(|(kind, _)| *kind == self.scm_type);
        let url =
            forge.and_then(|(_, url)| *url).or(self.url.as_deref()).unwrap_or_default().trim_end_matches('/');
        let is_known =
            account.integrations.values().any(|known| known.scm_type == self.scm_type && known.url == url);
        let kinds: Vec<_> = FORGES.iter().map(|(kind, _)| *kind).collect();
        let token_is_good = (1..=TEXT_BYTES_MAX).contains(&self.access_token.len());
        let login = self.login.clone().unwrap_or_else(|| account.person.username.clone());
        let errors = [
            forge.is_none().then(|| ("scm_type".to_owned(), format!("must be one of {}", kinds.join(", ")))),
            is_known.then(|| ("scm_type".to_owned(), "is already connected".to_owned())),
            (account.integrations.len() >= INTEGRATIONS_MAX)
                .then(|| ("scm_type".to_owned(), format!("limit reached ({INTEGRATIONS_MAX})"))),
            (forge.is_some() && !is_forge_url(url))
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
        Arc::make_mut(private).forge_tokens.insert(id.clone(), Secret(self.access_token.clone()));
        let integration = Integration {
            id: id.clone(),
            scm_type: self.scm_type.clone(),
            url: url.to_owned(),
            login,
            created_at: context.now,
        };
        Ok(Decision::creating(id, AccountChanges::NewIntegration(integration.event())))
    }
}

/// Disconnects a forge account. Apps linked through it stay linked.
#[derive(Debug, Clone)]
pub struct Disconnect {
    /// The integration's identifier, or its kind of forge.
    pub name: String,
}

impl AccountAction for Disconnect {
    type Created = ();

    fn decide(
        &self,
        account: &Account,
        private: &mut Arc<AccountPrivateState>,
        _: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let integration = account.integration(&self.name).ok_or(Rejection::NotFound("scm_integration"))?;
        Arc::make_mut(private).forge_tokens.remove(&integration.id);
        Ok(Decision::of(AccountChanges::DeleteIntegration(integration.event())))
    }
}

/// Returns whether a text is the base URL of a forge. A base URL must not contain credentials: the rest of a repository's
/// URL is the repository's name, and names are public.
fn is_forge_url(url: &str) -> bool {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    url.len() <= TEXT_BYTES_MAX
        && host.is_some_and(|host| !host.is_empty())
        && !url.contains(|c: char| c.is_whitespace() || matches!(c, '@' | '?' | '#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_forge_contains_no_credentials() {
        for url in ["https://git.example", "http://git.example:8080/forge"] {
            assert!(is_forge_url(url), "{url}");
        }
        for url in [
            "",
            "git.example",
            "https://",
            "https://u:p@git.example",
            "https://git.example/?token=1",
            "https://git.example/#token",
            "https://git.example/a b",
        ] {
            assert!(!is_forge_url(url), "{url}");
        }
    }
}
