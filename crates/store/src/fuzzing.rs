//! What the fuzz targets need of this crate that is private. Compiled for them alone.

use bytes::Bytes;

/// Reads a run of any bytes, and everything in it.
pub fn read_run(first: u64, value: &[u8]) {
    crate::embedded::read_run(first, Bytes::copy_from_slice(value));
}
