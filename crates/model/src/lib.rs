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
pub mod directory;
pub mod event;
pub mod id;
pub mod rejection;
pub mod report;
pub mod shared;
pub mod time;

pub use account::{Account, Integration};
pub use action::{Context, Platform, Role, Rules};
pub use app::{App, Facts};
pub use catalogue::{EventType, TypeData};
pub use directory::Directory;
pub use event::{AppRef, Event, Person};
pub use id::{AppId, EventId, IdSource, RandomIds, ResourceId, SECRET_BYTES, UserId};
pub use rejection::{FieldErrors, Rejection};
pub use report::Report;
pub use time::Time;
