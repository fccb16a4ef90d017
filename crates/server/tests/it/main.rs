//! The HTTP API over the real router and a real store.
//!
//! Most tests play a few requests and compare the transcript, exact bytes included, with a snapshot: what a reviewer
//! sees there is what a client sees. A new resource gets a file of its own.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod actions;
mod apps;
mod bounds;
mod catalogue;
mod concurrency;
mod contract_only;
mod created;
mod domains;
mod harness;
mod health;
mod hostile;
mod metrics;
mod mistakes;
mod openapi;
mod people;
mod reports;
mod state;
mod timelines;
mod timers;
mod visibility;
