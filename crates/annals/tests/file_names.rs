//! Every file can be checked out on every system: names of snapshots, for one, are derived from names of tests.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What Windows refuses in a file's name, besides the separators of a path.
const REFUSED: &[char] = &['<', '>', ':', '"', '\\', '|', '?', '*'];
/// A path is checked out below a directory, and Windows limits both together to 260 characters.
const PATH_CHARACTERS_MAX: usize = 180;

#[test]
fn every_file_name_is_valid_on_windows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut seen = BTreeSet::new();
    let mut invalid = Vec::new();
    for path in files(&root) {
        let path = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let is_valid = is_valid(&path) && seen.insert(path.to_lowercase());
        if !is_valid {
            invalid.push(path);
        }
    }
    assert!(seen.len() > 200, "the files were not found");
    assert!(invalid.is_empty(), "Windows cannot check these files out: {invalid:#?}");
}

fn is_valid(path: &str) -> bool {
    let are_parts_valid = path.split('/').all(|part| !part.ends_with([' ', '.']));
    let has_refused = path.contains(|c: char| REFUSED.contains(&c) || c.is_control());
    are_parts_valid && !has_refused && path.chars().count() <= PATH_CHARACTERS_MAX
}

/// Returns the files of the repository, without what builds and package managers write.
fn files(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if !path.is_dir() {
                found.push(path);
            } else if !matches!(name, ".git" | "target" | "node_modules") {
                folders.push(path);
            }
        }
    }
    found
}

#[test]
fn refused_names_are_found() {
    assert!(is_valid("crates/server/tests/it/snapshots/it__apps__the_life_of_an_app.snap"));
    for path in ["docs/a?b.md", "docs/a:b", "docs/a ", "docs./a", &"a".repeat(181)] {
        assert!(!is_valid(path), "{path}");
    }
}
