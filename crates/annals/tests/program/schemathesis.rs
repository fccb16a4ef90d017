//! Thousands of generated requests against the OpenAPI document: no server error, and no response that the document does
//! not describe.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::running::{OPERATOR, Running, client};

const CHECKS: &str =
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

/// Returns a program that `scripts/test` has installed for the tests.
pub(super) fn installed(program: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/schemathesis/bin").join(program)
}

#[tokio::test]
async fn every_response_conforms_to_the_document() {
    let directory = tempfile::tempdir().unwrap();
    let options = ["--instant-builder", "true", "--attempts-per-minute", "1000000"];
    let running = Running::serve_with(&directory.path().join("store"), &options);
    let client = client();
    let send = async |token: &str, path: &str, body: Value| -> Value {
        let request = client.post(format!("{}{path}", running.url)).bearer_auth(token).json(&body);
        request.send().await.unwrap().json().await.unwrap()
    };
    let user = json!({ "user": { "username": "jane", "email": "jane@example.com" } });
    let registered = send(OPERATOR, "/v1/users", user).await;
    let jane = registered["token"]["token"].as_str().unwrap();
    let app = send(jane, "/v1/apps", json!({ "app": { "name": "my-app" } })).await;
    let id = app["app"]["id"].as_str().unwrap();
    let addon = json!({ "addon": { "addon_provider_id": "redis", "plan_id": "redis-sandbox" } });
    let addon = send(jane, &format!("/v1/apps/{id}/addons"), addon).await;
    let addon_id = addon["addon"]["id"].as_str().unwrap();
    // Path parameters name existing things, so that not every response is a 404.
    let parameters =
        format!("[parameters]\napp = \"{id}\"\naddon = \"{addon_id}\"\ndatabase = \"{addon_id}\"\n");
    let configuration = directory.path().join("schemathesis.toml");
    std::fs::write(&configuration, parameters).unwrap();

    let program = installed("st");
    for token in [jane, OPERATOR] {
        let output = Command::new(&program)
            .current_dir(directory.path())
            .arg("--config-file")
            .arg(&configuration)
            .args(["run", &format!("{}/openapi.json", running.url), "--no-color"])
            .args(["--header", &format!("Authorization: Bearer {token}")])
            .args(["--checks", CHECKS, "--phases", "coverage,fuzzing", "--max-examples", "10"])
            // It learns names from responses, and would delete the resources it needs.
            // These do not end.
            .args(["--exclude-path-regex", "/events/stream$"])
            .args(["--exclude-operation-id", "delete_app", "--exclude-operation-id", "delete_addon"])
            .args(["--generation-deterministic", "--workers", "1"])
            .output()
            .unwrap_or_else(|error| {
                panic!(
                    "schemathesis is not installed (scripts/test installs it): {}: {error}",
                    program.display()
                )
            });
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{printed}");
        assert!(printed.contains("generated"), "{printed}");
    }
}
