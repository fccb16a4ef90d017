//! `annals export`: a whole timeline in a file.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args, ValueEnum};
use indicatif::{HumanCount, ProgressBar};

use super::api::{Api, Connection, Query};
use super::failure::{EXIT_CODES, Refused};
use super::parquet;
use super::partial::{Form, Partial, Scan};
use super::progress;
use super::selection::Selection;
use super::timeline::{app_events, length};
use crate::output::eprint;

/// How often a broken export is taken up again without having got any further.
const ATTEMPTS_MAX: u32 = 5;

#[derive(Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
#[command(group = ArgGroup::new("timeline").args(["app", "activity", "audit"]).required(true))]
pub(crate) struct Options {
    /// Export the timeline of this app
    #[arg(long, value_name = "APP")]
    app: Option<String>,

    /// Export what you did, and what happened to your account
    #[arg(long)]
    activity: bool,

    /// Export the events of the whole platform; needs the operator token or the token of an auditor
    #[arg(long)]
    audit: bool,

    /// Form of the export
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,

    /// File to write; must not exist. Without it, the export goes to standard output
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,

    /// Go on with an interrupted export, which is in FILE.part
    #[arg(long, requires = "to")]
    resume: bool,

    #[command(flatten)]
    selection: Selection,

    #[command(flatten)]
    connection: Connection,
}

const EXAMPLES: &str = "\
Each event has its position in the timeline. Times are in UTC. The export has the events that there are when it begins. A file gets its
name once it is whole; until then it is FILE.part.

Examples:
  annals export --app book-shop --to book-shop.jsonl
  annals export --app book-shop --format csv --since 30d --type deployment > deployments.csv
  annals export --audit --format parquet --to audit.parquet
  annals export --audit --format parquet --to audit.parquet --resume";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines of JSON
    Jsonl,
    /// A table with commas
    Csv,
    /// A table by columns, for DuckDB, pandas and the like
    Parquet,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let api = options.connection.api()?;
    let path = match &options.app {
        Some(app) => app_events(app),
        None if options.audit => "/v1/operator/events".to_owned(),
        None => "/v1/events".to_owned(),
    };
    let form = if options.format == Format::Csv { Form::Table } else { Form::Lines };
    let last = length(&api, &path).await?;
    let mut query = options.selection.query();
    query.push(("format", if form == Form::Table { "csv" } else { "jsonl" }.to_owned()));
    let path = format!("{path}/export");
    let mut export = Export { api, path, query, form, position: 0, events: 0, has_header: false };
    let bar = progress::bar("exporting", last);
    let Some(to) = &options.to else {
        if options.format == Format::Parquet {
            bail!("--format parquet needs a file; name one with --to");
        }
        let mut out = BufWriter::new(std::io::stdout().lock());
        return export.write_to(&mut out, &bar).await;
    };
    let (partial, position) = Partial::open(to, form, options.resume)?;
    export.position = position;
    let interrupted = || format!("{} is not whole; repeat the command with --resume", partial.part.display());
    let mut out = BufWriter::new(&partial.file);
    export.write_to(&mut out, &bar).await.with_context(interrupted)?;
    out.flush()?;
    drop(out);
    bar.finish_and_clear();
    if options.format == Format::Parquet {
        let lines = partial.part.clone();
        parquet::convert(partial)?.finish()?;
        std::fs::remove_file(&lines).with_context(|| format!("cannot remove {}", lines.display()))?;
    } else {
        partial.finish()?;
    }
    eprint(&format!("{}: whole, {} events written now", to.display(), HumanCount(export.events)));
    Ok(())
}

struct Export {
    api: Api,
    path: String,
    query: Query,
    form: Form,
    /// The last position that was written.
    position: u64,
    /// How many events were written.
    events: u64,
    /// Whether the header of a table was written.
    has_header: bool,
}

impl Export {
    /// Writes whole events until the end. A connection that breaks is taken up again after the last of them.
    async fn write_to(&mut self, out: &mut impl Write, bar: &ProgressBar) -> anyhow::Result<()> {
        let mut attempt = 1;
        loop {
            let before = self.position;
            let Err(error) = self.read(out, bar).await else { return Ok(()) };
            if Refused::is_final(&error) || error.is::<std::io::Error>() {
                return Err(error);
            }
            attempt = if self.position > before { 1 } else { attempt + 1 };
            if attempt > ATTEMPTS_MAX {
                return Err(error);
            }
            bar.suspend(|| eprint(&format!("annals: {error:#}; going on after position {}", self.position)));
            tokio::time::sleep(Duration::from_secs(attempt.into())).await;
        }
    }

    async fn read(&mut self, out: &mut impl Write, bar: &ProgressBar) -> anyhow::Result<()> {
        let mut query = self.query.clone();
        if self.position > 0 {
            query.push(("after", self.position.to_string()));
        }
        let mut response = self.api.open(&self.path, &query, "*/*").await?;
        let mut rest = Vec::new();
        // A table that begins with its first event begins with the header.
        let mut repeats_header = self.has_header && self.position == 0;
        loop {
            let piece = response.chunk().await.map_err(reqwest::Error::without_url);
            let Some(piece) = piece.context("the connection was lost")? else { break };
            rest.extend_from_slice(&piece);
            // The server sends whole events in each piece, but the way here may cut them.
            let end = self.whole(&rest);
            let mut start = 0;
            if repeats_header && end > 0 {
                start = rest.iter().position(|byte| *byte == b'\n').map_or(0, |line_end| line_end + 1);
                repeats_header = false;
            }
            self.has_header |= self.form == Form::Table && end > 0;
            out.write_all(&rest[start..end])?;
            rest.drain(..end);
            bar.set_position(self.position);
        }
        if !rest.is_empty() {
            bail!("the connection was lost");
        }
        out.flush()?;
        Ok(())
    }

    /// Returns the length of the whole events in some bytes, and notes the position of the last of them.
    fn whole(&mut self, bytes: &[u8]) -> usize {
        let (mut scan, mut read, mut whole) = (Scan::new(self.form), 0, 0);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            read += line.len();
            if scan.take(line) {
                whole = read;
            }
        }
        self.position = self.position.max(scan.position);
        self.events += scan.events;
        whole
    }
}
