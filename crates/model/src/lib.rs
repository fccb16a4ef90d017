//! What events, apps and accounts are: the catalogue of event types, what an action decides, and what an event
//! changes.
//!
//! Pure: nothing here reads a clock, does I/O, or is async. Time, the acting person and the source of new
//! identifiers come in as a [`Context`], so the same input gives the same output.
//!
//! Start at [`catalogue`] for the event types and at [`app`] for how an action becomes events and state.

pub mod account;
pub mod action;
pub mod app;
pub mod catalogue;
pub mod cow_arc;
pub mod directory;
pub mod event;
pub mod field_class;
pub mod field_errors;
pub mod id;
pub mod integration;
mod json;
pub mod limits;
pub mod names;
mod nearest;
pub mod person;
pub mod public_url;
pub mod rejection;
pub mod report;
pub mod role;
pub mod secret;
pub mod time;

pub use account::{Account, AccountPrivateState};
pub use action::{Context, Decision, Lookups, Rules};
pub use app::{App, PrivateState};
pub use catalogue::{EventType, TypeData};
pub use directory::Directory;
pub use event::{AppRef, Event};
pub use field_class::{Class, Classed, Classes, Field, FieldShape, hide};
pub use field_errors::FieldErrors;
pub use id::{AppId, EventId, IdSource, RandomIds, ResourceId, SECRET_BYTES, UserId};
pub use integration::Integration;
pub use json::plain_message;
pub use nearest::nearest;
pub use person::Person;
pub use public_url::public_url;
pub use rejection::Rejection;
pub use report::Report;
pub use role::Role;
pub use secret::Secret;
pub use time::Time;
