//! README's "Two minutes": every command is run as it is printed, and must respond as it is printed.
//!
//! - In a `sh` block every line is a command. `cargo run --release --` starts the built program, which stays in the background.
//! - In a `console` block a line that begins with `$ ` is a command; lines indented by four spaces continue it. Other lines are
//!   the response, in which `…` stands for anything. Line breaks do not count, so a long response can be wrapped.
//! - `export NAME=…` lasts for the commands that follow. If its value has a `…`, the value is taken from the last response:
//!   the first JSON string there that the value stands for.
//!
//! The commands run in a directory of their own, which has the repository's `docs`. `:8080` becomes a free port, and the release
//! build becomes the one that is tested.

use std::fmt::Write;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::running::Running;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const PROGRAM: &str = "cargo run --release -- ";
/// The program that this has built.
const BUILT: &str = "target/release/annals ";

/// A printed command, and the response printed below it. A command of a `sh` block has none.
#[derive(Debug, PartialEq)]
struct Step {
    command: String,
    response: Option<String>,
}

/// Reads the commands of one section.
fn steps(document: &str, section: &str) -> Vec<Step> {
    let start = document.find(&format!("\n## {section}\n")).expect("the section is there") + 1;
    let end = document[start..].find("\n## ").map_or(document.len(), |length| start + length);
    let mut steps: Vec<Step> = Vec::new();
    let mut block = None;
    for line in document[start..end].lines() {
        match (block, line.strip_prefix("```")) {
            (Some(_), Some(_)) => block = None,
            (None, Some(language)) => block = Some(language),
            (Some("sh"), None) => steps.push(Step { command: line.to_owned(), response: None }),
            (Some("console"), None) => read_line(&mut steps, line),
            _ => {}
        }
    }
    steps
}

/// Reads a line of a `console` block.
fn read_line(steps: &mut Vec<Step>, line: &str) {
    if let Some(command) = line.strip_prefix("$ ") {
        steps.push(Step { command: command.to_owned(), response: Some(String::new()) });
        return;
    }
    let Step { command, response } = steps.last_mut().expect("a response follows a command");
    match response {
        Some(response) if response.is_empty() && line.starts_with("    ") => {
            write!(command, "\n{line}").unwrap();
        }
        Some(response) => response.push_str(line.trim()),
        None => panic!("a console block begins with a command: {line}"),
    }
}

/// A reader of the document, at a terminal.
struct Reader {
    directory: tempfile::TempDir,
    port: u16,
    exports: Vec<(String, String)>,
    last_response: String,
    running: Option<Running>,
}

impl Reader {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        symlink(Path::new(ROOT).join("docs").canonicalize().unwrap(), directory.path().join("docs")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { directory, port, exports: Vec::new(), last_response: String::new(), running: None }
    }

    /// Does every step. Returns what is wrong with the first one that goes wrong.
    fn follow(&mut self, steps: &[Step]) -> Result<(), String> {
        steps.iter().try_for_each(|step| self.act(step))
    }

    fn act(&mut self, Step { command, response }: &Step) -> Result<(), String> {
        if let Some(export) = command.strip_prefix("export ") {
            return self.export(export);
        }
        if let Some(arguments) = command.strip_prefix(PROGRAM) {
            let script = format!("exec {} {arguments}", env!("CARGO_BIN_EXE_annals"));
            self.running = Some(Running::start(self.shell(&script)));
            return Ok(());
        }
        let output = self.shell(command).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        if !output.status.success() {
            return Err(format!("{command}\n{printed}{}", String::from_utf8_lossy(&output.stderr)));
        }
        let printed: String = printed.lines().map(str::trim).collect();
        if let Some(expected) = response.as_ref().map(|response| self.localize(response))
            && !stands_for(&expected, &printed)
        {
            return Err(format!("{command}\nexpected: {expected}\nprinted:  {printed}"));
        }
        self.last_response = printed;
        Ok(())
    }

    /// A shell for a command, with what was exported so far.
    fn shell(&self, command: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", &self.localize(command)]).current_dir(self.directory.path()).env_clear();
        shell.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        shell.env("HOME", self.directory.path());
        shell.env("ANNALS_LISTEN", format!("127.0.0.1:{}", self.port));
        shell.envs(self.exports.iter().cloned());
        shell
    }

    fn localize(&self, text: &str) -> String {
        let built = format!("{} ", env!("CARGO_BIN_EXE_annals"));
        text.replace(":8080", &format!(":{}", self.port)).replace(BUILT, &built)
    }

    fn export(&mut self, export: &str) -> Result<(), String> {
        let (name, value) = export.split_once('=').ok_or(format!("export {export}"))?;
        let value = match value.contains('…') {
            true => {
                let response = serde_json::from_str(&self.last_response).unwrap_or_default();
                first_string(&response, value)
                    .ok_or_else(|| format!("export {export}: not in {}", self.last_response))?
            }
            false => value.to_owned(),
        };
        self.exports.push((name.to_owned(), value));
        Ok(())
    }
}

/// Returns the first string in a value that the pattern stands for.
fn first_string(value: &Value, pattern: &str) -> Option<String> {
    match value {
        Value::String(text) => stands_for(pattern, text).then(|| text.clone()),
        Value::Array(values) => values.iter().find_map(|value| first_string(value, pattern)),
        Value::Object(fields) => fields.values().find_map(|value| first_string(value, pattern)),
        _ => None,
    }
}

/// Returns whether the pattern, in which `…` stands for anything, stands for the text.
fn stands_for(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('…') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<_> = rest.split('…').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some((_, after)) = text.split_once(piece) else { return false };
        text = after;
    }
    text.ends_with(last)
}

#[test]
fn the_commands_of_the_readme_respond_as_printed() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let steps = steps(&readme, "Two minutes");
    let (exports, commands): (Vec<_>, Vec<_>) =
        steps.iter().partition(|step| step.command.starts_with("export "));
    assert!(commands.len() >= 5 && !exports.is_empty(), "{steps:#?}");
    Reader::new().follow(&steps).unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn a_mistake_in_a_document_is_found() {
    let document = |path: &str, response: &str| {
        format!(
            "# Title\n\n## One\n\n```sh\nexport ANNALS_OPERATOR_TOKEN=tk-op-choose-a-long-one\n\
             cargo run --release -- serve\n```\n\n```console\n$ curl -s \\\n    127.0.0.1:8080{path}\n{response}\n```\n\n\
             ## Two\n\n```sh\nfalse\n```\n"
        )
    };
    for (path, response, is_right) in [
        ("/healthz", r#"{"status":"ok"}"#, true),
        ("/healthz", "{\"sta…\n\"ok\"}", true),
        ("/healthz", r#"{"status":"good"}"#, false),
        ("/healthz", r#"{"sta…"ok"}}"#, false),
        ("/readiness", r#"{"status":"ok"}"#, false),
    ] {
        let followed = Reader::new().follow(&steps(&document(path, response), "One"));
        assert_eq!(followed.is_ok(), is_right, "{path} {response}: {followed:?}");
    }
    let mut reader = Reader::new();
    assert!(reader.follow(&steps(&document("", ""), "Two")).is_err(), "a command that fails");
    reader.last_response = r#"{"token":{"id":"1","token":"tk-us-1"}}"#.to_owned();
    assert_eq!(reader.export("TOKEN=tk-us-…"), Ok(()));
    assert_eq!(reader.exports, [("TOKEN".to_owned(), "tk-us-1".to_owned())]);
    assert!(reader.export("TOKEN=tk-op-…").is_err(), "a value that was not in the response");
}
