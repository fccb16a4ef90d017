//! What the program says to people: data and news on standard output, complaints on standard error.

use std::io::Write;

/// Says something. Where nobody listens any more there is nobody to tell.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Says what went wrong.
pub(crate) fn complain(text: &str) {
    _ = writeln!(std::io::stderr().lock(), "{text}");
}
