//! Random histories over every action: what is decided, applied, is what folding the events gives, at every point.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod accounts;
mod apps;
mod platform;
