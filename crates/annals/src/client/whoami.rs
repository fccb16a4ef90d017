//! `annals whoami`.

use clap::Args;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::api::{Api, Connection};
use super::failure::{EXIT_CODES, Refused};
use crate::output::print;

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Options {
    #[command(flatten)]
    connection: Connection,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Who the server says the caller is.
pub(super) enum Caller {
    User(Value),
    Operator,
    Auditor,
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(user) => {
                let text = |field: &str| user[field].as_str().unwrap_or_default().to_owned();
                write!(f, "{} <{}> ({})", text("username"), text("email"), text("id"))
            }
            Self::Operator => f.write_str("the operator"),
            Self::Auditor => f.write_str("an auditor"),
        }
    }
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let api = options.connection.api()?;
    let caller = caller(&api).await?;
    if options.json {
        let caller = match caller {
            Caller::User(user) => json!({ "url": api.url, "role": "user", "user": user }),
            Caller::Operator => json!({ "url": api.url, "role": "operator" }),
            Caller::Auditor => json!({ "url": api.url, "role": "auditor" }),
        };
        print(&caller.to_string());
    } else {
        print(&format!("{caller} at {}", api.url));
    }
    Ok(())
}

/// Asks the server who the caller is.
pub(super) async fn caller(api: &Api) -> anyhow::Result<Caller> {
    let refusal = match api.get("/v1/users/self", &Vec::new()).await {
        Ok(answer) => return Ok(Caller::User(answer["user"].clone())),
        Err(error) => error,
    };
    let is_forbidden = |error: &anyhow::Error| {
        error.downcast_ref::<Refused>().is_some_and(|refused| refused.status == StatusCode::FORBIDDEN)
    };
    if !is_forbidden(&refusal) {
        return Err(refusal);
    }
    // Only the operator and auditors are no users. The operator alone reads mail.
    match api.get("/v1/operator/users/us-00000000-0000-0000-0000-000000000000/outbox", &Vec::new()).await {
        Err(error) if is_forbidden(&error) => Ok(Caller::Auditor),
        _ => Ok(Caller::Operator),
    }
}
