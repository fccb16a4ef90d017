//! Progress on long work, on standard error; nothing where that is no terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const REDRAWN_EVERY: Duration = Duration::from_millis(200);

/// Shows a bar with an estimate of the time left.
pub(super) fn bar(what: &'static str, length: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {percent}% {eta} left");
    let bar = ProgressBar::new(length).with_style(style.expect("the template is valid")).with_message(what);
    bar.enable_steady_tick(REDRAWN_EVERY);
    bar
}
