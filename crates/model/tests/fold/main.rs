//! Random histories over every action: applying the decided events one by one gives the same state as folding the
//! timeline, at every point.
//!
//! `steps` has a function for each action of an app, one file per resource; `apps` plays them. `accounts` has the actions
//! of accounts and plays them. `named` has short histories with given values.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod accounts;
mod apps;
mod named;
mod platform;
mod steps;
