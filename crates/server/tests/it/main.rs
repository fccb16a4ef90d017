//! The HTTP API over the real router and a real store.
//!
//! Most tests play a few requests and compare the transcript with a snapshot that holds every byte: a reviewer sees there
//! what a client sees. All tests are in one binary, since each further one links the whole server again.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

// What every test starts from: a service with a clock that stands still, and the transcript of its requests.
mod harness;

// One file per resource. A test of one route goes here; a new resource gets a file.
mod apps;
mod catalogue;
mod domains;
mod people;
mod reports;
mod state;
mod timelines;

// Every event type of the contract: its action, who may cause it, which bodies are refused. A new type gets a row.
mod actions;
// What each role sees of every event type on every `GET`. A new route is read by itself; a new identifier in a path needs
// a line in `visibility/world.rs`.
mod visibility;
// A response names what its own request created. What gets an identifier gets a line.
mod created;

// What existing clients send. A request that a client needs gets a test.
mod client_calls;
mod clients;
mod hooks;
mod sources;

// Many actions on one app at once, and what runs later by itself.
mod concurrency;
mod timers;

// What clients do wrong: the error for each mistake, any bytes at all, and the limits on requests and connections.
mod bounds;
mod dry_run;
mod exports;
mod filters;
mod hostile;
mod idempotency;
mod mistakes;
mod secrets;

// What operators configure and watch: `--contract-only`, health, readiness, metrics, stores that fail.
mod contract_only;
mod health;
mod live;
mod metrics;
mod platform;

// The documents that are generated from the code: OpenAPI and the pages that show it.
mod openapi;
