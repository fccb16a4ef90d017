//! Following a stream of events over lost connections.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::Response;
use serde_json::Value;

use super::api::{Api, Query};
use super::failure::Refused;
use crate::output::eprint;

const NDJSON: &str = "application/x-ndjson";
const WAIT_SECONDS_MAX: u64 = 30;

/// The events of a timeline after a position, as they are recorded.
pub(super) struct Following {
    api: Api,
    path: String,
    query: Query,
    position: u64,
    open: Option<(Response, Vec<u8>)>,
    failures: u32,
}

impl Following {
    pub(super) fn new(api: Api, path: &str, query: Query, position: u64) -> Self {
        Self { api, path: format!("{path}/stream"), query, position, open: None, failures: 0 }
    }

    /// Waits for the next events. Connects again if the connection is lost; then none is missed, and none comes twice.
    pub(super) async fn next(&mut self) -> anyhow::Result<Vec<Value>> {
        loop {
            match self.read().await {
                Ok(events) if events.is_empty() => {}
                Ok(events) => return Ok(events),
                Err(error) if Refused::is_final(&error) => return Err(error),
                Err(error) => {
                    self.open = None;
                    let wait = WAIT_SECONDS_MAX.min(1 << self.failures.min(5));
                    eprint(&format!("annals: {error:#}; connecting again in {wait} s"));
                    self.failures += 1;
                    tokio::time::sleep(Duration::from_secs(wait)).await;
                }
            }
        }
    }

    /// Reads one piece of the stream.
    async fn read(&mut self) -> anyhow::Result<Vec<Value>> {
        if self.open.is_none() {
            let mut query = self.query.clone();
            query.push(("after", self.position.to_string()));
            self.open = Some((self.api.open(&self.path, &query, NDJSON).await?, Vec::new()));
        }
        let (response, rest) = self.open.as_mut().expect("it was opened");
        let piece = response.chunk().await.map_err(reqwest::Error::without_url);
        let piece = piece.context("the connection was lost")?.context("the server ended the stream")?;
        self.failures = 0;
        rest.extend_from_slice(&piece);
        let end = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let whole: Vec<u8> = rest.drain(..end).collect();
        let mut events = Vec::new();
        for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let event: Value = serde_json::from_slice(line).context("the server sent no JSON")?;
            self.position = event["position"].as_u64().unwrap_or(self.position);
            if event.get("id").is_some() {
                events.push(event);
            }
        }
        Ok(events)
    }
}
