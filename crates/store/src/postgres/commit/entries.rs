//! Encoding rows of the table `entries` for COPY, in the binary format that PostgreSQL's manual describes (COPY,
//! "Binary Format").
//!
//! ```text
//! header      "PGCOPY\n" FF "\r\n" 00 │ flags (u32), zero │ length of the extension (u32), zero      all big-endian
//! per entry   number of columns (u16) │ timeline │ position (i64) │ created_at (i64) │ latest (i64) or null │
//!             is_home (u8) │ event
//! trailer     -1 (i16)
//! ```
//!
//! Each column is preceded by its length (u32); null is the length FFFFFFFF alone. Entries are encoded when they are decided,
//! while the previous group is being written.

use annals_model::Time;
use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::{Client, Error as PgError};

use crate::postgres::schema::values::{postgres_micros, to_i64};

const COPY: &str =
    "COPY entries (timeline, position, created_at, latest, is_home, event) FROM STDIN (FORMAT binary)";
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: &[u8] = &(-1_i16).to_be_bytes();
const COLUMNS: u16 = 6;
const NULL: &[u8] = &u32::MAX.to_be_bytes();
/// The initial capacity for the entries of a timeline: room for two or three, which often are all.
const FIRST_BYTES: usize = 1536;
/// About how many bytes are sent at once.
const CHUNK_BYTES: usize = 256 << 10;

/// The encoded entries that a group appends to one timeline.
#[derive(Debug, Clone)]
pub(crate) struct Entries {
    timeline: String,
    encoded: Vec<u8>,
}

impl Entries {
    pub(crate) fn of(timeline: String) -> Self {
        Self { timeline, encoded: Vec::with_capacity(FIRST_BYTES) }
    }

    /// Returns the timeline's name.
    pub(crate) fn timeline(&self) -> &str {
        &self.timeline
    }

    /// Returns the encoded length, which is a little more than that of the events.
    pub(crate) fn bytes(&self) -> usize {
        self.encoded.len()
    }

    /// Adds an event, which is late if it happened before `latest`, the latest time of any event before it.
    pub(crate) fn push(
        &mut self,
        position: u64,
        created_at: Time,
        latest: Time,
        is_home: bool,
        event: &[u8],
    ) {
        let Self { timeline, encoded } = self;
        encoded.extend_from_slice(&COLUMNS.to_be_bytes());
        push_column(encoded, timeline.as_bytes());
        push_column(encoded, &to_i64(position).to_be_bytes());
        push_column(encoded, &postgres_micros(created_at).to_be_bytes());
        match created_at < latest {
            true => push_column(encoded, &postgres_micros(latest).to_be_bytes()),
            false => encoded.extend_from_slice(NULL),
        }
        push_column(encoded, &[u8::from(is_home)]);
        push_column(encoded, event);
    }
}

fn push_column(encoded: &mut Vec<u8>, value: &[u8]) {
    let length = u32::try_from(value.len()).expect("an event is far shorter");
    encoded.extend_from_slice(&length.to_be_bytes());
    encoded.extend_from_slice(value);
}

/// Appends entries to the table. This is fastest if they are in the order of the table's key.
pub(crate) async fn append(client: &Client, all: &[&Entries]) -> Result<(), PgError> {
    if all.iter().all(|entries| entries.encoded.is_empty()) {
        return Ok(());
    }
    let mut sink = std::pin::pin!(client.copy_in::<_, Bytes>(COPY).await?);
    let mut chunk = Vec::with_capacity(2 * CHUNK_BYTES);
    chunk.extend_from_slice(HEADER);
    for entries in all {
        chunk.extend_from_slice(&entries.encoded);
        if chunk.len() >= CHUNK_BYTES {
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(2 * CHUNK_BYTES));
            sink.feed(full.into()).await?;
        }
    }
    chunk.extend_from_slice(TRAILER);
    sink.feed(chunk.into()).await?;
    sink.finish().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_encoded_as_in_the_manual() {
        let mut entries = Entries::of("us-1".to_owned());
        let (time, latest) = (Time::from_millis(946_684_800_001), Time::from_millis(946_684_800_002));
        entries.push(258, time, time, true, b"{}");
        entries.push(259, time, latest, true, b"{}");
        let expected = "0006 00000004 75732d31 00000008 0000000000000102 00000008 00000000000003e8 \
                        ffffffff 00000001 01 00000002 7b7d \
                        0006 00000004 75732d31 00000008 0000000000000103 00000008 00000000000003e8 \
                        00000008 00000000000007d0 00000001 01 00000002 7b7d";
        assert_eq!(hex::encode(&entries.encoded), expected.replace(' ', ""));
        assert_eq!(HEADER.len(), 11 + 4 + 4);
    }
}
