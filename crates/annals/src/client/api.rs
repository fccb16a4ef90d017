//! Requests to a server.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;

use super::credentials::Credentials;
use super::failure::Refused;

/// The address of a server on this machine.
pub(super) const DEFAULT_URL: &str = "http://127.0.0.1:8080";

const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long nothing may come from the server. Streams send something every 15 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(65);
/// How often a request is sent while the server says that it is busy.
const ATTEMPTS_MAX: u32 = 5;
const WAIT_SECONDS_MAX: u64 = 30;

/// The options that name the server and the caller.
#[derive(Args)]
pub(super) struct Connection {
    /// Address of the server [default: that of `annals login`, or http://127.0.0.1:8080]
    #[arg(long, env = "ANNALS_URL", value_name = "URL", help_heading = "Server", global = false)]
    url: Option<String>,

    /// API token, operator token or token of an auditor [default: that of `annals login`]
    #[arg(long, env = "ANNALS_TOKEN", hide_env_values = true, value_name = "TOKEN", help_heading = "Server")]
    token: Option<String>,
}

/// A server, and the token to show it.
#[derive(Clone)]
pub(super) struct Api {
    client: Client,
    pub(super) url: String,
    token: String,
}

/// Parameters of a request.
pub(super) type Query = Vec<(&'static str, String)>;

impl Connection {
    /// Returns the server.
    pub(super) fn api(&self) -> anyhow::Result<Api> {
        if let (Some(url), Some(token)) = (&self.url, &self.token) {
            return Api::new(url, token);
        }
        let kept = Credentials::read()?;
        let url = match (&self.url, &kept) {
            (Some(url), _) => checked(url)?,
            (None, Some(kept)) => kept.url.clone(),
            (None, None) => DEFAULT_URL.to_owned(),
        };
        // A token is shown to no other server than the one it was given for.
        let kept = kept.filter(|kept| kept.url == url).map(|kept| kept.token);
        match self.token.clone().or(kept) {
            Some(token) => Api::new(&url, &token),
            None => {
                let status = StatusCode::UNAUTHORIZED;
                Err(Refused { status, body: Value::Null })
                    .with_context(|| format!("there is no token for {url}"))
            }
        }
    }

    /// Returns the given address and token, to be kept.
    pub(super) fn given(self) -> (Option<String>, Option<String>) {
        (self.url, self.token)
    }
}

/// Checks an address, and returns it without a slash at its end.
pub(super) fn checked(url: &str) -> anyhow::Result<String> {
    let parsed =
        Url::parse(url).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    if parsed.is_none() {
        bail!(
            "{url:?} is not the address of a server; write it like {DEFAULT_URL} or https://annals.example.com"
        );
    }
    Ok(url.trim_end_matches('/').to_owned())
}

impl Api {
    pub(super) fn new(url: &str, token: &str) -> anyhow::Result<Self> {
        let client = Client::builder()
            .connect_timeout(CONNECT_TIME_MAX)
            .read_timeout(SILENCE_MAX)
            .user_agent(concat!("annals/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, url: checked(url)?, token: token.to_owned() })
    }

    /// Asks for JSON.
    pub(super) async fn get(&self, path: &str, query: &Query) -> anyhow::Result<Value> {
        let response = self.open(path, query, "application/json").await?;
        response.json().await.with_context(|| format!("{} sent no whole response", self.url))
    }

    /// Opens a response of that kind, to be read piece by piece.
    pub(super) async fn open(&self, path: &str, query: &Query, kind: &str) -> anyhow::Result<Response> {
        self.send(|| self.client.get(format!("{}{path}", self.url)).query(query).header(ACCEPT, kind)).await
    }

    /// Reports events, one per line.
    pub(super) async fn report(
        &self,
        query: &Query,
        key: Option<String>,
        lines: &str,
    ) -> anyhow::Result<Value> {
        let request = || {
            let request = self.client.post(format!("{}/v1/events", self.url)).query(query);
            let request = request.header(CONTENT_TYPE, "application/x-ndjson").body(lines.to_owned());
            match &key {
                Some(key) => request.header("idempotency-key", key),
                None => request,
            }
        };
        Ok(self.send(request).await?.json().await?)
    }

    async fn send(&self, request: impl Fn() -> RequestBuilder) -> anyhow::Result<Response> {
        let mut attempt = 1;
        loop {
            let sent = request().bearer_auth(&self.token).send().await;
            let response = sent.map_err(reqwest::Error::without_url).with_context(|| {
                format!("{} cannot be reached; is that the address of a running server?", self.url)
            })?;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            let is_busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status);
            let wait =
                response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            match wait {
                Some(seconds) if is_busy && attempt < ATTEMPTS_MAX => {
                    tokio::time::sleep(Duration::from_secs(WAIT_SECONDS_MAX.min(seconds))).await;
                    attempt += 1;
                }
                _ => {
                    let body = response.bytes().await.unwrap_or_default();
                    let body = serde_json::from_slice(&body).unwrap_or_default();
                    return Err(Refused { status, body }.into());
                }
            }
        }
    }
}
