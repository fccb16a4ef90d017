//! Every bound on what a client may make the server hold or wait for.

use std::time::Duration;

/// The longest body of a request, except a report's.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;

/// The longest body of a report.
pub(crate) const REPORT_BYTES_MAX: usize = 16 << 20;

/// All bodies of reports that are in work at once; a further one waits. A report takes several times its length while it
/// is read, checked and recorded.
pub(crate) const REPORT_BYTES_IN_WORK_MAX: usize = REPORT_BYTES_MAX;

/// The longest head of a request: its line and its headers. A longer one is answered 431.
pub(crate) const HEAD_BYTES_MAX: usize = 32 << 10;

/// How long a client may take to send a request's head, which is also how long an idle connection is kept.
pub(crate) const HEAD_TIME_MAX: Duration = Duration::from_secs(60);

/// How long a request may take from its head to the head of its answer.
pub(crate) const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);

/// How long a client may leave an answer unread.
pub(crate) const WRITE_TIME_MAX: Duration = Duration::from_secs(60);

/// How long requests that are in work get to end when the server stops.
pub(crate) const STOP_TIME_MAX: Duration = Duration::from_secs(30);

/// The longest idempotency key.
pub(crate) const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// The longest request identifier that is taken over from a client.
pub(crate) const REQUEST_ID_BYTES_MAX: usize = 128;

/// How many events a page has where the client does not say.
pub(crate) const PAGE_DEFAULT: u64 = 20;

/// The most events a page has; who asks for more gets this many.
pub(crate) const PAGE_MAX: u64 = 100;

/// The longest time back that `from` may ask for.
pub(crate) const FROM_HOURS_MAX: u64 = 72;

/// How much of a timeline is read at once while it is streamed.
pub(crate) const READ_BYTES: usize = 256 << 10;

/// The longest certificate and private key, together.
pub(crate) const PEM_BYTES_MAX: usize = 32 << 10;

/// The longest webhook: as much as the two thousand commits take that a forge tells of at once.
pub(crate) const HOOK_BYTES_MAX: usize = 5 << 20;

/// How many webhooks are read at once.
pub(crate) const HOOKS_MAX: usize = 8;
