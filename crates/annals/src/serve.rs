//! `annals serve`: serves a store over HTTP.

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::sync::Arc;

use annals_model::RandomIds;
use annals_server::{AppState, Config, Metrics, router};
use annals_service::{ArchiveSettings, MailConfig, SystemClock};
use anyhow::bail;
use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args};
use http::HeaderValue;
use ipnet::IpNet;
use reqwest::Url;
use tokio::signal::unix::{SignalKind, signal};

use crate::listen;
use crate::output::print;
use crate::process::Descriptors;
use crate::store::{Location, Named};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Address and port to listen on; a port alone means this machine only
    #[arg(
        long,
        env = "ANNALS_LISTEN",
        default_value = "127.0.0.1:8080",
        value_parser = listen::address,
        value_name = "ADDRESS:PORT"
    )]
    listen: SocketAddr,

    /// Directory or postgres:// URL that holds the store; created if missing
    #[arg(
        long,
        env = "ANNALS_STORE",
        hide_env_values = true,
        default_value = "./annals-data",
        value_name = "DIRECTORY|URL"
    )]
    store: Named,

    /// Database connections for reads; three more write and listen
    #[arg(long, env = "ANNALS_STORE_CONNECTIONS", default_value = "16", value_name = "NUMBER")]
    store_connections: NonZeroU32,

    /// Credential of the platform, at least 16 characters: registers users and reports events [default: generated and
    /// printed at the first start]
    #[arg(long, env = "ANNALS_OPERATOR_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    operator_token: Option<String>,

    /// Address of this server in links and responses [default: http:// and the listening address]
    #[arg(long, env = "ANNALS_PUBLIC_URL", value_parser = web_address, value_name = "URL")]
    public_url: Option<String>,

    /// Requests per user and minute; further ones get 429 [default: no limit]
    #[arg(long, env = "ANNALS_REQUESTS_PER_MINUTE", value_name = "NUMBER")]
    requests_per_minute: Option<NonZeroU32>,

    /// Connections served at once; further ones wait
    #[arg(long, env = "ANNALS_CONNECTIONS_MAX", default_value = "1024", value_name = "NUMBER")]
    connections_max: NonZeroU32,

    /// Show the containers of scale events as "amount:size", the form that Scalingo's Go client expects
    #[arg(long, env = "ANNALS_SCALE_STRINGS", default_value = "true")]
    #[arg(action = ArgAction::Set, value_name = "true|false", hide_possible_values = true)]
    scale_strings: bool,

    /// Name of the platform's region
    #[arg(long, env = "ANNALS_REGION", default_value = "local", value_name = "NAME")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    region: String,

    /// Proxies whose X-Forwarded-For header is trusted, such as 10.0.0.0/8,192.0.2.1 [default: none]
    #[arg(long, env = "ANNALS_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network, value_name = "NETWORK,…")]
    trusted_proxies: Vec<IpNet>,

    /// Origins (scheme and host) of pages whose scripts may call annals from browsers [default: none]
    #[arg(long, env = "ANNALS_ALLOWED_ORIGINS", value_delimiter = ',', value_parser = origin, value_name = "ORIGIN,…")]
    allowed_origins: Vec<HeaderValue>,

    /// Finish deployments as soon as they start, for platforms without a builder
    #[arg(long, env = "ANNALS_INSTANT_BUILDER", default_value = "false", default_missing_value = "true", num_args = 0..=1)]
    #[arg(action = ArgAction::Set, value_name = "true|false", hide_possible_values = true)]
    instant_builder: bool,

    /// Directory for source archives that users upload to deploy them [default: the store's directory with -archives; or
    /// ./annals-archives beside a database]
    #[arg(long, env = "ANNALS_ARCHIVES", value_name = "DIRECTORY")]
    archives: Option<PathBuf>,

    /// Longest source archive, in bytes
    #[arg(long, env = "ANNALS_ARCHIVE_BYTES_MAX", default_value = "536870912", value_name = "NUMBER")]
    archive_bytes_max: NonZeroU64,

    /// Create review apps for pull requests that are drafts too
    #[arg(long, env = "ANNALS_DRAFT_REVIEW_APPS", default_value = "true")]
    #[arg(action = ArgAction::Set, value_name = "true|false", hide_possible_values = true)]
    draft_review_apps: bool,

    /// Record only the event types of Scalingo's Events API, none of annals' own
    #[arg(long, env = "ANNALS_CONTRACT_ONLY", default_value = "false", default_missing_value = "true", num_args = 0..=1)]
    #[arg(action = ArgAction::Set, value_name = "true|false", hide_possible_values = true)]
    contract_only: bool,

    /// Let users register themselves, without the operator token
    #[arg(long, env = "ANNALS_SIGN_UP", default_value = "false", default_missing_value = "true", num_args = 0..=1)]
    #[arg(action = ArgAction::Set, value_name = "true|false", hide_possible_values = true)]
    sign_up: bool,

    /// Sign-in attempts per minute from one address, and for one account
    #[arg(long, env = "ANNALS_ATTEMPTS_PER_MINUTE", default_value = "60", value_name = "NUMBER")]
    attempts_per_minute: NonZeroU32,

    /// Mail server, such as smtps://user:password@mail.example.com [default: none; the operator reads mail at
    /// /v1/operator/users/{user}/outbox]
    #[arg(long, env = "ANNALS_SMTP_URL", hide_env_values = true, value_name = "URL")]
    smtp_url: Option<String>,

    /// Sender of mail
    #[arg(
        long,
        env = "ANNALS_MAIL_FROM",
        default_value = "annals <annals@localhost>",
        value_parser = sender,
        value_name = "ADDRESS"
    )]
    mail_from: String,
}

const EXAMPLES: &str = "\
Examples:
  annals serve
      Serve ./annals-data on 127.0.0.1:8080

  annals serve --store /var/lib/annals --public-url https://annals.example.com
      Serve a directory behind a proxy with TLS

  ANNALS_STORE='postgres://annals:…@db/annals?sslmode=verify-full' annals serve
      Serve a PostgreSQL database; any number of processes may share it";

/// Parses a network or a single address.
fn network(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| single())
        .map_err(|_| "must be an address or a network, such as 10.0.0.0/8".to_owned())
}

/// Accepts an origin as browsers send it: a scheme and a host, and a port unless it is the scheme's own.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let form = || "must be a scheme and a host, such as https://dashboard.example.com".to_owned();
    let url = Url::parse(text).map_err(|_| form())?;
    let is_origin = matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text;
    if is_origin { HeaderValue::from_str(text).map_err(|_| form()) } else { Err(form()) }
}

/// Accepts what resembles a mail address. The mail library checks the rest.
fn sender(text: &str) -> Result<String, String> {
    let form = "must be a mail address, such as annals <annals@example.com>";
    if text.contains('@') { Ok(text.to_owned()) } else { Err(form.to_owned()) }
}

/// Parses an HTTP URL and removes its trailing slashes.
fn web_address(text: &str) -> Result<String, String> {
    let is_http = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    match Url::parse(text) {
        Ok(url) if is_http(&url) && !text.contains(['?', '#']) => Ok(text.trim_end_matches('/').to_owned()),
        Ok(url) if is_http(&url) => Err("must have no query and no fragment".to_owned()),
        _ => Err("must begin with http:// or https://, such as https://annals.example.com".to_owned()),
    }
}

/// Checks the options that hold secrets. Clap does not check them, because its errors repeat the value.
fn check_secrets(options: &Options) -> anyhow::Result<()> {
    if let Some(token) = &options.operator_token {
        if token.len() < 16 {
            bail!("--operator-token must have at least 16 characters");
        }
        // A line break at the end of a secret's file would make a token that no header can carry.
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!("--operator-token must have no spaces, line breaks or characters beyond ASCII");
        }
    }
    let is_smtp = |url: Url| matches!(url.scheme(), "smtp" | "smtps") && url.has_host();
    if options.smtp_url.as_ref().is_some_and(|url| !Url::parse(url).is_ok_and(is_smtp)) {
        bail!(
            "--smtp-url must begin with smtp:// or smtps://, such as smtps://user:password@mail.example.com"
        );
    }
    Ok(())
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    // Registered before anything else, so that a signal during the start is not lost.
    let stop = stop_signal()?;
    check_secrets(&options)?;
    let metrics = Metrics::default();
    let store_connections = usize::try_from(options.store_connections.get())?;
    let location = options.store.location("--store")?;
    let of_database = if matches!(location, Location::Database(_)) { store_connections + 3 } else { 0 };
    let connections_max = usize::try_from(options.connections_max.get())?;
    let descriptors = Descriptors::share(connections_max, of_database);
    let store = location.open(store_connections, descriptors.table_files, &metrics).await?;
    let listener = listen::bind(options.listen).await?;
    listen::warn_without_tls(listener.local_addr()?, options.public_url.as_deref());
    let url = format!("http://{}", listener.local_addr()?);
    let config = Config {
        operator_token: options.operator_token,
        public_url: options.public_url.unwrap_or_else(|| url.clone()),
        requests_per_minute: options.requests_per_minute,
        connections_max: descriptors.connections,
        scale_strings: options.scale_strings,
        region: options.region,
        trusted_proxies: options.trusted_proxies,
        allowed_origins: options.allowed_origins,
        instant_builder: options.instant_builder,
        draft_review_apps: options.draft_review_apps,
        contract_only: options.contract_only,
        sign_up: options.sign_up,
        archives: Some(ArchiveSettings {
            directory: options.archives.unwrap_or_else(|| location.archives()),
            bytes_max: options.archive_bytes_max.get(),
        }),
        attempts_per_minute: Some(options.attempts_per_minute),
        mail: options.smtp_url.map(|smtp_url| MailConfig { smtp_url, from: options.mail_from }),
    };
    let connections_max = config.connections_max;
    let is_token_stored = config.operator_token.is_none();
    let clock = Arc::new(SystemClock);
    let (state, new_token) =
        AppState::start(store, clock, Arc::new(RandomIds::default()), config, metrics).await?;
    introduce(&url, &location, new_token.as_deref(), is_token_stored);

    let background = tokio::spawn(state.service().clone().work());
    annals_server::run(listener, router(state.clone()), connections_max, stop).await?;
    background.abort();
    state.service().close().await?;
    tracing::info!("stopped; every acknowledged event is durable");
    Ok(())
}

/// Prints what a first-time user needs next.
fn introduce(url: &str, store: &Location, new_token: Option<&str>, is_token_stored: bool) {
    print(&format!("annals {} listens on {url}, store {store}", env!("CARGO_PKG_VERSION")));
    if let Some(token) = new_token {
        print(&format!("operator token, shown only once: {token}"));
    } else if is_token_stored {
        print(
            "operator token: printed at the first start; if it is lost, set a new one with ANNALS_OPERATOR_TOKEN",
        );
    }
    print(&format!(
        "to register a user and get a token, with the operator token in ANNALS_OPERATOR_TOKEN:\n  curl -H \"Authorization: Bearer $ANNALS_OPERATOR_TOKEN\" \
         -d '{{\"user\":{{\"username\":\"jane\",\"email\":\"jane@example.com\"}}}}' {url}/v1/users"
    ));
    print(&format!(
        "to use Scalingo's clients, with the user's token:\n  export SCALINGO_AUTH_URL={url} SCALINGO_API_URL={url} SCALINGO_DB_URL={url}\n  \
         export SCALINGO_API_TOKEN=tk-us-… DISABLE_UPDATE_CHECKER=true"
    ));
}

/// Returns a future that completes on SIGINT or SIGTERM.
pub(crate) fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping; finishing requests in progress first");
    })
}
