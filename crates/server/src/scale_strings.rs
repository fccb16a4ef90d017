//! `scale` events for clients that read container counts as strings.
//!
//! The contract has integers (`{"web":1}`), which are stored and served. The official Go clients expect amount and size,
//! `{"web":"1:M"}`, and show an unknown event otherwise. annals rewrites only these values, only for these clients. The
//! response then has `Vary` with the headers that tell them.
//!
//! Their names are in their user agents. But a program with go-scalingo may have a name of its own, so the library is also
//! recognized by what all its requests have: the content type of a body even if there is none, and that of the response it
//! accepts, and no other encoding than the one of Go's HTTP client. Browsers, scalingo.js, curl and Python's clients differ
//! in at least one of them.

use http::{HeaderMap, HeaderName, header};
use serde_json::Value;

/// The beginnings of these clients' user agents.
const USER_AGENTS: &[&str] = &["Scalingo CLI", "go-scalingo", "Scalingo Terraform Provider"];

/// What every request of go-scalingo has, even one without a body.
const GO_SCALINGO: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "application/json"),
    (header::ACCEPT, "application/json"),
    (header::ACCEPT_ENCODING, "gzip"),
];

/// The headers on which the form of an event depends.
pub(crate) const VARY: &str = "User-Agent, Content-Type, Accept, Accept-Encoding";

/// Whether the client that sends a request without a body expects strings.
pub(crate) fn are_read_by(headers: &HeaderMap) -> bool {
    let value = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    USER_AGENTS.iter().any(|known| value(header::USER_AGENT).starts_with(known))
        || GO_SCALINGO.into_iter().all(|(name, expected)| value(name) == expected)
}

/// Appends an event in the form that these clients expect.
pub(crate) fn write(event: &[u8], out: &mut Vec<u8>) {
    let rewritten = (annals_model::event::type_in(event) == Some("scale")).then(|| rewrite(event)).flatten();
    match rewritten {
        Some(value) => serde_json::to_writer(out, &value).expect("a value can always be written to memory"),
        None => out.extend_from_slice(event),
    }
}

fn rewrite(event: &[u8]) -> Option<Value> {
    let mut event: Value = serde_json::from_slice(event).ok()?;
    let data = event.get_mut("type_data")?.as_object_mut()?;
    for (containers, sizes) in [("previous_containers", "previous_sizes"), ("containers", "sizes")] {
        let sizes = data.get(sizes).cloned().unwrap_or_default();
        for (name, amount) in data.get_mut(containers)?.as_object_mut()? {
            *amount = match sizes.get(name).and_then(Value::as_str) {
                Some(size) => format!("{amount}:{size}").into(),
                None => amount.to_string().into(),
            };
        }
    }
    Some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(event: &str) -> String {
        let mut out = Vec::new();
        write(event.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_scale_events_are_rewritten_and_of_them_only_the_amounts() {
        let scale = |previous: &str, now: &str, sizes: &str| {
            format!(
                r#"{{"id":"6905bc8073636100011a0004","type":"scale","type_data":{{"previous_containers":{previous},"containers":{now}{sizes}}}}}"#
            )
        };
        let sizes = r#","previous_sizes":{"web":"M"},"sizes":{"web":"M","worker":"2XL"}"#;
        assert_eq!(
            written(&scale(r#"{"web":1}"#, r#"{"web":2,"worker":0}"#, sizes)),
            scale(r#"{"web":"1:M"}"#, r#"{"web":"2:M","worker":"0:2XL"}"#, sizes)
        );
        assert_eq!(written(&scale("{}", r#"{"web":2}"#, "")), scale("{}", r#"{"web":"2"}"#, ""));
        let other =
            r#"{"id":"6905bc8073636100011a0004","type":"run","type_data":{"command":"\"type\":\"scale\""}}"#;
        assert_eq!(written(other), other);
    }

    #[test]
    fn only_the_clients_that_read_strings_get_them() {
        for (user_agent, expected) in [
            ("Scalingo CLI v1.48.0", true),
            ("go-scalingo/v11", true),
            ("Scalingo Terraform Provider 2", true),
            ("Scalingo Javascript Client", false),
            ("curl/8", false),
        ] {
            let headers = HeaderMap::from_iter([(header::USER_AGENT, user_agent.parse().unwrap())]);
            assert_eq!(are_read_by(&headers), expected, "{user_agent}");
        }
        assert!(!are_read_by(&HeaderMap::new()));
        // A Go program with its own user agent; Python's requests and a browser's fetch with the same two types.
        for (encoding, expected) in
            [("gzip", true), ("gzip, deflate", false), ("gzip, deflate, br, zstd", false), ("", false)]
        {
            let headers = HeaderMap::from_iter([
                (header::USER_AGENT, "my-bot/1.0".parse().unwrap()),
                (header::CONTENT_TYPE, "application/json".parse().unwrap()),
                (header::ACCEPT, "application/json".parse().unwrap()),
                (header::ACCEPT_ENCODING, encoding.parse().unwrap()),
            ]);
            assert_eq!(are_read_by(&headers), expected, "{encoding}");
        }
    }
}
