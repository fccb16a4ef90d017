//! Bounds the connections that stay open to tell of what happens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use annals_model::UserId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;
use crate::limits::STREAMS_OF_USER_MAX;

/// The open streams. Half of the connections may be streams, so that requests find room beside them.
pub(crate) struct Streams {
    free: Arc<Semaphore>,
    of_users: Arc<Mutex<HashMap<UserId, usize>>>,
}

/// A stream that is open, until it is dropped.
pub(crate) struct OpenStream {
    _permit: OwnedSemaphorePermit,
    of_users: Arc<Mutex<HashMap<UserId, usize>>>,
    user: Option<UserId>,
}

impl Streams {
    /// Bounds the streams of a server that has so many connections.
    pub(crate) fn of_connections(connections_max: usize) -> Self {
        let free = Arc::new(Semaphore::new((connections_max / 2).max(1)));
        Self { free, of_users: Arc::default() }
    }

    /// Opens a stream of somebody who is still to prove who they are.
    ///
    /// # Errors
    ///
    /// [`ApiError::NoStream`] if too many streams are open.
    pub(crate) fn open(&self) -> Result<OpenStream, ApiError> {
        let permit = Arc::clone(&self.free).try_acquire_owned().map_err(|_| ApiError::NoStream)?;
        Ok(OpenStream { _permit: permit, of_users: Arc::clone(&self.of_users), user: None })
    }
}

impl OpenStream {
    /// Counts the stream for its user. Returns whether they may have another one.
    pub(crate) fn is_of(&mut self, user: UserId) -> bool {
        let mut of_users = self.of_users.lock().unwrap_or_else(PoisonError::into_inner);
        let count = of_users.entry(user).or_default();
        let has_room = *count < STREAMS_OF_USER_MAX;
        if has_room {
            *count += 1;
            self.user = Some(user);
        }
        has_room
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let Some(user) = self.user else { return };
        let mut of_users = self.of_users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = of_users.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                of_users.remove(&user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_bounded_in_all_and_by_user() {
        let streams = Streams::of_connections(2 * STREAMS_OF_USER_MAX + 2);
        let user = UserId::from_bytes([1; 16]);
        let mut open: Vec<_> = (0..=STREAMS_OF_USER_MAX).map(|_| streams.open().unwrap()).collect();
        assert!(matches!(streams.open(), Err(ApiError::NoStream)));
        for (number, stream) in open.iter_mut().enumerate() {
            assert_eq!(stream.is_of(user), number < STREAMS_OF_USER_MAX);
        }
        open.swap_remove(0);
        assert!(streams.open().unwrap().is_of(user));
        open.clear();
        assert!(streams.of_users.lock().unwrap().is_empty());
    }
}
