//! What an operator chooses.

use std::sync::Arc;

use annals_model::{Directory, Rules};

/// How a platform is run, as far as it decides what is recorded and who may do what.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the rules go by.
    pub rules: Rules,
    /// Whether only the contract's event types are recorded, and none of the further ones.
    pub contract_only: bool,
    /// The add-ons on offer until the operator says otherwise.
    pub default_directory: Arc<Directory>,
    /// The operator token; generated at the first start where there is none.
    pub operator_token: Option<String>,
    /// How mail is sent; it waits for the operator to read it where there is nothing.
    pub mail: Option<MailConfig>,
}

/// How mail is sent.
#[derive(Clone)]
pub struct MailConfig {
    /// The server, as `smtps://user:password@mail.example.com`.
    pub smtp_url: String,
    /// Who it is from, as `annals <annals@example.com>`.
    pub from: String,
}

impl std::fmt::Debug for MailConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("MailConfig").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Self {
        let rules = Rules { instant_builder: false, public_url: "http://127.0.0.1:8080".to_owned() };
        Self {
            rules,
            contract_only: false,
            default_directory: Arc::default(),
            operator_token: None,
            mail: None,
        }
    }
}
