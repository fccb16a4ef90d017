//! `scale` events for clients that read container counts as strings.
//!
//! The contract has integers (`{"web":1}`), which are stored and served. The official Go clients expect amount and size,
//! `{"web":"1:M"}`, and show an unknown event otherwise. annals recognizes these clients by their user agent, and rewrites
//! only these values, only for them. The response then has `Vary: User-Agent`.

use http::{HeaderMap, header};
use serde_json::Value;

/// The beginnings of these clients' user agents.
const USER_AGENTS: &[&str] = &["Scalingo CLI", "go-scalingo", "Scalingo Terraform Provider"];

/// Whether the client expects strings.
pub(crate) fn are_read_by(headers: &HeaderMap) -> bool {
    let user_agent =
        headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    USER_AGENTS.iter().any(|known| user_agent.starts_with(known))
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
    }
}
