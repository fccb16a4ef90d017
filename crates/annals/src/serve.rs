//! `annals serve`: a store over HTTP.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use annals_model::RandomIds;
use annals_server::{AppState, Config, Metrics, router};
use annals_service::MailConfig;
use annals_service::SystemClock;
use anyhow::bail;
use clap::Args;
use ipnet::IpNet;
use reqwest::Url;
use tokio::signal::unix::{SignalKind, signal};

use crate::listen;
use crate::output::say;
use crate::store::{Location, Named};

#[derive(Args)]
pub(crate) struct Options {
    /// Where to listen. A port alone is reached from this machine only; 0.0.0.0:8080 from everywhere.
    #[arg(
        long,
        env = "ANNALS_LISTEN",
        default_value = "127.0.0.1:8080",
        value_parser = listen::address,
        value_name = "ADDRESS:PORT"
    )]
    listen: SocketAddr,

    /// What keeps the store: a directory, or a PostgreSQL database as postgres://user:password@host/database?sslmode=verify-full.
    /// It is made if it is not there. Any number of processes may serve one database.
    #[arg(
        long,
        env = "ANNALS_STORE",
        hide_env_values = true,
        default_value = "./annals-data",
        value_name = "DIRECTORY|URL"
    )]
    store: Named,

    /// How many connections to the database read at once; three more write and listen.
    #[arg(long, env = "ANNALS_STORE_CONNECTIONS", default_value = "16", value_name = "NUMBER")]
    store_connections: NonZeroU32,

    /// The platform's own credential: it registers users and reports events. Without it, one is made at the first start
    /// and printed once.
    #[arg(long, env = "ANNALS_OPERATOR_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    operator_token: Option<String>,

    /// How clients reach this server, for addresses in answers. Default: http:// and where it listens.
    #[arg(long, env = "ANNALS_PUBLIC_URL", value_parser = web_address, value_name = "URL")]
    public_url: Option<String>,

    /// How many requests a user may make in a minute. Default: no limit.
    #[arg(long, env = "ANNALS_REQUESTS_PER_MINUTE", value_name = "NUMBER")]
    requests_per_minute: Option<NonZeroU32>,

    /// How many connections are served at once; further ones wait.
    #[arg(long, env = "ANNALS_CONNECTIONS_MAX", default_value = "1024", value_name = "NUMBER")]
    connections_max: NonZeroU32,

    /// Whether the official Go clients get the containers of scale events as "amount:size", which is what they read.
    #[arg(long, env = "ANNALS_SCALE_STRINGS", default_value = "true", action = clap::ArgAction::Set, value_name = "BOOL")]
    scale_strings: bool,

    /// What the platform's region is called.
    #[arg(long, env = "ANNALS_REGION", default_value = "local", value_name = "NAME")]
    region: String,

    /// The proxies in front of this server, as addresses and networks. Their word about where a request comes from is
    /// taken (X-Forwarded-For), and nobody else's.
    #[arg(long, env = "ANNALS_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network, value_name = "NETWORK,…")]
    trusted_proxies: Vec<IpNet>,

    /// Whether deployments succeed the moment they are started, for a platform without a builder.
    #[arg(long, env = "ANNALS_INSTANT_BUILDER", default_value = "false", action = clap::ArgAction::Set, value_name = "BOOL")]
    instant_builder: bool,

    /// Whether only the 46 event types of the Events API are recorded, and none of the further ones (delete_app, …).
    #[arg(long, env = "ANNALS_CONTRACT_ONLY", default_value = "false", action = clap::ArgAction::Set, value_name = "BOOL")]
    contract_only: bool,

    /// Whether people may register themselves, without the operator token.
    #[arg(long, env = "ANNALS_SIGN_UP", default_value = "false", action = clap::ArgAction::Set, value_name = "BOOL")]
    sign_up: bool,

    /// How many attempts to sign in may come in a minute from one address, or about one account.
    #[arg(long, env = "ANNALS_ATTEMPTS_PER_MINUTE", default_value = "60", value_name = "NUMBER")]
    attempts_per_minute: NonZeroU32,

    /// The server that sends mail, as smtps://user:password@mail.example.com. Without it, mail waits for the operator to
    /// read it: GET /v1/operator/users/{user}/outbox.
    #[arg(long, env = "ANNALS_SMTP_URL", hide_env_values = true, value_name = "URL")]
    smtp_url: Option<String>,

    /// Who mail is from.
    #[arg(
        long,
        env = "ANNALS_MAIL_FROM",
        default_value = "annals <annals@localhost>",
        value_name = "ADDRESS"
    )]
    mail_from: String,
}

/// A network, or a single address.
fn network(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| single())
        .map_err(|_| "must be an address or a network, as 10.0.0.0/8".to_owned())
}

/// A URL of the web, without a slash at its end.
fn web_address(text: &str) -> Result<String, String> {
    let is_of_the_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    match Url::parse(text) {
        Ok(url) if is_of_the_web(&url) => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err("must begin with http:// or https://, as https://annals.example.com".to_owned()),
    }
}

/// Looked at apart from the command line, whose errors show the values, and here that may be a password.
fn check_secrets(options: &Options) -> anyhow::Result<()> {
    if options.operator_token.as_ref().is_some_and(|token| token.len() < 16) {
        bail!("--operator-token must have at least 16 characters");
    }
    let has_scheme = |url: &String| url.starts_with("smtp://") || url.starts_with("smtps://");
    if options.smtp_url.as_ref().is_some_and(|url| !has_scheme(url)) {
        bail!("--smtp-url must begin with smtp:// or smtps://, as smtps://user:password@mail.example.com");
    }
    Ok(())
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    // Asked for before anything else, so that a signal during the start is not missed.
    let stop = stop_signal()?;
    check_secrets(&options)?;
    let metrics = Metrics::default();
    let store_connections = usize::try_from(options.store_connections.get())?;
    let location = options.store.location("--store")?;
    let store = location.open(store_connections, &metrics).await?;
    let listener = listen::bind(options.listen).await?;
    listen::warn_without_tls(listener.local_addr()?, options.public_url.as_deref());
    let url = format!("http://{}", listener.local_addr()?);
    let config = Config {
        operator_token: options.operator_token,
        public_url: options.public_url.unwrap_or_else(|| url.clone()),
        requests_per_minute: options.requests_per_minute,
        connections_max: usize::try_from(options.connections_max.get())?,
        scale_strings: options.scale_strings,
        region: options.region,
        trusted_proxies: options.trusted_proxies,
        instant_builder: options.instant_builder,
        contract_only: options.contract_only,
        sign_up: options.sign_up,
        attempts_per_minute: Some(options.attempts_per_minute),
        mail: options.smtp_url.map(|smtp_url| MailConfig { smtp_url, from: options.mail_from }),
    };
    let connections_max = config.connections_max;
    let is_token_kept = config.operator_token.is_none();
    let clock = Arc::new(SystemClock);
    let (state, made_token) =
        AppState::start(store, clock, Arc::new(RandomIds::default()), config, metrics).await?;
    introduce(&url, &location, made_token.as_deref(), is_token_kept);

    let background = tokio::spawn(state.service().clone().work());
    annals_server::run(listener, router(state.clone()), connections_max, stop).await?;
    background.abort();
    state.service().close().await?;
    tracing::info!("stopped; all that was accepted is kept");
    Ok(())
}

/// What somebody needs who starts this for the first time.
fn introduce(url: &str, store: &Location, made_token: Option<&str>, is_token_kept: bool) {
    say(&format!("annals {} listens on {url}, store {store}", env!("CARGO_PKG_VERSION")));
    if let Some(token) = made_token {
        say(&format!("operator token, shown this once: {token}"));
    } else if is_token_kept {
        say(
            "operator token: the one that the first start showed; if it is lost, set another with ANNALS_OPERATOR_TOKEN",
        );
    }
    say(&format!(
        "to get a user's token:\n  curl -H \"Authorization: Bearer $OPERATOR_TOKEN\" \
         -d '{{\"user\":{{\"username\":\"jane\",\"email\":\"jane@example.com\"}}}}' {url}/v1/users"
    ));
}

/// Completes when the process is asked to stop.
pub(crate) fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("asked to stop; requests in work are finished first");
    })
}
