//! Small things about JSON.

use serde::Serialize;

/// Appends a value as JSON.
pub(crate) fn write_json(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("what an event holds can always be written to memory");
}

/// The message of a JSON error without the position, which would be one within a part the sender never saw alone.
pub(crate) fn without_location(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
