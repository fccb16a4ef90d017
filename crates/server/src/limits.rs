//! Limits on what a client can make the server hold or wait for.

use std::time::Duration;

/// The longest request body, except of a report.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;

/// The longest body of a report.
pub(crate) const REPORT_BYTES_MAX: usize = 16 << 20;

/// The longest body of a request whose sender has shown no credential, except of a webhook.
pub(crate) const UNPROVEN_BODY_BYTES_MAX: usize = 64 << 10;

/// The bytes of all bodies that have arrived and are not processed yet: once for senders with a credential, once for those
/// without. Bodies for which there is no room wait, and then get a 503 response.
pub(crate) const ARRIVED_BYTES_MAX: usize = 64 << 20;

/// How slow the sender of a body may be, after the grace.
pub(crate) const BODY_BYTES_PER_SECOND_MIN: usize = 16 << 10;

/// How long a body may take besides.
pub(crate) const BODY_GRACE: Duration = Duration::from_secs(20);

/// How slow the sender of a body may be while more than half of the room for arrived bytes is taken.
pub(crate) const BODY_BYTES_PER_SECOND_MIN_IF_SHORT: usize = 1 << 20;

/// How long a body may take besides while more than half of the room is taken.
pub(crate) const BODY_GRACE_IF_SHORT: Duration = Duration::from_secs(2);

/// How long a body waits for room at least, and at most twice as long. Longer than stalled senders keep theirs.
pub(crate) const BODY_ROOM_WAIT: Duration = Duration::from_secs(5);

/// The bytes of all reports processed at once; further reports wait. Checking and recording a report takes several times its
/// length in memory.
pub(crate) const REPORT_BYTES_IN_WORK_MAX: usize = REPORT_BYTES_MAX;

/// The shortest response that is compressed.
pub(crate) const COMPRESSED_BYTES_MIN: u16 = 8 << 10;

/// How long the upload of an archive may take, and how long the sender may send nothing.
pub(crate) const UPLOAD_TIME_MAX: Duration = Duration::from_secs(60 * 60);
pub(crate) const UPLOAD_PAUSE_MAX: Duration = Duration::from_secs(20);

/// The longest part of a deployment's output.
pub(crate) const OUTPUT_PART_BYTES_MAX: usize = 64 << 10;

/// The most streams of one user.
pub(crate) const STREAMS_OF_USER_MAX: usize = 20;

/// How long the other end of a new stream may take to prove who it is.
pub(crate) const STREAM_PROOF_TIME_MAX: Duration = Duration::from_secs(10);

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

/// The longest webhook: Git hosting services send up to 25 MB.
pub(crate) const HOOK_BYTES_MAX: usize = 25 << 20;

/// The bytes of all webhooks processed at once; further ones wait.
pub(crate) const HOOK_BYTES_IN_WORK_MAX: usize = HOOK_BYTES_MAX;
