//! The add-ons on offer.

use std::sync::Arc;

use annals_model::{Directory, Rejection};
use annals_store::{TypedRows as _, key};

use crate::{Error, Service};

impl Service {
    /// The add-ons on offer.
    pub async fn directory(&self) -> Result<Arc<Directory>, Error> {
        let replaced = self.store().get(key::Directory()).await?;
        Ok(replaced.unwrap_or_else(|| Arc::clone(&self.inner().settings.default_directory)))
    }

    /// Puts other add-ons on offer.
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
