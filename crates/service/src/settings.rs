//! Settings that the operator chooses.

use std::sync::Arc;

use annals_model::{Directory, Rules};

use crate::archives::ArchiveSettings;

/// The settings of a service.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The settings of the rules.
    pub rules: Rules,
    /// Whether only events of the contract are recorded: of the types that the Events API documents.
    pub contract_only: bool,
    /// The add-ons on offer until the operator replaces them.
    pub default_directory: Arc<Directory>,
    /// The operator token; if `None`, the first start generates one.
    pub operator_token: Option<String>,
    /// Where uploaded archives are kept; if `None`, nobody can upload any.
    pub archives: Option<ArchiveSettings>,
    /// How mail is sent; if `None`, mail waits in the outbox for the operator to read it.
    pub mail: Option<MailConfig>,
}

/// How mail is sent.
#[derive(Clone)]
pub struct MailConfig {
    /// The mail server, such as `smtps://user:password@mail.example.com`.
    pub smtp_url: String,
    /// The sender, such as `annals <annals@example.com>`.
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
            archives: None,
            mail: None,
        }
    }
}
