//! annals over HTTP. No other crate knows HTTP.
//!
//! Start at `router.rs`, the URL table. It names the folders of `routes/`, which have one file per resource. Each file begins
//! with its paths. A handler extracts what it needs (the caller, the app, the body), makes one call of the service, and
//! responds. Around the handlers:
//!
//! - `extract/` has what handlers extract from requests, and checks who may do what;
//! - `operations.rs` checks parameters and fields against the OpenAPI document before a handler runs;
//! - `error.rs` maps every error to its status, `limits.rs` has every limit on requests;
//! - `arriving.rs` reads bodies, in bounded room and time;
//! - `middleware.rs` wraps all requests: identifier, time limit, log, metrics.
//!
//! To serve the API, start an [`AppState`] over a store and pass its [`router`](crate::router()) to [`run`].

mod answer;
mod api;
mod arriving;
mod config;
mod documents;
mod dry_run;
mod error;
mod explain;
mod extract;
mod forges;
#[cfg(fuzzing)]
pub mod fuzzing;
mod idempotency;
mod limits;
mod listen;
mod metrics;
mod middleware;
mod operations;
mod paths;
mod proofs;
mod rate_limit;
mod router;
mod routes;
mod scale_strings;
mod state;
mod streams;
mod timeline;

pub use config::Config;
pub use extract::Peer;
pub use listen::run;
pub use metrics::Metrics;
pub use router::{openapi, router};
pub use state::AppState;
