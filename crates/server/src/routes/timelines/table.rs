//! Events as rows of a table, in CSV (RFC 4180).

use std::borrow::Cow;

use annals_model::catalogue;
use annals_service::Positioned;
use csv::{Writer, WriterBuilder};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The columns after `position` and, on the platform timeline, `recorded_at_utc`. Times are in UTC. `type_data` has JSON.
const COLUMNS: [&str; 11] = [
    "id",
    "created_at_utc",
    "type",
    "category",
    "actor_id",
    "actor_username",
    "actor_email",
    "app_id",
    "app_name",
    "project_name",
    "type_data",
];

#[derive(Deserialize, Default)]
struct Row<'a> {
    #[serde(default)]
    id: &'a str,
    #[serde(default)]
    created_at: &'a str,
    #[serde(default, rename = "type")]
    event_type: &'a str,
    #[serde(borrow)]
    user: Option<Actor<'a>>,
    #[serde(default)]
    app_id: &'a str,
    #[serde(borrow, default)]
    app_name: Cow<'a, str>,
    #[serde(borrow, default)]
    project_name: Cow<'a, str>,
    #[serde(borrow)]
    type_data: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct Actor<'a> {
    #[serde(default)]
    id: &'a str,
    // A text with an escape cannot be borrowed.
    #[serde(borrow, default)]
    username: Cow<'a, str>,
    #[serde(borrow)]
    email: Option<Cow<'a, str>>,
}

pub(super) fn write_header(is_platform: bool, out: &mut Vec<u8>) {
    let first = ["position"].into_iter().chain(is_platform.then_some("recorded_at_utc"));
    write(out, |writer| writer.write_record(first.chain(COLUMNS)));
}

pub(super) fn write_rows(events: &[Positioned], out: &mut Vec<u8>) {
    write(out, |writer| {
        events.iter().try_for_each(|Positioned { position, recorded_at, event }| {
            let row: Row<'_> = serde_json::from_slice(event).unwrap_or_default();
            let category = catalogue::find(row.event_type).map_or("", |known| known.category.describe().0);
            let actor = row.user.unwrap_or_default();
            let cells: [&str; COLUMNS.len()] = [
                row.id,
                row.created_at,
                row.event_type,
                category,
                actor.id,
                &actor.username,
                actor.email.as_deref().unwrap_or_default(),
                row.app_id,
                &row.app_name,
                &row.project_name,
                row.type_data.map_or("", RawValue::get),
            ];
            writer.write_field(position.to_string())?;
            if let Some(recorded_at) = recorded_at {
                writer.write_field(recorded_at.to_string())?;
            }
            writer.write_record(cells.map(harmless).iter().map(|cell| cell.as_bytes()))
        })
    });
}

fn write(out: &mut Vec<u8>, rows: impl FnOnce(&mut Writer<&mut Vec<u8>>) -> csv::Result<()>) {
    let mut writer = WriterBuilder::new().from_writer(out);
    rows(&mut writer).expect("rows of one length can always be written to memory");
}

/// Returns a cell that no spreadsheet takes for a formula: one that begins like a formula gets an apostrophe in front
/// (OWASP, "CSV Injection").
fn harmless(cell: &str) -> Cow<'_, str> {
    match cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        true => format!("'{cell}").into(),
        false => cell.into(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (cell, expected) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("my-app", "my-app"),
            ("", ""),
        ] {
            assert_eq!(harmless(cell), expected);
        }
    }

    #[test]
    fn an_event_is_a_row_with_quoted_cells() {
        let event = r#"{"id":"6905bc8073636100011a0000","created_at":"2026-11-01T08:00:00.000Z","user":{"username":"=cmd","email":null,"id":"us-1"},"app_id":"5343eccd646173000a140000","app_name":"a\"b","type":"scale","type_data":{"previous_containers":{"web":1},"containers":{"web":2}}}"#;
        let mut out = Vec::new();
        let positioned = |position, recorded_at, event: &'static str| Positioned {
            position,
            recorded_at,
            event: Bytes::from_static(event.as_bytes()),
        };
        write_header(false, &mut out);
        write_rows(&[positioned(7, None, event), positioned(8, None, "null")], &mut out);
        write_header(true, &mut out);
        write_rows(&[positioned(7, Some(annals_model::Time::EPOCH), event)], &mut out);
        insta::assert_snapshot!(String::from_utf8(out).expect("CSV is text"));
    }
}
