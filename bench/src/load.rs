//! Writes: how fast reports and actions are recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::corpus::{Body, Corpus, USERS, app_id, owner, user_id};
use crate::plain;
use crate::server::{OPERATOR_TOKEN, Server};
use crate::table::Table;

/// Registers the users, gets their bearer tokens, and reports every app's first event.
pub(crate) async fn prepare(server: &Server, corpus: &mut Corpus) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    for part in 0..16 {
        let mut client = server.connect().await?;
        tasks.spawn(async move {
            let mut bearers = Vec::new();
            for user in (part..USERS).step_by(16) {
                let body = json!({ "user": {
                    "id": user_id(user), "username": format!("user-{user}"), "email": format!("user-{user}@example.com"),
                } });
                let answer =
                    client.fetch(Method::POST, "/v1/users", OPERATOR_TOKEN, body.to_string().into()).await?;
                let registered: Value = serde_json::from_slice(&answer)?;
                let token = registered["token"]["token"].as_str().context("the registration returned no token")?;
                let answer = client.fetch(Method::POST, "/v1/tokens/exchange", token, Bytes::new()).await?;
                let exchanged: Value = serde_json::from_slice(&answer)?;
                let bearer = exchanged["token"].as_str().context("the exchange returned no bearer token")?;
                bearers.push((user, bearer.to_owned()));
            }
            anyhow::Ok(bearers)
        });
    }
    let mut bearers = Vec::new();
    while let Some(part) = tasks.join_next().await {
        bearers.extend(part??);
    }
    bearers.sort();
    corpus.bearers = bearers.into_iter().map(|(_, bearer)| bearer).collect();
    let bodies = corpus.first_events();
    send(server, bodies, 1).await?;
    Ok(())
}

/// Reports events until the corpus has that many.
pub(crate) async fn to(server: &Server, corpus: &mut Corpus, events: u64) -> anyhow::Result<()> {
    while corpus.events < events {
        let bodies =
            (0..(events - corpus.events).div_ceil(5000).min(40)).map(|_| corpus.body(5000)).collect();
        send(server, bodies, 4).await?;
    }
    Ok(())
}

/// Measures how many events per second are durably recorded, in batches of that size over that many connections.
pub(crate) async fn reports(
    server: &Server,
    corpus: &mut Corpus,
    batch: u64,
    connections: usize,
    span: Duration,
    table: &mut Table,
) -> anyhow::Result<()> {
    let (mut events, mut bytes, mut elapsed, mut commits) = (0, 0, Duration::ZERO, 0.0);
    // Bodies are generated outside the measured time, a chunk at a time so that they fit in memory.
    let mut bodies_per_chunk = connections as u64;
    while elapsed < span {
        let bodies: Vec<_> = (0..bodies_per_chunk).map(|_| corpus.body(batch)).collect();
        events += bodies.iter().map(|body| body.events).sum::<u64>();
        bytes += bodies.iter().map(|body| body.bytes.len() as u64).sum::<u64>();
        let commits_before = server.metric("annals_commit_seconds_count").await?;
        let took = send(server, bodies, connections).await?;
        commits += server.metric("annals_commit_seconds_count").await? - commits_before;
        elapsed += took;
        let for_half_a_second = (0.5 / took.as_secs_f64() * bodies_per_chunk as f64) as u64;
        bodies_per_chunk = for_half_a_second.max(bodies_per_chunk).min(200_000 / batch + connections as u64);
    }
    let rate = events as f64 / elapsed.as_secs_f64();
    table.row(format!("reports, batches of {batch}, {connections} connections"), rate, "events/s");
    if batch == 1000 && connections == 8 {
        let plain = plain::append(bytes, commits as u64)?;
        let plain_rate = events as f64 / plain.as_secs_f64();
        table.row("  plain synced appends of the same bytes and syncs", plain_rate, "events/s");
        table.row("  reports relative to plain appends", rate / plain_rate, "");
        table.row("  events per commit", events as f64 / commits, "");
    }
    Ok(())
}

/// Sends these bodies over that many connections. Returns the time taken.
pub(crate) async fn send(server: &Server, bodies: Vec<Body>, connections: usize) -> anyhow::Result<Duration> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(server.connect().await?);
    }
    let (bodies, next) = (Arc::new(bodies), Arc::new(AtomicUsize::new(0)));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for mut client in clients {
        let (bodies, next) = (Arc::clone(&bodies), Arc::clone(&next));
        tasks.spawn(async move {
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                client.send(Method::POST, "/v1/events", OPERATOR_TOKEN, body.bytes.clone()).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(started.elapsed())
}

/// Measures single actions per second over 64 connections.
pub(crate) async fn actions(
    server: &Server,
    corpus: &Corpus,
    span: Duration,
    table: &mut Table,
) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    for connection in 0..64_usize {
        let mut client = server.connect().await?;
        let bearers = corpus.bearers.clone();
        tasks.spawn(async move {
            let mut done = 0_u64;
            while started.elapsed() < span {
                // Every action changes something: each of an app's 150 turns has another amount than the last.
                let app = connection * 150 + usize::try_from(done % 150)?;
                let body = json!({ "containers": [{ "name": "action", "amount": (done / 150) % 10 + 1 }] });
                let path = format!("/v1/apps/{}/scale", app_id(app));
                client.send(Method::POST, &path, &bearers[owner(app)], body.to_string().into()).await?;
                done += 1;
            }
            anyhow::Ok(done)
        });
    }
    let mut done = 0;
    while let Some(part) = tasks.join_next().await {
        done += part??;
    }
    table.row("single actions, 64 connections", done as f64 / started.elapsed().as_secs_f64(), "actions/s");
    Ok(())
}
