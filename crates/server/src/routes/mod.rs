//! One folder per part of the API, one file per resource. Each file begins with its paths, their handlers, and what the
//! OpenAPI document says of them.

pub(crate) mod addons;
pub(crate) mod apps;
pub(crate) mod people;
pub(crate) mod platform;
pub(crate) mod source_control;
pub(crate) mod timelines;
