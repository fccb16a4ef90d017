//! What an operator may choose.

use std::num::NonZeroU32;

use annals_service::MailConfig;
use ipnet::IpNet;

/// The server's settings, with the defaults an operator gets.
#[derive(Debug, Clone)]
pub struct Config {
    /// The operator token; generated at the first start where there is none.
    pub operator_token: Option<String>,
    /// How clients reach the server, for addresses in answers: a URL without a slash at its end.
    pub public_url: String,
    /// How many requests a user may make in a minute; unlimited where there is none.
    pub requests_per_minute: Option<NonZeroU32>,
    /// How many attempts to sign in, or to get back in, may come in a minute from one address, or about one account.
    pub attempts_per_minute: Option<NonZeroU32>,
    /// How many connections are open at once; a further one waits.
    pub connections_max: usize,
    /// Whether clients that read `scale` events as `"amount:size"` get them so (`scale_strings`).
    pub scale_strings: bool,
    /// What the platform's one region is called.
    pub region: String,
    /// The proxies whose word about where a request comes from is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether deployments end the moment they are started, for a platform without a builder.
    pub instant_builder: bool,
    /// Whether only the contract's event types are recorded, and none of the further ones.
    pub contract_only: bool,
    /// Whether people may register themselves.
    pub sign_up: bool,
    /// How mail is sent; it waits for the operator to read it where there is nothing.
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
            instant_builder: false,
            contract_only: false,
            sign_up: false,
            mail: None,
        }
    }
}
