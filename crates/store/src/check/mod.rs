//! Checking a whole store: that everything in it can be read, and that its parts say the same.

mod identifiers;
mod platform;
mod rows;
mod timelines;

use crate::error::Error;
use crate::transfer::Portable;

/// The most findings that a check keeps. It goes on beyond them, and counts.
const FINDINGS_MAX: usize = 100;

/// What a check read, and what it found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// The number of timelines.
    pub timelines: u64,
    /// The number of timeline entries; an event counts once for its app and once for its user.
    pub entries: u64,
    /// The number of commits on the platform timeline.
    pub commits: u64,
    /// The number of rows.
    pub rows: u64,
    /// The number of external identifiers, and of those of late events.
    pub identifiers: u64,
    /// What is wrong, and where. At most 100; `wrong` counts all.
    pub findings: Vec<String>,
    /// The number of things that are wrong.
    pub wrong: u64,
}

impl Checked {
    fn find(&mut self, finding: String) {
        self.wrong += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// Returns what was read, or adds why it could not be.
    fn read<T, E: std::fmt::Display>(&mut self, what: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.find(format!("{what} cannot be read: {error}"))).ok()
    }
}

/// Reads everything in a store, and compares:
///
/// - every event with its timeline, and every timeline with its head;
/// - the state of every app and every account with the fold of its timeline (not with `states_follow` false: a store of
///   `--contract-only` has states that no event tells);
/// - the platform timeline with the timelines: it has every event once;
/// - every identifier in the index with the event that it leads to;
/// - every name, address, domain, membership, add-on, invitation, timer and token with the state that it follows from, in
///   both directions.
///
/// Goes on after what is wrong. `progress` gets the number of things that have been read.
///
/// # Errors
///
/// Fails if the store is unavailable. What is damaged is a finding.
pub async fn check(
    store: &dyn Portable,
    states_follow: bool,
    mut progress: impl FnMut(u64) + Send,
) -> Result<Checked, Error> {
    let mut checked = Checked::default();
    let lengths = timelines::check(store, states_follow, &mut checked, &mut progress).await?;
    platform::check(store, lengths, &mut checked, &mut progress).await?;
    identifiers::check(store, &mut checked, &mut progress).await?;
    rows::check(store, &mut checked, &mut progress).await?;
    Ok(checked)
}

/// Passes on that the store is unavailable. Any other error is a finding.
fn available<T>(read: Result<T, Error>) -> Result<Result<T, Error>, Error> {
    match read {
        Err(error @ (Error::Unavailable(_) | Error::Closed)) => Err(error),
        read => Ok(read),
    }
}
