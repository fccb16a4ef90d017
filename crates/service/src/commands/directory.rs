//! The directory: the add-ons on offer.

use std::sync::Arc;

use annals_model::{Directory, Rejection};
use annals_store::{TypedRows as _, key};

use crate::{Error, Service};

impl Service {
    /// Returns the add-ons on offer.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn directory(&self) -> Result<Arc<Directory>, Error> {
        let replaced = self.store().get(key::Directory()).await?;
        Ok(replaced.unwrap_or_else(|| Arc::clone(&self.inner().settings.default_directory)))
    }

    /// Replaces the add-ons on offer.
    ///
    /// # Errors
    ///
    /// Fails if the directory is invalid, or if the store fails.
    pub async fn set_directory(&self, directory: Directory) -> Result<(), Error> {
        directory.check().map_err(Rejection::Invalid)?;
        let directory = Arc::new(directory);
        self.commit(move |transaction| {
            transaction.put(key::Directory(), Arc::clone(&directory));
            Ok(())
        })
        .await
    }
}
