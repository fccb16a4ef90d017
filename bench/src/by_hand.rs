//! The table that one would write by hand: one row per event, as `jsonb`, with an index for each timeline.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use annals_testing::TestDatabase;
use bytes::Bytes;
use futures_util::SinkExt;
use hdrhistogram::Histogram;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::corpus::{APPS, Body, Corpus, app_id};
use crate::load;
use crate::reads;
use crate::server::{OPERATOR_TOKEN, Server};
use crate::table::Table;

const TABLE: &str = "
    CREATE TABLE events_by_hand (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        app_id text, user_id text NOT NULL, created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        event jsonb NOT NULL
    );
    CREATE INDEX ON events_by_hand (app_id, created_at);
    CREATE INDEX ON events_by_hand (user_id, created_at);";
const COPY: &str = "COPY events_by_hand (app_id, user_id, event) FROM STDIN";
const PAGE: &str =
    "SELECT event FROM events_by_hand WHERE app_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3";
const COUNT: &str = "SELECT count(*) FROM events_by_hand WHERE app_id = $1";

/// The number of events in each store, and of the app whose pages are read.
const EVENTS: u64 = 1_000_000;
const EVENTS_OF_APP: u64 = 30_000;
const BATCH: u64 = 1_000;
const CONNECTIONS: usize = 8;
const PER_PAGE: i64 = 20;
const FAR_PAGE: i64 = 1_000;
const PAGES: i64 = EVENTS_OF_APP as i64 / PER_PAGE;

/// Compares the same events in the table, in annals over the same server, and in an embedded store.
pub(crate) async fn compare(
    binary: &Path,
    address: &str,
    span: Duration,
    table: &mut Table,
) -> anyhow::Result<()> {
    let by_hand = ByHand::create(address).await?;
    let copied = by_hand.load().await?;
    by_hand.settle().await?;
    let by_hand =
        [by_hand.read(1, span).await?, by_hand.read(FAR_PAGE, span).await?, by_hand.read_each_once().await?];

    let mut figures = Vec::new();
    for database in [Some(address), None] {
        let server = Server::start(binary, database).await?;
        let mut corpus = Corpus::new();
        load::prepare(&server, &mut corpus).await?;
        let reported = load_store(&server, &mut corpus).await?;
        reads::fill(&server, &mut corpus, APPS, EVENTS_OF_APP).await?;
        if database.is_some() {
            TestDatabase::create_on(address).await.connect().await.batch_execute("CHECKPOINT").await?;
        }
        server.settle().await?;
        let path = |page: i64| format!("/v1/apps/{}/events?page={page}&per_page={PER_PAGE}", app_id(APPS));
        // Measured first, since the server returns a page from memory the second time.
        let each_once = reads::each_once(&server, (1..=PAGES).map(path)).await?;
        let mut pages = Vec::new();
        for page in [1, FAR_PAGE] {
            let target = vec![(path(page), OPERATOR_TOKEN.to_owned())];
            pages.push(reads::measure(server.address, target, 1, span).await?.p50_us);
        }
        pages.push(each_once);
        figures.push((reported, pages));
    }
    let [(reported, pages), (embedded_reported, embedded_pages)] = &figures[..] else { return Ok(()) };

    table.row("COPY by hand, batches of 1 000, 8 connections", copied, "events/s");
    table.row("reports over PostgreSQL, batches of 1 000, 8 connections", *reported, "events/s");
    table.row("  relative to COPY by hand", reported / copied, "");
    table.row("reports to the embedded store", *embedded_reported, "events/s");
    table.row("  embedded relative to PostgreSQL", embedded_reported / reported, "");
    for (index, name) in ["newest page", "page 1 000", "each page once"].into_iter().enumerate() {
        table.row(format!("{name} of 20 with the total of 30 000, by hand, p50"), by_hand[index], "µs");
        table.row("  annals over PostgreSQL, over HTTP, p50", pages[index], "µs");
        table.row("  times faster than by hand", by_hand[index] / pages[index], "");
        table.row("  annals over the embedded store, p50", embedded_pages[index], "µs");
        table.row("  embedded times faster than PostgreSQL", pages[index] / embedded_pages[index], "");
    }
    Ok(())
}

/// Reports events until there are as many as in the table. Returns events per second.
async fn load_store(server: &Server, corpus: &mut Corpus) -> anyhow::Result<f64> {
    let (mut events, mut elapsed) = (0, Duration::ZERO);
    while events < EVENTS - EVENTS_OF_APP {
        let bodies: Vec<_> = (0..100).map(|_| corpus.body(BATCH)).collect();
        events += 100 * BATCH;
        elapsed += load::send(server, bodies, CONNECTIONS).await?;
    }
    Ok(events as f64 / elapsed.as_secs_f64())
}

struct ByHand {
    database: TestDatabase,
    client: Client,
}

impl ByHand {
    async fn create(address: &str) -> anyhow::Result<Self> {
        let database = TestDatabase::create_on(address).await;
        let client = database.connect().await;
        client.batch_execute(TABLE).await?;
        Ok(Self { database, client })
    }

    /// Copies the events. Returns events per second.
    async fn load(&self) -> anyhow::Result<f64> {
        let mut corpus = Corpus::new();
        let (mut events, mut elapsed) = (0, Duration::ZERO);
        while events < EVENTS - EVENTS_OF_APP {
            let bodies = (0..100).map(|_| rows(&corpus.body(BATCH))).collect::<anyhow::Result<Vec<_>>>()?;
            events += 100 * BATCH;
            elapsed += self.copy(bodies).await?;
        }
        let of_app = rows(&corpus.body_of_one_app(APPS, EVENTS_OF_APP))?;
        self.copy(vec![of_app]).await?;
        Ok(events as f64 / elapsed.as_secs_f64())
    }

    /// Copies each of these in its own transaction. Returns the time taken.
    async fn copy(&self, bodies: Vec<Bytes>) -> anyhow::Result<Duration> {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(self.database.connect().await);
        }
        let (bodies, next) = (Arc::new(bodies), Arc::new(AtomicUsize::new(0)));
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for client in clients {
            let (bodies, next) = (Arc::clone(&bodies), Arc::clone(&next));
            tasks.spawn(async move {
                while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut sink = std::pin::pin!(client.copy_in::<_, Bytes>(COPY).await?);
                    sink.send(body.clone()).await?;
                    sink.finish().await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(started.elapsed())
    }

    /// Brings the table into its state after a while: with statistics and a visibility map, and all pages written.
    async fn settle(&self) -> anyhow::Result<()> {
        self.client.batch_execute("VACUUM ANALYZE events_by_hand").await?;
        self.client.batch_execute("CHECKPOINT").await?;
        Ok(())
    }

    /// Returns the median time of reading a page with the total, in microseconds.
    async fn read(&self, page: i64, span: Duration) -> anyhow::Result<f64> {
        let started = Instant::now();
        self.read_pages(std::iter::repeat(page).take_while(|_| started.elapsed() < span)).await
    }

    /// Returns the same median over all pages, each read once.
    async fn read_each_once(&self) -> anyhow::Result<f64> {
        self.read_pages(1..=PAGES).await
    }

    async fn read_pages(&self, pages: impl Iterator<Item = i64>) -> anyhow::Result<f64> {
        let (select, count) = (self.client.prepare(PAGE).await?, self.client.prepare(COUNT).await?);
        let app = app_id(APPS);
        let mut times = Histogram::<u64>::new(3)?;
        for page in pages {
            let asked = Instant::now();
            let offset = (page - 1) * PER_PAGE;
            self.client.query(&select, &[&app, &PER_PAGE, &offset]).await?;
            self.client.query_one(&count, &[&app]).await?;
            times.record(u64::try_from(asked.elapsed().as_nanos())?)?;
        }
        Ok(times.value_at_quantile(0.5) as f64 / 1e3)
    }
}

/// Turns the lines of a report into rows for COPY. Nothing in the corpus needs escaping.
fn rows(body: &Body) -> anyhow::Result<Bytes> {
    let mut rows = String::with_capacity(body.bytes.len() * 5 / 4);
    for line in std::str::from_utf8(&body.bytes)?.lines() {
        let event: Value = serde_json::from_str(line)?;
        rows.push_str(event["app_id"].as_str().unwrap_or("\\N"));
        rows.push('\t');
        rows.push_str(event["user"]["id"].as_str().unwrap_or_default());
        rows.push('\t');
        rows.push_str(line);
        rows.push('\n');
    }
    Ok(rows.into())
}
