//! The server's settings.

use std::num::NonZeroU32;

use annals_service::{ArchiveSettings, MailConfig};
use http::HeaderValue;
use ipnet::IpNet;

/// The server's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// The operator token. If `None`, the first start generates one.
    pub operator_token: Option<String>,
    /// The URL under which clients reach the server, without a trailing slash. Responses contain it.
    pub public_url: String,
    /// How many requests a user may make per minute. Unlimited if `None`.
    pub requests_per_minute: Option<NonZeroU32>,
    /// How many attempts are allowed per minute, per address and per account: to sign in, register oneself, reset a password
    /// or unlock an account, or of an add-on provider. Unlimited if `None`.
    pub attempts_per_minute: Option<NonZeroU32>,
    /// How many connections may be open at once; further ones wait.
    pub connections_max: usize,
    /// Whether clients that expect `"amount:size"` in `scale` events get it (`scale_strings`).
    pub scale_strings: bool,
    /// The name of the platform's only region.
    pub region: String,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// The origins of pages whose scripts may call the server from browsers, such as `https://dashboard.example.com`.
    pub allowed_origins: Vec<HeaderValue>,
    /// Whether deployments finish as soon as they start, for a platform without a builder.
    pub instant_builder: bool,
    /// Whether pull requests that are drafts get review apps.
    pub draft_review_apps: bool,
    /// Whether only the contract's event types are recorded, and no further ones.
    pub contract_only: bool,
    /// Whether users may register themselves.
    pub sign_up: bool,
    /// Where uploaded archives are kept. If `None`, nobody can upload any.
    pub archives: Option<ArchiveSettings>,
    /// How mail is sent. If `None`, mail waits in the outbox, where the operator can read it.
    pub mail: Option<MailConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            operator_token: None,
            public_url: "http://127.0.0.1:8080".to_owned(),
            requests_per_minute: None,
            attempts_per_minute: NonZeroU32::new(60),
            connections_max: 1024,
            scale_strings: true,
            region: "local".to_owned(),
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
            instant_builder: false,
            draft_review_apps: true,
            contract_only: false,
            sign_up: false,
            archives: None,
            mail: None,
        }
    }
}
