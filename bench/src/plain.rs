//! The ceiling of writes: the same bytes appended to a file with the same number of syncs.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

pub(crate) fn append(bytes: u64, syncs: u64) -> anyhow::Result<Duration> {
    let directory = tempfile::tempdir()?;
    let mut file = File::create(directory.path().join("plain"))?;
    let per_sync = usize::try_from(bytes / syncs.max(1))?;
    let part: Vec<u8> = (0..per_sync).map(|index| (index % 251) as u8).collect();
    let started = Instant::now();
    for _ in 0..syncs {
        file.write_all(&part)?;
        file.sync_data()?;
    }
    Ok(started.elapsed())
}
