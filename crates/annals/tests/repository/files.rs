//! File names.

use std::collections::BTreeSet;

use crate::{assert_none, read, tracked_files};

/// Names that say nothing of what is in a file.
const EMPTY_NAMES: &[&str] =
    &["utils", "util", "helpers", "helper", "common", "misc", "shared", "types", "stuff"];

/// A path is checked out below a directory, and Windows limits both together to 260 characters.
const PATH_BYTES_MAX: usize = 180;

/// Windows refuses some characters, and takes names that differ only in case for the same.
#[test]
fn file_names_work_on_every_system() {
    let mut seen = BTreeSet::new();
    let mut findings = tracked_files();
    findings.retain(|file| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
        let is_valid = file.chars().all(is_plain) && file.split('/').all(|part| !part.ends_with('.'));
        !is_valid || file.len() > PATH_BYTES_MAX || !seen.insert(file.to_lowercase())
    });
    assert_none(
        "short file names of letters, digits, `.`, `_` and `-` that differ in more than case",
        &findings,
    );
}

#[test]
fn file_names_say_what_is_in_the_file() {
    let findings: Vec<_> = tracked_files()
        .into_iter()
        .filter(|file| file.ends_with(".rs"))
        .filter(|file| {
            let name = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".rs");
            EMPTY_NAMES.contains(&name) || name.chars().any(char::is_uppercase) || name.contains('-')
        })
        .collect();
    assert_none("file names that say what is in the file, in snake case", &findings);
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let findings: Vec<_> = tracked_files()
        .into_iter()
        .filter(|file| file.ends_with(".rs") && file.starts_with("crates/") && !read(file).starts_with("//!"))
        .collect();
    assert_none("files that begin with what they are for (`//!`)", &findings);
}
