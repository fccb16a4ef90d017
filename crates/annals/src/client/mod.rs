//! The commands that ask a server: timelines, states, exports, imports.
//!
//! Data goes to standard output and everything else to standard error. Exit codes are in [`failure`].

pub(crate) mod apps;
pub(crate) mod completions;
pub(crate) mod event_types;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod login;
pub(crate) mod report;
pub(crate) mod show;
pub(crate) mod state;
pub(crate) mod timeline;
pub(crate) mod whoami;

mod api;
mod credentials;
mod event;
mod failure;
mod follow;
mod moments;
mod parquet;
mod partial;
mod progress;
mod reports;
mod selection;
mod table;

pub(crate) use failure::exit_code;
