//! The program's own output: results on standard output, problems and progress on standard error.

use std::io::Write;

/// Prints a line to standard output. A closed pipe is not an error.
pub(crate) fn print(text: &str) {
    // Colours go to terminals only, and nowhere if NO_COLOR is set.
    let mut out = anstream::stdout().lock();
    _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Prints a line to standard error.
pub(crate) fn eprint(text: &str) {
    _ = writeln!(std::io::stderr().lock(), "{text}");
}
