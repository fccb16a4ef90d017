//! One file per resource.

pub(crate) mod apps;
pub(crate) mod containers;
pub(crate) mod event_types;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod regions;
pub(crate) mod reports;
pub(crate) mod tokens;
pub(crate) mod users;
pub(crate) mod variables;
