//! A running program on a port of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

pub(crate) const OPERATOR: &str = "tk-op-0123456789abcdef";

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_annals"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// The command that serves the store in that place.
pub(crate) fn serve(store: &Path) -> Command {
    let mut serve = command();
    serve.args(["serve", "--store"]).arg(store);
    serve
}

/// The program, serving a store.
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

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        self.url.trim_start_matches("http://").to_owned()
    }

    /// Starts a command that says in its first line where it listens.
    pub(crate) fn start(command: Command) -> Self {
        Self::start_logging(command, Stdio::null())
    }

    /// The same, with its log to that place.
    pub(crate) fn start_logging(mut command: Command, log: impl Into<Stdio>) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let start = line.find("http://").unwrap_or_else(|| panic!("it says where it listens: {line:?}"));
        let url = line[start..].split([',', ' ', '\n']).next().unwrap().to_owned();
        Self { process, url, out }
    }

    /// Lines that it printed, up to one that begins so.
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

    /// Ends it at once, as a power cut would end the process.
    pub(crate) fn kill(mut self) {
        self.die();
    }

    /// The same, where something else takes its place.
    pub(crate) fn die(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to stop, and waits until it did.
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

/// Gets JSON.
pub(crate) async fn get(client: &reqwest::Client, url: &str, token: &str) -> Value {
    let answer = client.get(url).bearer_auth(token).send().await.unwrap();
    assert!(answer.status().is_success(), "{url}: {}", answer.status());
    answer.json().await.unwrap()
}
