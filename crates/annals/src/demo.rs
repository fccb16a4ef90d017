//! `annals demo`: the product on a throw-away store.
//!
//! Its timeline is made as every other is: by what people, a forge and an add-on do through the API ([`Platform`]), on
//! the same router that is then served.

use std::net::SocketAddr;
use std::sync::Arc;

use annals_model::RandomIds;
use annals_server::{AppState, Config, Metrics, router};
use annals_service::{Clock, SystemClock};
use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;

use crate::listen;
use crate::output::say;
use crate::serve::stop_signal;
use crate::store::Location;
use crate::story::{Platform, StoryClock};

#[derive(Args)]
pub(crate) struct Options {
    /// Where to listen. If somebody listens there already, any free port is taken instead.
    #[arg(long, env = "ANNALS_LISTEN", default_value = "127.0.0.1:8080", value_parser = listen::address, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let directory = tempfile::tempdir()?;
    let metrics = Metrics::default();
    let store = Location::Directory(directory.path().join("store")).open(1, &metrics).await?;
    let listener = match TcpListener::bind(options.listen).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind((options.listen.ip(), 0)).await?,
    };
    let url = format!("http://{}", listener.local_addr()?);
    let config = Config { public_url: url.clone(), instant_builder: true, ..Config::default() };
    let connections_max = config.connections_max;
    let clock = StoryClock::default();
    let ids = Arc::new(RandomIds::default());
    let (state, operator_token) =
        AppState::start(store, Arc::new(clock.clone()), ids, config, metrics).await?;
    let operator_token = operator_token.context("a new store makes its operator token")?;

    let platform = Platform { router: router(state.clone()), clock, operator_token };
    let jane_token = platform.live().await?;
    introduce(&url, &jane_token, &platform.operator_token);
    let background = tokio::spawn(state.service().clone().work());
    annals_server::run(listener, platform.router, connections_max, stop).await?;
    background.abort();
    state.service().close().await?;
    Ok(())
}

fn introduce(url: &str, token: &str, operator_token: &str) {
    let two_days_ago = SystemClock.now().minus_millis(2 * 24 * 60 * 60 * 1000);
    say(&format!(
        "annals {} demo on {url} (a throw-away store; stop with Ctrl-C)

  Jane's API token   {token}
  operator token     {operator_token}

Try, in another terminal:

  # the timeline of Jane's app, newest first
  curl -s -H 'Authorization: Bearer {token}' '{url}/v1/apps/book-shop/events?per_page=5'

  # do something, and see its event appear
  curl -s -H 'Authorization: Bearer {token}' -d '{{\"containers\":[{{\"name\":\"web\",\"amount\":4}}]}}' {url}/v1/apps/book-shop/scale

  # the app as it was two days ago, and what has changed since
  curl -s -H 'Authorization: Bearer {token}' '{url}/v1/apps/book-shop/state?from={two_days_ago}'

The API, for people: {url}/docs
",
        env!("CARGO_PKG_VERSION")
    ));
}
