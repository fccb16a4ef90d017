//! Unmodified clients of the Events API, and the forges' own payloads, against the program.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::running::{OPERATOR, Running};

/// Returns the directory of the scripts. `scripts/test` installs the packages that they need.
pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn play(script: &str, options: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::serve_with(&directory.path().join("store"), options);
    let output = Command::new("node")
        .args(["--test", script])
        .current_dir(scripts())
        .env("ANNALS_URL", &running.url)
        .env("ANNALS_OPERATOR_TOKEN", OPERATOR)
        .output()
        .expect("Node.js is installed");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "if the clients are not installed, run npm ci in {}\n{printed}",
        scripts().display()
    );
}

#[test]
fn the_javascript_client_reads_what_was_reported() {
    play("scalingo.test.mjs", &[]);
}

/// With the official JavaScript client and with the requests of the official command line.
#[test]
fn the_life_of_an_app() {
    play("life.test.mjs", &["--instant-builder", "true"]);
}

/// Those that GitHub publishes and GitLab documents.
#[test]
fn the_payloads_of_github_and_gitlab() {
    play("webhooks.test.mjs", &["--instant-builder", "true"]);
}

#[test]
fn deployments_are_followed_to_their_end() {
    play("deployments.test.mjs", &[]);
}
