//! Reading fields whose JSON type differs between platforms.

use serde::{Deserialize, Deserializer};

/// Reads text, or a number or a truth value as the text that JSON has for it. What is served is always text.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "must be text, a number, true or false")]
    enum Sent {
        Text(String),
        Number(serde_json::Number),
        Truth(bool),
    }
    Ok(match Sent::deserialize(deserializer)? {
        Sent::Text(text) => text,
        Sent::Number(number) => number.to_string(),
        Sent::Truth(truth) => truth.to_string(),
    })
}
