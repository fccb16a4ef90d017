//! The directory: the add-ons on offer.

use std::sync::Arc;

use annals_model::{Directory, Rejection};
use annals_store::{TypedRows as _, key};

use crate::credentials::passwords;
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

    /// Replaces the add-ons on offer. Stores the hashes of the providers' passwords, never the passwords.
    ///
    /// # Errors
    ///
    /// Fails if the directory or a password is invalid, or if the store fails.
    pub async fn set_directory(&self, mut directory: Directory) -> Result<(), Error> {
        directory.check().map_err(Rejection::Invalid)?;
        for provider in &mut directory.addon_providers {
            if let Some(password) = provider.password.take() {
                provider.password_hash = Some(passwords::hash(password.0).await?);
            }
        }
        let directory = Arc::new(directory);
        self.commit(move |transaction| {
            transaction.put(key::Directory(), Arc::clone(&directory));
            Ok(())
        })
        .await
    }
}
