//! What the program asks of the system for itself: private files, and enough file descriptors.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

/// The most file descriptors that are asked for.
const DESCRIPTORS_MAX: u64 = 65_536;
/// The descriptors of a directory besides its table files, and of the program itself.
const DESCRIPTORS_OF_PROGRAM: usize = 200;
/// The table files that a directory keeps open, if there are enough descriptors.
const TABLE_FILES: usize = 900;

/// Chooses what encrypts connections to servers. Their library is built with no choice of its own, so that the program has one such
/// library and not two.
pub(crate) fn choose_cryptography() {
    rustls::crypto::ring::default_provider().install_default().expect("nothing was chosen before");
}

/// Lets files that the program creates be read by its user alone, whatever the shell's setting is: stores, backups and
/// copies have secrets.
pub(crate) fn keep_files_private() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// How the file descriptors are shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptors {
    /// For connections of clients.
    pub(crate) connections: usize,
    /// For open table files of a directory.
    pub(crate) table_files: usize,
}

impl Descriptors {
    /// Raises the soft limit of descriptors as far as allowed, and shares them: at most `wanted` go to connections of
    /// clients, and `of_database` are needed for connections to a database.
    pub(crate) fn share(wanted: usize, of_database: usize) -> Self {
        let shared = Self::of_limit(raise_limit(), wanted, of_database);
        if shared.connections < wanted {
            tracing::warn!(
                connections_max = shared.connections,
                wanted,
                "fewer connections are served at once than --connections-max: raise the limit of file descriptors"
            );
        }
        shared
    }

    fn of_limit(limit: usize, wanted: usize, of_database: usize) -> Self {
        let free = limit.saturating_sub(DESCRIPTORS_OF_PROGRAM + of_database);
        // With few descriptors, table files get half: a table file that is closed only costs time.
        let table_files = TABLE_FILES.min(free / 2);
        Self { connections: wanted.min(free - table_files).max(1), table_files }
    }
}

/// Raises the soft limit of file descriptors. Returns the limit that holds then.
fn raise_limit() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(u64::MAX).min(DESCRIPTORS_MAX);
    let has = current.unwrap_or(u64::MAX);
    let raised =
        has < wanted && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok();
    usize::try_from(if raised { wanted } else { has }).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_the_engine_its_descriptors() {
        for (limit, wanted, of_database, connections, table_files) in [
            (65_536, 1_024, 0, 1_024, 900),
            (4_096, 1_024, 0, 1_024, 900),
            (4_096, 10_000, 0, 2_996, 900),
            (2_000, 1_024, 0, 900, 900),
            (1_024, 1_024, 0, 412, 412),
            (1_024, 100, 0, 100, 412),
            (1_024, 1_024, 19, 403, 402),
            (256, 1_024, 0, 28, 28),
            (100, 1_024, 0, 1, 0),
            (usize::MAX, 1_024, 0, 1_024, 900),
        ] {
            let shared = Descriptors { connections, table_files };
            assert_eq!(Descriptors::of_limit(limit, wanted, of_database), shared, "{limit} {wanted}");
        }
    }
}
