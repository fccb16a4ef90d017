//! A file that is written until it is whole, and the position after which an interrupted one goes on.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The forms in which a server sends an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Lines,
    Table,
}

/// A file under the name `FILE.part`. It gets its own name once it is whole.
pub(super) struct Partial {
    pub(super) file: File,
    pub(super) part: PathBuf,
    pub(super) to: PathBuf,
}

impl Partial {
    /// Creates the file, or opens the interrupted one. Returns the last position that it has, 0 if it has no event.
    pub(super) fn open(to: &Path, form: Form, resumes: bool) -> anyhow::Result<(Self, u64)> {
        if to.exists() {
            bail!("{} already exists; choose another file", to.display());
        }
        let mut part = to.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        if !resumes && part.exists() {
            bail!("{} is an interrupted export; --resume goes on with it, or remove it", part.display());
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        let mut file = options.open(&part).with_context(|| format!("cannot write {}", part.display()))?;
        let (whole, position) = whole_events(&file, form)?;
        // A header alone comes again with the first event.
        file.set_len(if position == 0 { 0 } else { whole })?;
        file.seek(SeekFrom::End(0))?;
        Ok((Self { file, part, to: to.to_owned() }, position))
    }

    /// Gives the file its name.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.file.flush()?;
        self.file.sync_all()?;
        std::fs::rename(&self.part, &self.to).with_context(|| format!("cannot name {}", self.to.display()))
    }
}

/// Returns the length of all whole events in a file, and the position of the last of them.
fn whole_events(file: &File, form: Form) -> anyhow::Result<(u64, u64)> {
    let (mut reader, mut line) = (BufReader::new(file), Vec::new());
    let (mut scan, mut read, mut whole) = (Scan::new(form), 0, 0);
    while reader.read_until(b'\n', &mut line)? > 0 {
        read += line.len() as u64;
        if scan.take(&line) {
            whole = read;
        }
        line.clear();
    }
    Ok((whole, scan.position))
}

/// Finds where events end, line by line.
pub(super) struct Scan {
    form: Form,
    /// Whether the next line goes on within a cell.
    is_in_cell: bool,
    /// The position in the row that the lines so far belong to.
    of_row: Option<u64>,
    /// The position of the last whole event.
    pub(super) position: u64,
    /// How many events were whole.
    pub(super) events: u64,
}

impl Scan {
    pub(super) fn new(form: Form) -> Self {
        Self { form, is_in_cell: false, of_row: None, position: 0, events: 0 }
    }

    /// Takes a line with its end. Returns whether an event, or the header, is whole with it.
    pub(super) fn take(&mut self, line: &[u8]) -> bool {
        if !self.is_in_cell {
            self.of_row = position_of(self.form, line);
        }
        if self.form == Form::Table {
            // A quotation mark within a cell is doubled, which changes nothing here.
            let marks = line.iter().filter(|byte| **byte == b'"').count();
            self.is_in_cell ^= marks % 2 == 1;
        }
        let is_whole = !self.is_in_cell && line.ends_with(b"\n");
        if let (true, Some(position)) = (is_whole, self.of_row) {
            self.position = position;
            self.events += 1;
        }
        is_whole
    }
}

fn position_of(form: Form, line: &[u8]) -> Option<u64> {
    let rest = match form {
        Form::Lines => line.strip_prefix(b"{\"position\":")?,
        Form::Table => line,
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wherever an export is cut off, what is kept are whole events, and the position is that of the last of them.
    #[test]
    fn an_interrupted_file_goes_on_after_its_last_whole_event() {
        let lines = "{\"position\":3,\"id\":\"a\"}\n{\"position\":12,\"id\":\"b\"}\n";
        let table = "position,id,name\n3,a,\"two\nlines\"\n12,b,\"a \"\"b\"\",\"\n";
        let directory = tempfile::tempdir().expect("a directory");
        for (form, text, ends) in [
            (Form::Lines, lines, [(24, 3), (49, 12)].as_slice()),
            (Form::Table, table, [(33, 3), (49, 12)].as_slice()),
        ] {
            assert_eq!(ends.last().expect("an end").0, text.len());
            for cut in 0..=text.len() {
                let to = directory.path().join(format!("{form:?}-{cut}"));
                std::fs::write(to.with_extension("part"), &text[..cut]).expect("a file");
                let (partial, position) = Partial::open(&to, form, true).expect("it opens");
                let expected = ends.iter().rev().find(|(end, _)| *end <= cut).copied().unwrap_or((0, 0));
                let kept = std::fs::metadata(&partial.part).expect("a file").len();
                assert_eq!((kept, position), (expected.0 as u64, expected.1), "{form:?} cut at {cut}");
            }
        }
    }
}
