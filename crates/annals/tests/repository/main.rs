//! Rules of the repository that no compiler holds.
//!
//! - `layers`: crates depend on each other one way, modules in no cycle.
//! - `dependencies`: every dependency has an allowed licence and comes from the registry.
//! - `words`: the names and phrases that the project gave up for the field's terms stay away.
//! - `files`: every file name works on every system and says what is in the file.
//! - `links`: every link between documents leads somewhere.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod dependencies;
mod files;
mod layers;
mod links;
mod words;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The files of the repository, as paths from its root: those that git tracks or would track.
fn tracked_files() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).unwrap();
    // A file in conflict is listed once for each side.
    let files: BTreeSet<_> = names.split_terminator('\0').filter(|name| path_of(name).is_file()).collect();
    assert!(files.len() > 300, "the whole repository is read");
    files.into_iter().map(str::to_owned).collect()
}

fn path_of(file: &str) -> PathBuf {
    PathBuf::from(ROOT).join(file)
}

/// The text of a file.
fn read(file: &str) -> String {
    std::fs::read_to_string(path_of(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Fails with every finding, not with the first.
#[track_caller]
fn assert_none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}: {} findings\n{}", findings.len(), findings.join("\n"));
}
