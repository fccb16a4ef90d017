//! Queries: everything that reads the store for callers.

mod accounts;
mod apps;
mod forward;
pub(crate) mod history;
pub(crate) mod page;
pub(crate) mod search;
mod spans;
pub(crate) mod timelines;
mod tokens;

pub use apps::OUTPUT_PARTS_READ;
pub use forward::Forward;
pub use history::{Difference, Point, StateAt, StateChange};
pub use search::Found;
pub use timelines::Span;
