//! Durable storage of timelines of events, and of rows beside them. This crate knows no rules and no roles.
//!
//! - **[`Store`] is the trait** that every storage engine implements; start reading there. There are two engines:
//!   [`EmbeddedStore`] keeps a store in a directory, for one process; [`PostgresStore`] keeps it in a database, for any
//!   number of processes. One conformance suite (`tests/conformance`) runs against both.
//! - **Writing:** [`Store::commit`] takes a [`Command`], a closure that reads a [`Snapshot`] and returns a
//!   [`WriteSet`]: events to append, rows to put and rows to remove. These are committed together or not at all.
//! - **Timelines:** every app and every user has one ([`TimelineId`]). [`Store::read`] returns events by position,
//!   [`Store::find`] by identifier. The platform timeline lists the events of all of them in commit order, and
//!   [`follow`](fn@follow) reads it as it grows.
//! - **Rows** are everything else: states, names, tokens, timers, mail. Each [`key`] knows the type of its value, so
//!   [`TypedRows::get`] returns typed values. `rows/registry.rs` has the table of all kinds.
//! - **[`copy`]** moves a store from one engine to the other, and [`check`](fn@check) reads all of one to find what is wrong.
//!
//! Engines are opened with [`embedded::Options`] and [`postgres::Options`].

mod check;
mod contract;
pub mod embedded;
mod engine;
mod error;
mod follow;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod postgres;
mod rows;
mod timeline;
mod transfer;
mod typed_rows;

pub use check::{Checked, check};
pub use contract::{
    Command, CommandError, CommitError, CommitSummary, CommitterLoad, Head, NewEvent, PlatformCommit,
    PlatformEvent, Snapshot, Statistics, Store, WriteSet,
};
pub use embedded::EmbeddedStore;
pub use error::Error;
pub use follow::{Follow, follow};
pub use postgres::PostgresStore;
pub use rows::{
    Answer, Caller, EventCounts, Key, LateBlock, Listing, Mail, Name, Neighbours, Output, Row, RowKey,
    RowRange, RowWrites, Setting, Token, TokenHash, TokenId, key,
};
pub use timeline::TimelineId;
pub use transfer::{Copied, CopyError, Events, ExternalId, Part, Portable, Progress, Step, copy};
pub use typed_rows::TypedRows;
