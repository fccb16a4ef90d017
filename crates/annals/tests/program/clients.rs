//! Clients that were written for the Events API, unmodified, against the program; and forges, by their own payloads.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::running::{OPERATOR, Running};

/// Where the scripts are, and what they need: `scripts/test` installs it, and without it they fail.
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
        "are the clients installed? npm ci in {}\n{printed}",
        scripts().display()
    );
}

/// The official JavaScript client reads what was reported.
#[test]
fn the_javascript_client() {
    play("scalingo.test.mjs", &[]);
}

/// The life of an app, with the official JavaScript client and with the requests of the official command line.
#[test]
fn the_life_of_an_app() {
    play("life.test.mjs", &["--instant-builder", "true"]);
}

/// The payloads that GitHub publishes, and those that GitLab documents.
#[test]
fn the_forges() {
    play("webhooks.test.mjs", &["--instant-builder", "true"]);
}
