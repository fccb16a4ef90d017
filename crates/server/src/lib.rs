//! annals over HTTP: the only crate that knows it.
//!
//! Start at [`router`](crate::router::router) for the parts of the API, and at `routes/` for one file per resource, which
//! begins with its paths. A handler extracts (the caller, the app, the body), makes one call, and responds.

mod answer;
mod api;
mod config;
mod documents;
mod error;
mod explain;
mod extract;
mod forges;
mod limits;
mod listen;
mod metrics;
mod middleware;
mod rate_limit;
mod router;
mod routes;
mod scale_strings;
mod state;
mod timeline;

pub use config::Config;
pub use extract::Peer;
pub use listen::run;
pub use metrics::Metrics;
pub use router::{openapi, router};
pub use state::AppState;
