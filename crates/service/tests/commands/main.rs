//! Commands over a real store: every state equals its folded timeline, and a refused request changes nothing.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and prints its seed")]

mod contract_only;
mod histories;
mod late;
mod names;
mod reports;
mod requests;
mod review_apps;
mod sign_in;
mod world;
