//! annals over HTTP: the only crate that knows it.
//!
//! Start at [`router`](crate::router::router) for the parts of the API, and at `routes/` for one file per resource, which
//! begins with its paths. A handler extracts (who asks, what for, with which body), makes one call, and responds.

mod access;
mod answer;
mod api;
mod auth;
mod background;
mod body;
mod config;
mod documents;
mod error;
mod forges;
mod limits;
mod listen;
mod mail;
mod masking;
mod metrics;
mod middleware;
mod page;
mod password;
mod rate_limit;
mod remote_ip;
mod router;
mod routes;
mod scale_strings;
mod service;
mod timeline;

pub use background::work;
pub use config::{Config, MailConfig};
pub use listen::run;
pub use metrics::Metrics;
pub use remote_ip::Peer;
pub use router::{openapi, router};
pub use service::{Service, StartError};
