//! What an operator may choose.

use std::num::NonZeroU32;

/// The server's settings, with the defaults an operator gets.
#[derive(Debug, Clone)]
pub struct Config {
    /// The operator token; made at the first start where there is none.
    pub operator_token: Option<String>,
    /// How clients reach the server, for addresses in answers: a URL without a slash at its end.
    pub public_url: String,
    /// How many requests a user may make in a minute; unlimited where there is none.
    pub requests_per_minute: Option<NonZeroU32>,
    /// How many connections are open at once; a further one waits.
    pub connections_max: usize,
    /// Whether clients that read `scale` events as `"amount:size"` get them so (`scale_strings`).
    pub scale_strings: bool,
    /// What the platform's one region is called.
    pub region: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            operator_token: None,
            public_url: "http://127.0.0.1:8080".to_owned(),
            requests_per_minute: None,
            connections_max: 1024,
            scale_strings: true,
            region: "local".to_owned(),
        }
    }
}
