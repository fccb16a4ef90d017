//! The domain model of annals: event types, apps and accounts, and the rules that connect them.
//!
//! Clients send *actions*; trusted components send *reports*. An action is decided from the state: the result is a
//! [`Decision`], which holds the events to record, or a [`Rejection`]. A report is checked against the catalogue only.
//! Either way, states change only by applying events, so folding a timeline gives its state.
//!
//! Where to start:
//!
//! - [`catalogue`] defines every event type, in one table per group.
//! - [`app`] and [`account`] have one file per resource, with its actions and what its events change. [`app::Scale`] is
//!   the example to copy.
//! - [`report`] parses reports.
//! - [`filter`] reads filters, and says which events match.
//! - [`field_class`] says what each field may hold, and hides fields by class. The service decides who sees which class.
//!
//! Everything here is pure: no clock, no I/O, no async. The time, the acting user and the source of new identifiers
//! come in as a [`Context`], so the same input gives the same output.

pub mod account;
mod action;
pub mod app;
pub mod catalogue;
mod cow_arc;
pub mod directory;
pub mod event;
pub mod field_class;
mod field_errors;
pub mod filter;
mod id;
mod integration;
mod json;
pub mod limits;
mod names;
mod nearest;
mod person;
mod public_url;
mod rejection;
pub mod report;
mod role;
mod secret;
mod time;

pub use account::{Account, AccountPrivateState};
pub use action::{Context, Decision, Lookups, Rules};
pub use app::{App, PrivateState};
pub use catalogue::{EventType, TypeData};
pub use cow_arc::CowArc;
pub use directory::Directory;
pub use event::{AppRef, Event, ProjectRef};
pub use field_class::{Class, Classed, Classes, Field, FieldShape, hide};
pub use field_errors::FieldErrors;
pub use filter::Filter;
pub use id::{AppId, EventId, IdSource, InvalidId, RandomIds, ResourceId, SECRET_BYTES, UserId};
pub use integration::Integration;
pub use json::plain_message;
pub use nearest::nearest;
pub use person::Person;
pub use public_url::public_url;
pub use rejection::Rejection;
pub use report::Report;
pub use role::Role;
pub use secret::Secret;
pub use time::{InvalidTime, Time};
