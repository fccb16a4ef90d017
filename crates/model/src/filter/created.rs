//! Spans of time in filters.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::Time;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// A span of time: from one instant on, and before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created {
    /// The first millisecond of the span.
    from: u64,
    /// The first millisecond after the span.
    until: u64,
}

impl Created {
    /// All of time.
    pub const ALWAYS: Self = Self { from: 0, until: u64::MAX };

    /// Returns the span from a time on, that of the parameter `since`.
    ///
    /// # Errors
    ///
    /// Says that this is no time, and what to write.
    pub fn since(value: &str, now: Time) -> Result<Self, String> {
        Ok(Self { from: read(value, now)?.from, ..Self::ALWAYS })
    }

    /// Returns the span up to and including a time, that of the parameter `until`.
    ///
    /// # Errors
    ///
    /// Says that this is no time, and what to write.
    pub fn until(value: &str, now: Time) -> Result<Self, String> {
        Ok(Self { until: read(value, now)?.until, ..Self::ALWAYS })
    }

    /// Returns the span of one instant.
    pub fn at(time: Time) -> Self {
        instant(time)
    }

    /// Reads what follows `created:`.
    pub(super) fn parse(value: &str, now: Time) -> Result<Self, String> {
        if let Some(value) = value.strip_prefix(">=") {
            Self::since(value, now)
        } else if let Some(value) = value.strip_prefix("<=") {
            Self::until(value, now)
        } else if let Some(value) = value.strip_prefix('>') {
            Ok(Self { from: read(value, now)?.until, ..Self::ALWAYS })
        } else if let Some(value) = value.strip_prefix('<') {
            Ok(Self { until: read(value, now)?.from, ..Self::ALWAYS })
        } else if let Some((first, last)) = value.split_once("..") {
            let from = if first.is_empty() { 0 } else { read(first, now)?.from };
            let until = if last.is_empty() { u64::MAX } else { read(last, now)?.until };
            if from >= until {
                return Err("the span ends before it begins".to_owned());
            }
            Ok(Self { from, until })
        } else if is_relative(value) {
            Self::since(value, now)
        } else {
            read(value, now)
        }
    }

    /// Returns whether the span has this instant.
    pub fn contains(self, time: Time) -> bool {
        (self.from..self.until).contains(&time.as_millis())
    }

    /// Returns the first instant of the span.
    pub fn first(self) -> Time {
        Time::from_millis(self.from)
    }

    /// Returns the last instant of the span; `None` if it has no end.
    pub fn last(self) -> Option<Time> {
        (self.until != u64::MAX).then(|| Time::from_millis(self.until.saturating_sub(1)))
    }

    /// Returns what both spans have.
    pub(super) fn within(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), until: self.until.min(other.until) }
    }
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.first();
        match self.last() {
            _ if self.until == 0 => write!(f, "<{}", Time::EPOCH),
            None => write!(f, ">={first}"),
            Some(last) if self.from == 0 => write!(f, "<={last}"),
            Some(last) if first == last => write!(f, "{first}"),
            Some(last) => write!(f, "{first}..{last}"),
        }
    }
}

fn is_relative(value: &str) -> bool {
    value.starts_with('-')
}

/// Reads an instant, a day or a month in UTC, or a time before now (`-7d`).
fn read(value: &str, now: Time) -> Result<Created, String> {
    if let Some(ago) = value.strip_prefix('-') {
        return before(ago, now).map(instant).ok_or_else(|| unreadable(value));
    }
    if let Ok(time) = value.parse::<Time>() {
        return Ok(instant(time));
    }
    days(value).ok_or_else(|| unreadable(value))
}

fn unreadable(value: &str) -> String {
    format!(
        "{value:?} is not a time; write a day (2026-01-31), a month (2026-01), an instant (2026-01-31T08:00:00Z), or a time \
         ago (-90m, -12h, -7d, -4w)"
    )
}

fn instant(time: Time) -> Created {
    Created { from: time.as_millis(), until: time.as_millis() + 1 }
}

fn before(ago: &str, now: Time) -> Option<Time> {
    let unit = match ago.chars().next_back()? {
        's' => 1000,
        'm' => MINUTE_MS,
        'h' => 60 * MINUTE_MS,
        'd' => DAY_MS,
        'w' => 7 * DAY_MS,
        _ => return None,
    };
    let amount = &ago[..ago.len() - 1];
    let is_number = !amount.is_empty() && amount.bytes().all(|byte| byte.is_ascii_digit());
    let amount: u64 = amount.parse().ok().filter(|_| is_number)?;
    Some(now.minus_millis(amount.saturating_mul(unit)))
}

/// Reads a day or a month in UTC.
fn days(value: &str) -> Option<Created> {
    let is_digit_or_dash = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let (first, next) = match value.len() {
        10 if is_digit_or_dash => {
            let day: Date = value.parse().ok()?;
            (day, day.tomorrow().ok()?)
        }
        7 if is_digit_or_dash => {
            let first: Date = format!("{value}-01").parse().ok()?;
            (first, first.last_of_month().tomorrow().ok()?)
        }
        _ => return None,
    };
    Some(Created { from: midnight(first)?, until: midnight(next)? })
}

fn midnight(day: Date) -> Option<u64> {
    let millis = day.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
    u64::try_from(millis).ok()
}
