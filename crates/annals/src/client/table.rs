//! Tables that fit the terminal.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Effects, Style};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The most that a column takes, except the last one.
const COLUMN_MAX: usize = 26;
/// The least that is left for the last column.
const LAST_MIN: usize = 16;
const GAP: &str = "  ";

const HEADER: Style = Style::new().effects(Effects::BOLD);
const FIRST: Style = AnsiColor::Cyan.on_default();

/// A table whose last column takes what is left of a line. A column without a header and cells is left out.
pub(super) struct Table<const COLUMNS: usize> {
    header: Option<[String; COLUMNS]>,
    rows: Vec<[String; COLUMNS]>,
    widths: [usize; COLUMNS],
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(super) fn new(header: [&str; COLUMNS]) -> Self {
        let header = header.map(str::to_owned);
        let widths = header.each_ref().map(|cell| cell.width());
        Self { header: Some(header), rows: Vec::new(), widths }
    }

    /// Adds a row. Characters that would control the terminal are replaced.
    pub(super) fn push(&mut self, row: [String; COLUMNS]) {
        let row = row.map(|cell| harmless(&cell));
        for (width, cell) in self.widths.iter_mut().zip(&row) {
            *width = cell.width().max(*width);
        }
        self.rows.push(row);
    }

    /// Writes what was added since the last time. Lines are cut at the width, if there is one.
    pub(super) fn write(&mut self, width: Option<usize>) -> String {
        let mut out = String::new();
        let (header, rows) = (self.header.take(), std::mem::take(&mut self.rows));
        for (row, is_header) in
            header.iter().map(|row| (row, true)).chain(rows.iter().map(|row| (row, false)))
        {
            if !out.is_empty() {
                out.push('\n');
            }
            self.write_row(row, is_header, width, &mut out);
        }
        out
    }

    fn write_row(&self, row: &[String; COLUMNS], is_header: bool, width: Option<usize>, out: &mut String) {
        let mut used = 0;
        for (index, cell) in row.iter().enumerate() {
            let is_last = index + 1 == COLUMNS;
            if self.widths[index] == 0 && !is_last {
                continue;
            }
            let room = match (is_last, width) {
                (true, None) => usize::MAX,
                (true, Some(width)) => width.saturating_sub(used).max(LAST_MIN),
                (false, None) => self.widths[index],
                (false, Some(_)) => self.widths[index].min(COLUMN_MAX),
            };
            let cell = cut(cell, room);
            let style = match (is_header, index) {
                (true, _) => HEADER,
                (false, 0) => FIRST,
                (false, _) => Style::new(),
            };
            _ = write!(out, "{style}{cell}{style:#}");
            if !is_last {
                out.extend(std::iter::repeat_n(' ', room - cell.width()));
                out.push_str(GAP);
                used += room + GAP.len();
            }
        }
        out.truncate(out.trim_end().len());
    }
}

/// Returns the width of the terminal; `None` if standard output is none. `COLUMNS` says otherwise.
pub(super) fn width() -> Option<usize> {
    let columns = std::env::var_os("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok());
    columns.or_else(|| terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0.into()))
}

/// Returns a text without characters that would control the terminal.
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

/// Cuts a text to a width; an ellipsis shows where.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let fitting = text.chars().take_while(|char| {
        used += char.width().unwrap_or_default();
        used <= width
    });
    fitting.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_its_width_and_is_whole_without_one() {
        let mut table = Table::new(["WHEN", "WHO", "WHAT"]);
        table.push(
            ["2h ago", "jane", "scaled web 1 → 2, worker 0 → 1 and a few words more"].map(str::to_owned),
        );
        table.push(
            ["10d ago", "a-user-with-a-very-long-name-indeed", "日本語の名前を付けました\u{1b}[31m"]
                .map(str::to_owned),
        );
        let plain = |text: &str| anstream::adapter::strip_str(text).to_string();
        let narrow = plain(&table.write(Some(60)));
        assert_eq!(
            narrow,
            "WHEN     WHO                         WHAT\n\
             2h ago   jane                        scaled web 1 → 2, work…\n\
             10d ago  a-user-with-a-very-long-n…  日本語の名前を付けまし…"
        );
        assert!(narrow.lines().all(|line| line.width() <= 60), "{narrow}");
        table.push(["now", "jane", "ran a command"].map(str::to_owned));
        let whole = plain(&table.write(None));
        assert_eq!(whole, "now      jane                                 ran a command");
    }
}
