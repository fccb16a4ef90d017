//! Queries: everything that reads the store for callers.

mod accounts;
mod apps;
mod everything;
mod forward;
pub(crate) mod history;
pub(crate) mod page;
mod platform;
pub(crate) mod search;
mod spans;
pub(crate) mod summaries;
pub(crate) mod timelines;
mod tokens;

pub use apps::OUTPUT_PARTS_READ;
pub use forward::{Forward, Timeline};
pub use history::{Difference, Point, StateAt, StateChange};
pub use platform::Positioned;
pub use search::Found;
pub use timelines::Span;
