//! `annals demo`: serves a throw-away store with sample data.
//!
//! The sample events are not inserted. [`DemoPlatform`] sends the requests of users, a forge (a Git hosting service) and an
//! add-on provider to the router that is then served.

use std::net::SocketAddr;
use std::sync::Arc;

use annals_model::RandomIds;
use annals_server::{AppState, Config, Metrics, router};
use annals_service::{ArchiveSettings, Clock, SystemClock};
use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;

use crate::listen;
use crate::output::print;
use crate::process::Descriptors;
use crate::serve::stop_signal;
use crate::store::Location;
use crate::story::{DemoPlatform, StoryClock};

/// How far the printed difference reaches back: not as far as the variable that changes 20 hours ago and holds a password.
const DIFFERENCE_MILLIS: u64 = 12 * 60 * 60 * 1000;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Address and port to listen on; if the port is in use, any free one
    #[arg(long, env = "ANNALS_LISTEN", default_value = "127.0.0.1:8080", value_parser = listen::address, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
}

const EXAMPLES: &str = "\
The demo prints requests to try. It deletes its store when it stops.

Examples:
  annals demo
  annals demo --listen 9000";

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let directory = tempfile::tempdir()?;
    let metrics = Metrics::default();
    let store = Location::Directory(directory.path().join("store"))
        .open(1, Descriptors::share(1_024, 0).table_files, &metrics)
        .await?;
    let listener = match TcpListener::bind(options.listen).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind((options.listen.ip(), 0)).await?,
    };
    let url = format!("http://{}", listener.local_addr()?);
    let archives = ArchiveSettings { directory: directory.path().join("archives"), bytes_max: 64 << 20 };
    let config = Config {
        public_url: url.clone(),
        instant_builder: true,
        archives: Some(archives),
        ..Config::default()
    };
    let connections_max = config.connections_max;
    let clock = StoryClock::default();
    let ids = Arc::new(RandomIds::default());
    let (state, operator_token) =
        AppState::start(store, Arc::new(clock.clone()), ids, config, metrics).await?;
    let operator_token = operator_token.context("a new store generates an operator token")?;

    let platform = DemoPlatform { router: router(state.clone()), clock, operator_token };
    let jane_token = platform.run_story().await?;
    introduce(&url, &jane_token, &platform.operator_token);
    let background = tokio::spawn(state.service().clone().work());
    annals_server::run(listener, platform.router, connections_max, stop).await?;
    background.abort();
    state.service().close().await?;
    Ok(())
}

fn introduce(url: &str, token: &str, operator_token: &str) {
    let from = SystemClock.now().minus_millis(DIFFERENCE_MILLIS);
    let program = std::env::args().next().unwrap_or_else(|| "annals".to_owned());
    print(&format!(
        "annals {} demo on {url} (throw-away store; stop with Ctrl-C)

  Jane's API token   {token}
  operator token     {operator_token}

Try, in another terminal:

  # Read the timeline of Jane's app, newest first.
  curl -s -H 'Authorization: Bearer {token}' '{url}/v1/apps/book-shop/events?per_page=5'

  # Scale the app; repeat the first command to see the event.
  curl -s -H 'Authorization: Bearer {token}' -d '{{\"containers\":[{{\"name\":\"web\",\"amount\":4}}]}}' {url}/v1/apps/book-shop/scale

  # Compare the app with its state twelve hours ago.
  curl -s -H 'Authorization: Bearer {token}' '{url}/v1/apps/book-shop/state?from={from}'

  # Read and follow it on the command line.
  export ANNALS_URL={url} ANNALS_TOKEN={token}
  {program} timeline book-shop --follow

  # Use Scalingo's CLI: docs/clients.md.
  export SCALINGO_AUTH_URL={url} SCALINGO_API_URL={url} SCALINGO_DB_URL={url}
  export SCALINGO_API_TOKEN={token} DISABLE_UPDATE_CHECKER=true
  scalingo --app book-shop timeline

API reference: {url}/docs
",
        env!("CARGO_PKG_VERSION")
    ));
}
