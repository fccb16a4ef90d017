//! annals over HTTP: the only crate that knows it.
//!
//! Start at [`router`](crate::router::router) for every path, and at `routes/` for one file per resource. A handler
//! extracts (who asks, what for, with which body), makes one call, and responds.

mod access;
mod answer;
mod auth;
mod body;
mod config;
mod error;
mod limits;
mod listen;
mod metrics;
mod middleware;
mod page;
mod rate_limit;
mod router;
mod routes;
mod scale_strings;
mod service;
mod timeline;

pub use config::Config;
pub use listen::run;
pub use metrics::Metrics;
pub use router::router;
pub use service::{Service, StartError};
