//! The number of a store's format, in the file `format`: in decimal, and a newline.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use crate::error::Error;

/// The format that this program writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "format";

/// Returns whether a store was created in the directory.
pub(super) fn is_store(directory: &Path) -> bool {
    directory.join(FORMAT_FILE).exists()
}

/// Rejects a newer format, and writes the format of a new store.
pub(super) fn check(directory: &Path) -> Result<(), Error> {
    let path = directory.join(FORMAT_FILE);
    let found = match fs::read_to_string(&path) {
        Ok(text) => {
            text.trim().parse::<u32>().map_err(|_| Error::Damaged("the format cannot be read".to_owned()))?
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // The number is written to another file, which is then renamed, so that a crash leaves no partial number.
            let temporary = directory.join("format.new");
            fs::write(&temporary, format!("{FORMAT}\n"))?;
            File::open(&temporary)?.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(directory)?.sync_all()?;
            FORMAT
        }
        Err(error) => return Err(error.into()),
    };
    if found > FORMAT {
        return Err(Error::Newer { found, known: FORMAT });
    }
    Ok(())
}
