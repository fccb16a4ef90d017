//! Limits on what a client can make the server hold or wait for.

use std::time::Duration;

/// The longest request body, except of a report.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;

/// The longest body of a report.
pub(crate) const REPORT_BYTES_MAX: usize = 16 << 20;

/// The bytes of all reports processed at once; further reports wait. Reading, checking and recording a report takes
/// several times its length in memory.
pub(crate) const REPORT_BYTES_IN_WORK_MAX: usize = REPORT_BYTES_MAX;

/// The longest request line and headers. A longer head gets a 431 response.
pub(crate) const HEAD_BYTES_MAX: usize = 32 << 10;

/// How long a client may take to send a request's head. Idle connections are closed after the same time.
pub(crate) const HEAD_TIME_MAX: Duration = Duration::from_secs(60);

/// How long a request may take from its head to the head of its response.
pub(crate) const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);

/// How long a client may leave a response unread.
pub(crate) const WRITE_TIME_MAX: Duration = Duration::from_secs(60);

/// How long a graceful shutdown waits for requests to finish.
pub(crate) const STOP_TIME_MAX: Duration = Duration::from_secs(30);

/// The longest idempotency key.
pub(crate) const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// The longest request identifier accepted from a client.
pub(crate) const REQUEST_ID_BYTES_MAX: usize = 128;

/// The default number of events on a page.
pub(crate) const PAGE_DEFAULT: u64 = 20;

/// The most events on a page; a client that asks for more gets this many.
pub(crate) const PAGE_MAX: u64 = 100;

/// The most hours that `from` may ask for.
pub(crate) const FROM_HOURS_MAX: u64 = 72;

/// How many bytes of a timeline are read at once while it is streamed.
pub(crate) const READ_BYTES: usize = 256 << 10;

/// The longest certificate and private key together.
pub(crate) const PEM_BYTES_MAX: usize = 32 << 10;

/// The longest webhook: enough for the 2,000 commits that a Git hosting service sends at most.
pub(crate) const HOOK_BYTES_MAX: usize = 5 << 20;

/// How many webhooks are read at once; further ones wait.
pub(crate) const HOOKS_MAX: usize = 8;
