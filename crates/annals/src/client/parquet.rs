//! Exports as Parquet: one row per event, in columns.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use annals_model::{Time, catalogue};
use anyhow::Context as _;
use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::partial::Partial;

/// The columns. `recorded_at` is null except on the platform timeline, and `type_data` is JSON.
const SCHEMA: &str = "
message events {
  required int64 position;
  optional int64 recorded_at (TIMESTAMP(MILLIS, true));
  required binary id (STRING);
  required int64 created_at (TIMESTAMP(MILLIS, true));
  required binary type (STRING);
  optional binary category (STRING);
  optional binary actor_id (STRING);
  optional binary actor_username (STRING);
  optional binary actor_email (STRING);
  optional binary app_id (STRING);
  optional binary app_name (STRING);
  optional binary project_name (STRING);
  optional binary type_data (JSON);
}";

/// How many rows are written together, which bounds the memory that they take.
const ROWS_AT_ONCE: usize = 20_000;

#[derive(Deserialize)]
struct Row {
    position: u64,
    recorded_at: Option<Time>,
    id: String,
    created_at: Time,
    user: Option<Actor>,
    app_id: Option<String>,
    app_name: Option<String>,
    project_name: Option<String>,
    #[serde(rename = "type")]
    event_type: String,
    type_data: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Actor {
    id: String,
    username: String,
    email: Option<String>,
}

/// Writes lines of JSON as a Parquet file, beside them.
pub(super) fn convert(mut lines: Partial) -> anyhow::Result<Partial> {
    lines.file.seek(SeekFrom::Start(0))?;
    let mut path = lines.part.clone().into_os_string();
    path.push(".columns");
    let path = PathBuf::from(path);
    let out = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
    let mut rows = Vec::new();
    for line in BufReader::new(&lines.file).lines() {
        // An event that its reader may not see at all has only a position.
        let Ok(row) = serde_json::from_str::<Row>(&line?) else { continue };
        rows.push(row);
        if rows.len() == ROWS_AT_ONCE {
            write_group(&mut writer, &rows)?;
            rows.clear();
        }
    }
    if !rows.is_empty() {
        write_group(&mut writer, &rows)?;
    }
    let file = writer.into_inner()?;
    Ok(Partial { file, part: path, ..lines })
}

fn write_group(writer: &mut SerializedFileWriter<File>, rows: &[Row]) -> anyhow::Result<()> {
    let mut group = writer.next_row_group()?;
    let millis = |time: Time| time.as_millis().cast_signed();
    let actor = |part: fn(&Actor) -> Option<&str>| {
        rows.iter().map(move |row| row.user.as_ref().and_then(part)).collect::<Vec<_>>()
    };
    let texts = |part: fn(&Row) -> Option<&str>| rows.iter().map(part).collect::<Vec<_>>();
    write_numbers(&mut group, rows.iter().map(|row| Some(row.position.cast_signed())), false)?;
    write_numbers(&mut group, rows.iter().map(|row| row.recorded_at.map(millis)), true)?;
    write_texts(&mut group, &texts(|row| Some(&row.id)), false)?;
    write_numbers(&mut group, rows.iter().map(|row| Some(millis(row.created_at))), false)?;
    write_texts(&mut group, &texts(|row| Some(&row.event_type)), false)?;
    let category = |row: &Row| catalogue::find(&row.event_type).map(|known| known.category.describe().0);
    write_texts(&mut group, &rows.iter().map(category).collect::<Vec<_>>(), true)?;
    write_texts(&mut group, &actor(|actor| Some(&actor.id)), true)?;
    write_texts(&mut group, &actor(|actor| Some(&actor.username)), true)?;
    write_texts(&mut group, &actor(|actor| actor.email.as_deref()), true)?;
    write_texts(&mut group, &texts(|row| row.app_id.as_deref()), true)?;
    write_texts(&mut group, &texts(|row| row.app_name.as_deref()), true)?;
    write_texts(&mut group, &texts(|row| row.project_name.as_deref()), true)?;
    write_texts(&mut group, &texts(|row| row.type_data.as_deref().map(RawValue::get)), true)?;
    group.close()?;
    Ok(())
}

type Group<'a> = SerializedRowGroupWriter<'a, File>;

fn write_numbers(
    group: &mut Group<'_>,
    values: impl Iterator<Item = Option<i64>> + Clone,
    is_optional: bool,
) -> anyhow::Result<()> {
    let levels: Vec<i16> = values.clone().map(|value| value.is_some().into()).collect();
    let present: Vec<i64> = values.flatten().collect();
    let mut column = group.next_column()?.context("the schema has more columns")?;
    if let ColumnWriter::Int64ColumnWriter(writer) = column.untyped() {
        writer.write_batch(&present, is_optional.then_some(&levels), None)?;
    }
    column.close()?;
    Ok(())
}

fn write_texts(group: &mut Group<'_>, values: &[Option<&str>], is_optional: bool) -> anyhow::Result<()> {
    let levels: Vec<i16> = values.iter().map(|value| value.is_some().into()).collect();
    let present: Vec<ByteArray> = values.iter().flatten().map(|text| ByteArray::from(*text)).collect();
    let mut column = group.next_column()?.context("the schema has more columns")?;
    if let ColumnWriter::ByteArrayColumnWriter(writer) = column.untyped() {
        writer.write_batch(&present, is_optional.then_some(&levels), None)?;
    }
    column.close()?;
    Ok(())
}
