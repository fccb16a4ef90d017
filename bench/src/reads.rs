//! Reads: how fast pages are, wherever they are in a timeline.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http::Method;
use rand::RngExt;
use tokio::task::JoinSet;

use crate::bare::Bare;
use crate::client::Client;
use crate::corpus::{APPS, Corpus, app_id, owner};
use crate::server::{OPERATOR_TOKEN, Server};
use crate::table::Table;

const CONNECTIONS: usize = 32;
const PER_PAGE: u64 = 30;

/// A path and the token to read it with.
type Target = (String, String);

pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    p99_us: f64,
    bytes: usize,
}

/// Measures newest and random pages of apps and users, beside a bare handler with the same number of bytes.
pub(crate) async fn pages(
    server: &Server,
    corpus: &mut Corpus,
    events: &str,
    span: Duration,
    table: &mut Table,
) -> anyhow::Result<()> {
    let newest = targets(corpus, |corpus| app_page(corpus, |_, _| 1));
    let random =
        targets(corpus, |corpus| app_page(corpus, |corpus, pages| corpus.random().random_range(1..=pages)));
    let of_users = targets(corpus, |corpus| {
        let user = corpus.any_user();
        let pages = corpus.user_lengths[user].div_ceil(PER_PAGE).max(1);
        let page = corpus.random().random_range(1..=pages);
        (format!("/v1/events?page={page}&per_page={PER_PAGE}"), corpus.bearers[user].clone())
    });
    for (name, targets) in [
        ("newest pages of apps", newest),
        ("random pages of apps", random),
        ("random pages of users", of_users),
    ] {
        let measured = measure(server.address, targets, CONNECTIONS, span).await?;
        let bare = Bare::start(measured.bytes).await?;
        let ceiling = measure(bare.address, vec![("/".to_owned(), String::new())], CONNECTIONS, span).await?;
        let name = format!("{name} at {events} events");
        table.row(format!("{name}, {CONNECTIONS} connections"), measured.per_second, "pages/s");
        table.row("  p50", measured.p50_us, "µs");
        table.row("  p99", measured.p99_us, "µs");
        table.row(format!("  bare handler, {} bytes", measured.bytes), ceiling.per_second, "pages/s");
        table.row("  relative to the bare handler", measured.per_second / ceiling.per_second, "");
    }
    // One connection: the time of a page without waiting for others.
    let random =
        targets(corpus, |corpus| app_page(corpus, |corpus, pages| corpus.random().random_range(1..=pages)));
    let alone = measure(server.address, random, 1, span).await?;
    table.row(format!("random page of an app at {events} events, one connection, p50"), alone.p50_us, "µs");
    Ok(())
}

/// Compares the first and the last page of a timeline of 10⁵ events.
pub(crate) async fn one_timeline(
    server: &Server,
    corpus: &mut Corpus,
    span: Duration,
    table: &mut Table,
) -> anyhow::Result<()> {
    let app = APPS;
    fill(server, corpus, app, 100_000).await?;
    server.settle().await?;
    let page = |page: u64| {
        let path = format!("/v1/apps/{}/events?page={page}&per_page={PER_PAGE}", app_id(app));
        vec![(path, OPERATOR_TOKEN.to_owned())]
    };
    let last_full = 100_000 / PER_PAGE;
    let first = measure(server.address, page(1), 1, span).await?;
    let last = measure(server.address, page(last_full), 1, span).await?;
    table.row("first page of a timeline of 10⁵ events, p50", first.p50_us, "µs");
    table.row("last page of it, p50", last.p50_us, "µs");
    table.row("  last relative to first", last.p50_us / first.p50_us, "");
    Ok(())
}

/// Measures streaming a whole timeline of 10⁶ events.
pub(crate) async fn last_72_hours(
    server: &Server,
    corpus: &mut Corpus,
    table: &mut Table,
) -> anyhow::Result<()> {
    let app = APPS + 1;
    fill(server, corpus, app, 1_000_000).await?;
    server.settle().await?;
    let mut client = server.connect().await?;
    let started = Instant::now();
    let path = format!("/v1/apps/{}/events?from=72", app_id(app));
    let bytes = client.send(Method::GET, &path, OPERATOR_TOKEN, Bytes::new()).await?;
    let seconds = started.elapsed().as_secs_f64();
    table.row("from=72 over 10⁶ events", seconds, "s");
    table.row("  of which each second", bytes as f64 / seconds / 1_048_576.0, "MiB");
    Ok(())
}

pub(crate) async fn fill(
    server: &Server,
    corpus: &mut Corpus,
    app: usize,
    events: u64,
) -> anyhow::Result<()> {
    let mut client = server.connect().await?;
    for _ in 0..events / 5000 {
        let body = corpus.body_of_one_app(app, 5000);
        client.send(Method::POST, "/v1/events", OPERATOR_TOKEN, body.bytes).await?;
    }
    Ok(())
}

/// Reads each of these paths once, one after another. Returns the median time in microseconds.
pub(crate) async fn each_once(server: &Server, paths: impl Iterator<Item = String>) -> anyhow::Result<f64> {
    let mut client = server.connect().await?;
    let mut times = Histogram::<u64>::new(3)?;
    for path in paths {
        let asked = Instant::now();
        client.send(Method::GET, &path, OPERATOR_TOKEN, Bytes::new()).await?;
        times.record(u64::try_from(asked.elapsed().as_nanos())?)?;
    }
    Ok(times.value_at_quantile(0.5) as f64 / 1e3)
}

fn targets(corpus: &mut Corpus, make: impl Fn(&mut Corpus) -> Target) -> Vec<Target> {
    (0..100_000).map(|_| make(corpus)).collect()
}

fn app_page(corpus: &mut Corpus, page: impl Fn(&mut Corpus, u64) -> u64) -> Target {
    let app = corpus.any_app();
    let pages = corpus.lengths[app].div_ceil(PER_PAGE).max(1);
    let page = page(corpus, pages);
    let path = format!("/v1/apps/{}/events?page={page}&per_page={PER_PAGE}", app_id(app));
    (path, corpus.bearers[owner(app)].clone())
}

/// Reads the targets in turn over that many connections, for that long.
pub(crate) async fn measure(
    address: SocketAddr,
    targets: Vec<Target>,
    connections: usize,
    span: Duration,
) -> anyhow::Result<Measured> {
    let (targets, next) = (Arc::new(targets), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    for _ in 0..connections {
        let mut client = Client::connect(address).await?;
        let (targets, next) = (Arc::clone(&targets), Arc::clone(&next));
        tasks.spawn(async move {
            let mut times = Histogram::<u64>::new(3)?;
            let mut bytes = 0;
            while started.elapsed() < span {
                let (path, token) = &targets[next.fetch_add(1, Ordering::Relaxed) % targets.len()];
                let asked = Instant::now();
                bytes += client.send(Method::GET, path, token, Bytes::new()).await?;
                times.record(u64::try_from(asked.elapsed().as_nanos())?)?;
            }
            anyhow::Ok((times, bytes))
        });
    }
    let mut times = Histogram::<u64>::new(3)?;
    let mut bytes = 0;
    while let Some(part) = tasks.join_next().await {
        let (part, read) = part??;
        times.add(part)?;
        bytes += read;
    }
    Ok(Measured {
        per_second: times.len() as f64 / started.elapsed().as_secs_f64(),
        p50_us: times.value_at_quantile(0.5) as f64 / 1e3,
        p99_us: times.value_at_quantile(0.99) as f64 / 1e3,
        bytes: bytes / usize::try_from(times.len().max(1))?,
    })
}
