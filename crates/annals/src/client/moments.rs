//! How times are shown.

use annals_model::Time;
use annals_service::{Clock as _, SystemClock};
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// The options that say how times are shown.
#[derive(Args, Clone, Copy)]
pub(super) struct Moments {
    /// Show dates and times of the local time zone, not how long ago
    #[arg(long, help_heading = "Output")]
    absolute: bool,

    /// Show dates and times in UTC
    #[arg(long, help_heading = "Output")]
    utc: bool,
}

impl Moments {
    /// Writes a time as the options say; what is no time stays as it is.
    pub(super) fn show(self, time: &str) -> String {
        let Ok(time) = time.parse::<Time>() else { return time.to_owned() };
        match self {
            Self { utc: true, .. } => in_zone(time, TimeZone::UTC, "%Y-%m-%d %H:%M:%SZ"),
            Self { absolute: true, .. } => in_zone(time, TimeZone::system(), "%Y-%m-%d %H:%M:%S"),
            _ => ago(time, now()),
        }
    }
}

/// Returns the time by the clock of this machine.
pub(super) fn now() -> Time {
    SystemClock.now()
}

fn in_zone(time: Time, zone: TimeZone, format: &str) -> String {
    let timestamp = Timestamp::from_millisecond(time.as_millis().cast_signed()).unwrap_or_default();
    timestamp.to_zoned(zone).strftime(format).to_string()
}

/// Says how long ago a time was, in its largest unit.
fn ago(time: Time, now: Time) -> String {
    let (passed, is_past) = match now.as_millis().checked_sub(time.as_millis()) {
        Some(passed) => (passed, true),
        None => (time.as_millis() - now.as_millis(), false),
    };
    let amount = match passed {
        0..SECOND_MS => return "now".to_owned(),
        SECOND_MS..MINUTE_MS => format!("{}s", passed / SECOND_MS),
        MINUTE_MS..HOUR_MS => format!("{}m", passed / MINUTE_MS),
        HOUR_MS..DAY_MS => format!("{}h", passed / HOUR_MS),
        _ => format!("{}d", passed / DAY_MS),
    };
    if is_past { format!("{amount} ago") } else { format!("in {amount}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_its_largest_unit() {
        let now = Time::from_millis(1_000 * DAY_MS);
        for (millis, expected) in [
            (0, "now"),
            (999, "now"),
            (1_000, "1s ago"),
            (59_999, "59s ago"),
            (90_000, "1m ago"),
            (HOUR_MS, "1h ago"),
            (49 * HOUR_MS, "2d ago"),
            (400 * DAY_MS, "400d ago"),
        ] {
            assert_eq!(ago(now.minus_millis(millis), now), expected);
        }
        assert_eq!(ago(now.plus_millis(5_000), now), "in 5s");
        let utc = Moments { absolute: false, utc: true };
        assert_eq!(utc.show("2026-11-01T08:00:00.000Z"), "2026-11-01 08:00:00Z");
        assert_eq!(utc.show("yesterday"), "yesterday");
    }
}
