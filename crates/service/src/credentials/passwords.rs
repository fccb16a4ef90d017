//! Passwords, hashed with argon2id. Hashing is slow on purpose, so it runs on blocking threads.

use std::sync::{Arc, LazyLock};

use annals_model::Rejection;
use argon2::Argon2;
use argon2::password_hash::{Error as HashError, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::Error;

/// The lengths that a password may have.
const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 12..=1024;

/// The most passwords that are hashed at once: each takes 19 MiB and a core.
const AT_ONCE_MAX: usize = 8;

static PERMITS: Semaphore = Semaphore::const_new(AT_ONCE_MAX);

/// The hash of a random password. It is verified where a user has no password, so that this takes the same time.
static DUMMY_HASH: LazyLock<Arc<str>> = LazyLock::new(|| {
    let hash = Argon2::default().hash_password(&rand::random::<[u8; 32]>());
    hash.map(|hash| hash.to_string()).expect("a password can be hashed with the usual parameters").into()
});

/// Hashes a password as a PHC string. Rejects a password that is too short or too long.
pub(crate) async fn hash(password: String) -> Result<String, Error> {
    if !PASSWORD_BYTES.contains(&password.len()) {
        let message = format!("must have {} to {} bytes", PASSWORD_BYTES.start(), PASSWORD_BYTES.end());
        return Err(Rejection::invalid("password", message).into());
    }
    run_blocking(move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()))
        .await
}

/// Checks a password against a hash. Takes the same time if there is no hash.
pub(crate) async fn is_right(password: String, hash: Option<Arc<str>>) -> Result<bool, Error> {
    if password.len() > *PASSWORD_BYTES.end() {
        return Ok(false);
    }
    run_blocking(move || {
        let known = hash.as_ref().unwrap_or(&DUMMY_HASH);
        match Argon2::default().verify_password(password.as_bytes(), &**known) {
            Ok(()) => Ok(hash.is_some()),
            Err(HashError::PasswordInvalid) => Ok(false),
            Err(error) => Err(error),
        }
    })
    .await
}

async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
) -> Result<T, Error> {
    let _permit = PERMITS.acquire().await.expect("this semaphore is never closed");
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| Error::Hashing(error.to_string())),
        Err(error) => Err(Error::Hashing(error.to_string())),
    }
}
