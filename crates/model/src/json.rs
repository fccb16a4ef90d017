//! Writing JSON, and explaining JSON errors.

use serde::Serialize;

/// Appends a value as JSON.
pub(crate) fn write_json(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("an event can always be serialized to memory");
}

/// Returns a JSON error as a message for users.
///
/// It omits the position, since that counts from the start of a part, not of the body that the sender knows. It also
/// omits the names of Rust types.
pub fn plain_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
    let expected = text.rsplit_once(", expected ").filter(|_| text.starts_with("invalid "));
    let plain = match expected.map_or("", |(_, expected)| expected) {
        "i8" | "i16" | "i32" | "i64" => "must be a whole number",
        "u64" | "usize" => "must be a whole number, 0 or more",
        "u32" => "must be a whole number from 0 to 4294967295",
        "u16" => "must be a whole number from 0 to 65535",
        "u8" => "must be a whole number from 0 to 255",
        "f32" | "f64" => "must be a number",
        "a string" | "a borrowed string" => "must be a string",
        "a boolean" => "must be true or false",
        "a sequence" => "must be an array",
        "a map" => "must be an object",
        expected if expected.starts_with("struct ") => "must be an object",
        _ => text,
    };
    plain.to_owned()
}
