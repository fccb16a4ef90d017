//! A running program on a free port.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

pub(crate) const OPERATOR: &str = "tk-op-0123456789abcdef";

/// Returns a client, as the program has it: with the same library for cryptography.
pub(crate) fn client() -> reqwest::Client {
    client_builder().build().unwrap()
}

pub(crate) fn client_builder() -> reqwest::ClientBuilder {
    // Another test may have chosen it already.
    _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_annals"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// Returns the command that serves the store in that place.
pub(crate) fn serve(store: &Path) -> Command {
    let mut serve = command();
    serve.args(["serve", "--store"]).arg(store);
    serve
}

/// The program while it serves a store.
pub(crate) struct Running {
    process: Child,
    pub(crate) url: String,
    out: BufReader<std::process::ChildStdout>,
}

impl Running {
    /// Serves the store in that directory.
    pub(crate) fn serve(store: &Path) -> Self {
        Self::serve_with(store, &[])
    }

    /// Serves the store in that directory, with further options.
    pub(crate) fn serve_with(store: &Path, options: &[&str]) -> Self {
        let mut command = serve(store);
        command.args(["--operator-token", OPERATOR]).args(options);
        if !options.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        Self::start(command)
    }

    /// Returns the address that it listens on.
    pub(crate) fn address(&self) -> String {
        self.url.trim_start_matches("http://").to_owned()
    }

    /// Returns the identifier of its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Starts a command whose first line names the address that it listens on.
    pub(crate) fn start(command: Command) -> Self {
        Self::start_logging(command, Stdio::null())
    }

    /// Starts it like [`Self::start`], with its log going to that place.
    pub(crate) fn start_logging(mut command: Command, log: impl Into<Stdio>) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let start =
            line.find("http://").unwrap_or_else(|| panic!("the first line names no address: {line:?}"));
        let url = line[start..].split([',', ' ', '\n']).next().unwrap().to_owned();
        Self { process, url, out }
    }

    /// Returns the printed lines, up to one with this beginning.
    pub(crate) fn lines_until(&mut self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for line in self.out.by_ref().lines() {
            let line = line.unwrap();
            let is_last = line.trim_start().starts_with(last);
            lines.push(line);
            if is_last {
                break;
            }
        }
        lines
    }

    /// Kills the process, as a power cut would.
    pub(crate) fn kill(mut self) {
        self.die();
    }

    /// Kills the process but keeps the value.
    pub(crate) fn die(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks the process to stop, and waits until it has stopped.
    pub(crate) fn stop(mut self) -> ExitStatus {
        let asked = Command::new("kill").arg(self.process.id().to_string()).status().unwrap();
        assert!(asked.success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        self.process.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Requests JSON with GET.
pub(crate) async fn get(client: &reqwest::Client, url: &str, token: &str) -> Value {
    let answer = client.get(url).bearer_auth(token).send().await.unwrap();
    assert!(answer.status().is_success(), "{url}: {}", answer.status());
    answer.json().await.unwrap()
}
