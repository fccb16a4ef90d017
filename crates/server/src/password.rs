//! Passwords: hashed with argon2id, which takes long on purpose and is therefore done where it holds up nobody.

use std::sync::{Arc, LazyLock};

use argon2::Argon2;
use argon2::password_hash::{Error, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::error::ApiError;

/// The shortest password, and the longest that is worth hashing.
const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 12..=1024;

/// How many passwords are hashed at once: each takes 19 MiB and a core.
const AT_ONCE_MAX: usize = 8;

static IN_WORK: Semaphore = Semaphore::const_new(AT_ONCE_MAX);

/// A hash of nobody's password, to be compared with where there is none, so that it takes as long.
static NOBODYS: LazyLock<Arc<str>> = LazyLock::new(|| {
    let hash = Argon2::default().hash_password(&rand::random::<[u8; 32]>());
    hash.map(|hash| hash.to_string()).expect("a password can be hashed with the usual parameters").into()
});

/// The hash of a password, as a PHC string; refused if it is too short.
pub(crate) async fn hash(password: String) -> Result<String, ApiError> {
    if !PASSWORD_BYTES.contains(&password.len()) {
        let message = format!("must have {} to {} bytes", PASSWORD_BYTES.start(), PASSWORD_BYTES.end());
        return Err(ApiError::invalid("password", &message));
    }
    in_the_background(move || {
        Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())
    })
    .await
}

/// Whether that is the password of that hash. Takes the same time where there is no hash.
pub(crate) async fn is_right(password: String, hash: Option<Arc<str>>) -> Result<bool, ApiError> {
    if password.len() > *PASSWORD_BYTES.end() {
        return Ok(false);
    }
    in_the_background(move || {
        let known = hash.as_ref().unwrap_or(&NOBODYS);
        match Argon2::default().verify_password(password.as_bytes(), &**known) {
            Ok(()) => Ok(hash.is_some()),
            Err(Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(error),
        }
    })
    .await
}

async fn in_the_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, ApiError> {
    let _permit = IN_WORK.acquire().await.map_err(|_| ApiError::Unavailable)?;
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            tracing::error!(%error, "a password could not be hashed");
            Err(ApiError::Internal)
        }
        Err(_) => Err(ApiError::Internal),
    }
}
