//! Extractors: what handlers take from requests.

mod app;
mod body;
mod caller;
mod event_query;
mod page;
mod path;
mod provider;
mod query;
mod remote_ip;

pub(crate) use app::{Acting, AnyCollaborator, AnyMember, Authorized, Readable, TheOperator};
pub(crate) use body::{JsonBody, given, given_time, required, without_mark};
pub(crate) use caller::{
    Caller, Exchanging, NameAndPassword, Operator, PlatformReader, Presented, User, name_and_password,
};
pub(crate) use event_query::{Anchor, Beside, EventQuery, FILTER_PARAMETERS, take_filter};
pub(crate) use page::{Paged, Pagination, Selection, per_page};
pub(crate) use path::{LastSegment, NamedUser, Segments};
pub(crate) use provider::Asking;
pub(crate) use query::{by_name, parameters, refuse_unknown};
pub use remote_ip::Peer;
pub(crate) use remote_ip::RemoteIp;
