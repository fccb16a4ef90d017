//! What is recorded, over a real store: states are what their timelines fold to, and a refused request changes nothing.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and tells its seed")]

mod histories;
mod reports;
mod requests;
mod review_apps;
mod world;
