//! Copying a store into another engine.

mod compare;
mod copy;
mod outcome;
mod portable;
pub(crate) mod read;

pub use copy::copy;
pub use outcome::{Copied, CopyError, Progress, Step};
pub use portable::{Events, ExternalId, Part, Portable};
