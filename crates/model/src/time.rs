//! Instants in UTC, to the millisecond.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant between 1970 and 9999, in milliseconds since the Unix epoch.
///
/// It is written as RFC 3339 in UTC with three fraction digits (`2026-11-01T08:00:00.000Z`), which is always
/// [`Time::TEXT_BYTES`] long. It is read from any RFC 3339 date-time; finer fractions are truncated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

/// The error for a text that is not a [`Time`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidTime;

impl Time {
    /// The length of a written time.
    pub const TEXT_BYTES: usize = 24;
    /// Midnight of 1 January 1970.
    pub const EPOCH: Self = Self(0);
    /// The last instant that can be written in RFC 3339 with every offset.
    pub const MAX: Self = Self(253_402_207_199_999);

    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

    /// Returns the instant this many milliseconds after the epoch, at most [`Time::MAX`].
    pub const fn from_millis(millis: u64) -> Self {
        if millis > Self::MAX.0 { Self::MAX } else { Self(millis) }
    }

    /// Returns the milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the whole seconds since the epoch.
    pub const fn as_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Returns the instant this many milliseconds later.
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Returns the instant this many milliseconds earlier, but not before the epoch.
    pub const fn minus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_sub(millis))
    }

    /// Appends the written form.
    pub fn write_to(self, out: &mut Vec<u8>) {
        let timestamp = Timestamp::from_millisecond(self.0.cast_signed())
            .expect("a Time is within the years a timestamp can hold");
        Self::PRINTER.print_timestamp(&timestamp, out).expect("writing to memory cannot fail");
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(Self::TEXT_BYTES);
        self.write_to(&mut text);
        f.write_str(std::str::from_utf8(&text).expect("a written time is ASCII"))
    }
}

impl fmt::Display for InvalidTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be an RFC 3339 date-time from 1970 on, such as 2026-11-01T08:00:00.000Z")
    }
}

impl std::error::Error for InvalidTime {}

impl FromStr for Time {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        // jiff also accepts forms beyond RFC 3339, such as a date with only an hour, or a zone in brackets.
        let bytes = text.as_bytes();
        if bytes.len() < 20 || bytes.get(16) != Some(&b':') || bytes.contains(&b'[') {
            return Err(InvalidTime);
        }
        let text = without_excess_digits(text);
        let millis = text.parse::<Timestamp>().map_err(|_| InvalidTime)?.as_millisecond();
        match u64::try_from(millis) {
            Ok(millis) if millis <= Self::MAX.0 => Ok(Self(millis)),
            _ => Err(InvalidTime),
        }
    }
}

/// Cuts a fraction of a second after its ninth digit, the last that jiff reads. RFC 3339 allows any number of digits.
fn without_excess_digits(text: &str) -> Cow<'_, str> {
    let Some(point) = text.find(['.', ',']) else { return text.into() };
    let (front, fraction) = text.split_at(point + 1);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    match digits {
        0..=9 => text.into(),
        _ => format!("{front}{}{}", &fraction[..9], &fraction[digits..]).into(),
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_in_utc_with_milliseconds() {
        for (given, written) in [
            ("2015-02-12T18:05:14.226+01:00", "2015-02-12T17:05:14.226Z"),
            ("2026-11-01T08:00:00Z", "2026-11-01T08:00:00.000Z"),
            ("2026-11-01t08:00:00.123456789z", "2026-11-01T08:00:00.123Z"),
            ("2026-11-01T08:00:00.1239999999999999999999+01:00", "2026-11-01T07:00:00.123Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
            ("9999-12-30T21:59:59.9999Z", "9999-12-30T21:59:59.999Z"),
        ] {
            assert_eq!(given.parse::<Time>().map(|time| time.to_string()), Ok(written.to_owned()), "{given}");
            assert_eq!(written.len(), Time::TEXT_BYTES);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for given in [
            "",
            "2026-11-01",
            "2026-11-01T08:00:00",
            "2026-13-01T08:00:00Z",
            "yesterday",
            "2026-11-01T08Z",
            "1969-12-31T23:59:59Z",
            "2026-11-01T08:00:00Z[UTC]",
            "2026-11-01T08:00:00.0000000000",
            "2026-11-01T08:00:00.0000000000x",
            "\u{fe0f}2026-11-01T08:00:00Z",
        ] {
            assert_eq!(given.parse::<Time>(), Err(InvalidTime), "{given}");
        }
    }
}
