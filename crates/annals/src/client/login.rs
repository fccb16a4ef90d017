//! `annals login` and `annals logout`.

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::{Context as _, bail};
use clap::Args;

use super::api::{Api, Connection, DEFAULT_URL, checked};
use super::credentials::Credentials;
use super::failure::EXIT_CODES;
use super::whoami;
use crate::output::eprint;

#[derive(Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Options {
    #[command(flatten)]
    connection: Connection,
}

const EXAMPLES: &str = "\
The address and the token are kept in ~/.config/annals/credentials.json, which only you can read. Without --token, the token is asked
for, or read from standard input if that is not a terminal.

Examples:
  annals login --url https://annals.example.com
  annals login < token-file";

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let (url, token) = options.connection.given();
    let url = checked(url.as_deref().unwrap_or(DEFAULT_URL))?;
    let token = match token {
        Some(token) => token,
        None => ask(&url)?,
    };
    let api = Api::new(&url, &token)?;
    let caller = whoami::caller(&api).await?;
    if url.starts_with("http://") && !is_local(&url) {
        eprint("annals: warning: http:// sends your token unencrypted; use https:// if the server has it");
    }
    let path = Credentials { url, token }.keep()?;
    eprint(&format!("Signed in to {} as {caller}; kept in {}", api.url, path.display()));
    Ok(())
}

pub(crate) fn log_out() -> anyhow::Result<()> {
    let message = match Credentials::forget()? {
        true => "Signed out; the token is still valid until you revoke it",
        false => "Nobody was signed in",
    };
    eprint(message);
    Ok(())
}

fn ask(url: &str) -> anyhow::Result<String> {
    let token = match std::io::stdin().is_terminal() {
        true => {
            rpassword::prompt_password(format!("Token for {url}: ")).context("the token cannot be read")?
        }
        false => {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).context("the token cannot be read")?;
            line
        }
    };
    match token.trim() {
        "" => bail!("there is no token; give one with --token, ANNALS_TOKEN or standard input"),
        token => Ok(token.to_owned()),
    }
}

fn is_local(url: &str) -> bool {
    let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| ["127.0.0.1", "[::1]", "localhost"].contains(&&*host))
}
