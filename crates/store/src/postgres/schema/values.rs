//! The encoding of values in the database.

use std::error::Error as StdError;
use std::fmt;

use annals_model::Time;
use bytes::{BufMut, Bytes, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

use crate::contract::Head;
use crate::error::Error;
use crate::timeline::TimelineId;

/// PostgreSQL's epoch, 2000-01-01, in milliseconds since 1970.
const EPOCH_MILLIS: i64 = 946_684_800_000;

/// Returns a time in microseconds since PostgreSQL's epoch.
pub(crate) fn postgres_micros(time: Time) -> i64 {
    (to_i64(time.as_millis()) - EPOCH_MILLIS).saturating_mul(1000)
}

/// A `timestamptz`, exact to the millisecond.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timestamp(pub(crate) Time);

impl ToSql for Timestamp {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.put_i64(postgres_micros(self.0));
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Timestamp {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        let millis = i64::from_be_bytes(raw.try_into()?) / 1000 + EPOCH_MILLIS;
        Ok(Self(Time::from_millis(u64::try_from(millis)?)))
    }

    accepts!(TIMESTAMPTZ);
}

/// Returns a head from the columns of its row, which are null if the timeline has no row.
pub(crate) fn head_from(length: Option<i64>, latest: Option<Timestamp>, last_late: Option<i64>) -> Head {
    Head {
        length: to_u64(length.unwrap_or_default()),
        latest: latest.map_or(Time::EPOCH, |Timestamp(latest)| latest),
        last_late: to_u64(last_late.unwrap_or_default()),
    }
}

/// JSON, byte for byte.
#[derive(Clone)]
pub(crate) struct Json(pub(crate) Bytes);

impl fmt::Debug for Json {
    /// Shows only the length: the driver logs what it sends, and the content may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl ToSql for Json {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    accepts!(JSON);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Json {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(Bytes::copy_from_slice(raw)))
    }

    accepts!(JSON, TEXT);
}

/// The length of JSON or text.
pub(crate) struct JsonLength(pub(crate) usize);

impl<'a> FromSql<'a> for JsonLength {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(raw.len()))
    }

    accepts!(JSON, TEXT);
}

/// Returns a timeline's name in the tables: the app's identifier, or the user's, which begins with `us-`.
pub(crate) fn timeline_name(timeline: TimelineId) -> String {
    match timeline {
        TimelineId::App(app) => app.to_string(),
        TimelineId::User(user) => user.to_string(),
    }
}

/// Parses a timeline's name.
pub(crate) fn parse_timeline_name(text: &str) -> Result<TimelineId, Error> {
    let parsed = match text.starts_with("us-") {
        true => text.parse().map(TimelineId::User),
        false => text.parse().map(TimelineId::App),
    };
    parsed.map_err(|_| Error::Damaged("the name of a timeline cannot be read".to_owned()))
}

/// Converts a number for the database, which has only signed integers.
pub(crate) fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Converts a number from the database that is never negative.
pub(crate) fn to_u64(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
