//! Keeps timelines and state.
//!
//! [`Store`] is the contract, written in its documentation; [`embedded`] is the engine that keeps a store in a
//! directory. One conformance suite (`tests/conformance`) holds for every engine. [`Recorder`] is what everything that
//! changes the store goes through: it turns actions and reports into events and state, in one transaction.

mod checkpoint;
mod contract;
mod copy;
pub mod embedded;
mod portable;
pub mod postgres;
mod recorder;
mod rows;

pub use contract::{
    Command, CommandError, CommitError, CommitSummary, Error, FeedEntry, Head, NewEvent, Snapshot,
    Statistics, Store, TimelineId, WriteSet,
};
pub use copy::{Copied, CopyError, Progress, Step, copy};
pub use embedded::EmbeddedStore;
pub use portable::{Events, ExternalId, Part, Portable};
pub use postgres::PostgresStore;
pub use recorder::{
    Clock, Idempotency, IssuedToken, NewUser, Outcome, Recorded, Recorder, Request, Settings, SignInOutcome,
    SystemClock, TOKEN_NAME_MAX,
};
pub use rows::{Answer, Caller, Listing, Mail, Row, RowKey, Setting, Token, TokenHash, TokenId};
