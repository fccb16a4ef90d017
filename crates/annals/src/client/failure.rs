//! What a server refuses, and the exit code that tells why.

use std::fmt;
use std::process::ExitCode;

use reqwest::StatusCode;
use serde_json::Value;

/// What every client command's help says of exit codes.
pub(super) const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed; 2 wrong use of the command; 3 not signed in, or not allowed; 4 there is no such thing.";

const WRONG_USE: u8 = 2;
const NOT_ALLOWED: u8 = 3;
const NOT_FOUND: u8 = 4;

/// The server's refusal of a request.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    /// The body, or null if it is not JSON.
    pub(super) body: Value,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(errors) = self.body["errors"].as_object() {
            let lines = errors.iter().flat_map(|(field, errors)| {
                let errors = errors.as_array().map(Vec::as_slice).unwrap_or_default();
                errors.iter().map(move |error| format!("{field}: {}", error.as_str().unwrap_or_default()))
            });
            return f.write_str(&lines.collect::<Vec<_>>().join("; "));
        }
        match (self.status, self.body["error"].as_str()) {
            (StatusCode::UNAUTHORIZED, _) => {
                f.write_str("the token is not valid; sign in with `annals login`, or set ANNALS_TOKEN")
            }
            (StatusCode::NOT_FOUND, Some("not found")) => {
                let what = self.body["resource"].as_str().unwrap_or("it");
                write!(f, "the {what} does not exist, or you have no access to it")
            }
            (_, Some(error)) => f.write_str(error),
            (status, None) => write!(f, "the server responded {status}; is it annals?"),
        }
    }
}

impl std::error::Error for Refused {}

impl Refused {
    /// Returns whether an error is a refusal that asking again would not change: not that of a server, or a proxy before it, that
    /// cannot respond now.
    pub(super) fn is_final(error: &anyhow::Error) -> bool {
        error.downcast_ref::<Self>().is_some_and(|refused| refused.status.is_client_error())
    }
}

/// Returns the exit code of a command that failed.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<Refused>().map(|refused| refused.status) {
        Some(StatusCode::UNPROCESSABLE_ENTITY) => ExitCode::from(WRONG_USE),
        Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => ExitCode::from(NOT_ALLOWED),
        Some(StatusCode::NOT_FOUND) => ExitCode::from(NOT_FOUND),
        _ => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_says_what_was_wrong() {
        for (status, body, expected) in [
            (
                422,
                json!({ "errors": { "q": ["column 1: a", "b"], "page": ["c"] } }),
                "q: column 1: a; q: b; page: c",
            ),
            (
                404,
                json!({ "resource": "app", "error": "not found" }),
                "the app does not exist, or you have no access to it",
            ),
            (
                401,
                json!({ "error": "x" }),
                "the token is not valid; sign in with `annals login`, or set ANNALS_TOKEN",
            ),
            (403, json!({ "error": "this needs the operator token" }), "this needs the operator token"),
            (502, Value::Null, "the server responded 502 Bad Gateway; is it annals?"),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(Refused { status, body }.to_string(), expected);
        }
    }
}
