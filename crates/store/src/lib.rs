//! Keeps timelines, states and rows. Knows no rule and no role.
//!
//! [`Store`] is the contract, written in its documentation; [`embedded`] is the engine that keeps a store in a
//! directory, [`postgres`] the one over a database. One conformance suite (`tests/conformance`) holds for every engine.
//! Rows are asked for by keys that know their values ([`TypedRows`]).

mod contract;
pub mod embedded;
mod engine;
mod error;
mod follow;
pub mod postgres;
mod rows;
mod timeline;
mod transfer;
mod typed_rows;

pub use contract::{
    Command, CommandError, CommitError, CommitSummary, CommitterLoad, Head, NewEvent, PlatformCommit,
    PlatformEvent, Snapshot, Statistics, Store, WriteSet,
};
pub use embedded::EmbeddedStore;
pub use error::Error;
pub use follow::{Follow, follow};
pub use postgres::PostgresStore;
pub use rows::{
    Answer, Caller, EventCounts, Key, Listing, Mail, Row, RowKey, RowRange, RowWrites, Setting, Token,
    TokenHash, TokenId, key,
};
pub use timeline::TimelineId;
pub use transfer::{Copied, CopyError, Events, ExternalId, Part, Portable, Progress, Step, copy};
pub use typed_rows::TypedRows;
