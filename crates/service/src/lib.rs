//! The application layer of annals: what callers may do, and what they may see. This crate knows no HTTP.
//!
//! [`Service::start`] starts a [`Service`] over a [`Store`]. Its methods are of four kinds:
//!
//! - *Commands* (`commands`) change the store. Most take a [`Request`], which names the caller. The rules of `annals-model`
//!   decide a command, and one transaction (`transaction`) records its events with all rows that follow from them.
//! - *Queries* (`queries`) read pages of timelines, states at any time, and differences.
//! - *Access*: [`Service::authenticate`] checks a credential (`credentials`), [`Service::authorize`] returns the caller's
//!   role in an app (`authorization`), and [`Visibility`] hides the fields that this role may not see (`visibility`).
//! - *Background work*: [`Service::work`] fires due timers, sends mail (`jobs`), and runs the `followers`, which read
//!   every recorded event once. [`Service::measure`] measures the load of the store and of this background work.
//!
//! Time, identifiers and settings are inputs of [`Service::start`], so tests control them.

mod archives;
mod arrivals;
mod authorization;
mod clock;
mod commands;
mod credentials;
mod error;
mod followers;
mod jobs;
mod measurements;
mod queries;
mod service;
mod settings;
mod transaction;
mod visibility;

pub use archives::{ArchiveId, ArchiveSettings, NewArchive, Permission, Upload};
pub use authorization::{Access, AppReference, to_uuid};
pub use clock::{Clock, SystemClock};
pub use commands::{
    AccountOutcome, Idempotency, IssuedToken, NewUser, Outcome, Repeats, Reported, Request, RevokedTokens,
    SignInOutcome,
};
pub use credentials::{Credential, SignedIn};
pub use error::{Error, StartError};
pub use followers::FollowerLag;
pub use jobs::OutboxLoad;
pub use measurements::Measurements;
pub use queries::{
    Difference, Forward, Found, OUTPUT_PARTS_READ, Point, Positioned, Span, StateAt, StateChange, Timeline,
};
pub use service::Service;
pub use settings::{MailConfig, Settings};
pub use transaction::RecordedEvent;
pub use visibility::{Reader, Visibility};

pub use annals_store::{
    CommitSummary, CommitterLoad, Error as StoreError, EventCounts, Head, Mail, Statistics, Store,
    TimelineId, Token, TokenId,
};
