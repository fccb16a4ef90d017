//! Clients that were written for the Events API, unmodified, against the program.

use std::path::Path;
use std::process::Command;

use super::running::{OPERATOR, Running};

/// The official JavaScript client. `scripts/test` installs it; without it this fails.
#[tokio::test]
async fn the_javascript_client() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::serve(&directory.path().join("store"));
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let output = Command::new("node")
        .args(["--test", "scalingo.test.mjs"])
        .current_dir(&clients)
        .env("ANNALS_URL", &running.url)
        .env("ANNALS_OPERATOR_TOKEN", OPERATOR)
        .output()
        .expect("Node.js is installed");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "is the client installed? npm ci in {}\n{printed}", clients.display());
}
