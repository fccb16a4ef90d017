//! Request bodies on their way: nothing scarce is held while a sender is slow.
//!
//! Only bytes that have *arrived* count, and those of all bodies are bounded together: once for senders who have shown a
//! credential, once for those who have not. A sender who is slower than a stated minimum is cut off, and sooner when
//! memory is short, so that whoever waits for room gets it in a bounded time. Permits for work are taken afterwards.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};

use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use crate::error::ApiError;
use crate::limits::{
    ARRIVED_BYTES_MAX, BODY_BYTES_PER_SECOND_MIN, BODY_BYTES_PER_SECOND_MIN_IF_SHORT, BODY_GRACE,
    BODY_GRACE_IF_SHORT, BODY_ROOM_WAIT,
};

/// How often a sender's speed is checked while nothing arrives.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// How much memory is reserved for the rest of a body.
const RESERVED_BYTES_MAX: usize = 1 << 20;

/// Marks requests whose sender has shown no credential when the body is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unproven;

/// The bytes of bodies that have arrived and are not processed yet.
pub(crate) struct Arriving {
    proven: Room,
    unproven: Room,
}

impl Default for Arriving {
    fn default() -> Self {
        Self { proven: Room::of(ARRIVED_BYTES_MAX), unproven: Room::of(ARRIVED_BYTES_MAX) }
    }
}

impl Arriving {
    /// Reads a body of at most `bytes_max` bytes.
    ///
    /// # Errors
    ///
    /// Fails if the body is longer or broken, if its sender is too slow, or if there is no room for it in time.
    pub(crate) async fn read(
        &self,
        body: Body,
        bytes_max: usize,
        unproven: Option<Unproven>,
    ) -> Result<Arrived, ApiError> {
        let room = if unproven.is_some() { &self.unproven } else { &self.proven };
        room.read(body, bytes_max).await
    }
}

/// A body that has arrived. It takes room until it is dropped.
pub(crate) struct Arrived {
    pub(crate) bytes: Bytes,
    /// `None` if the body is empty.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// Room for a number of bytes.
struct Room {
    free: Arc<Semaphore>,
    bytes_max: usize,
}

impl Room {
    fn of(bytes_max: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(bytes_max)), bytes_max }
    }

    async fn read(&self, mut body: Body, bytes_max: usize) -> Result<Arrived, ApiError> {
        if body.size_hint().lower() > bytes_max as u64 {
            return Err(ApiError::TooLarge(bytes_max));
        }
        let declared = usize::try_from(body.size_hint().lower()).unwrap_or(bytes_max);
        let mut began = Instant::now();
        let (mut arrived, mut room) = (BytesMut::new(), None::<OwnedSemaphorePermit>);
        loop {
            let due = || self.due(began, arrived.len());
            let frame = loop {
                tokio::select! {
                    // A frame that is there already needs no timer.
                    biased;
                    frame = body.frame() => break frame,
                    () = sleep_until(due().min(Instant::now() + CHECK_INTERVAL)) => {
                        if Instant::now() >= due() {
                            return Err(ApiError::TooSlow);
                        }
                    }
                }
            };
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|error| ApiError::BadRequest(broken_off(&error)))?;
            let Ok(data) = frame.into_data() else { continue };
            if data.len() > bytes_max - arrived.len() {
                return Err(ApiError::TooLarge(bytes_max));
            }
            // Waiting for room is not the sender's slowness. Bodies that wait for each other give up one after another.
            let asked = Instant::now();
            let patience = BODY_ROOM_WAIT.mul_f64(rand::random_range(1.0..2.0));
            let bytes = u32::try_from(data.len()).expect("a frame is shorter than 4 GiB");
            let more = timeout(patience, Arc::clone(&self.free).acquire_many_owned(bytes)).await;
            let more = more.map_err(|_| ApiError::NoRoom)?.map_err(|_| ApiError::NoRoom)?;
            began += asked.elapsed();
            match &mut room {
                Some(room) => room.merge(more),
                none => *none = Some(more),
            }
            if arrived.is_empty() {
                if body.is_end_stream() {
                    return Ok(Arrived { bytes: data, room });
                }
                // What is declared is not there yet, so only a little is reserved for it.
                arrived.reserve(declared.min(RESERVED_BYTES_MAX));
            }
            arrived.extend_from_slice(&data);
        }
        Ok(Arrived { bytes: arrived.freeze(), room })
    }

    /// Returns when a body that began then must have more than that many bytes.
    fn due(&self, began: Instant, bytes: usize) -> Instant {
        let is_short = self.free.available_permits() < self.bytes_max / 2;
        let (grace, bytes_per_second) = match is_short {
            true => (BODY_GRACE_IF_SHORT, BODY_BYTES_PER_SECOND_MIN_IF_SHORT),
            false => (BODY_GRACE, BODY_BYTES_PER_SECOND_MIN),
        };
        began + grace + Duration::from_secs_f64(bytes as f64 / bytes_per_second as f64)
    }
}

/// Says why no more of a body comes: its sender is gone, or what it sent is not compressed as it says.
fn broken_off(error: &(dyn Error + 'static)) -> String {
    let mut causes = std::iter::successors(Some(error), |error| (*error).source());
    // Decompression fails with an error of reading, the connection with one of its own.
    match causes.any(<dyn Error>::is::<std::io::Error>) {
        true => "the body is not what Content-Encoding: gzip says".to_owned(),
        false => "the body ended before its length".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream::{self, StreamExt};

    use super::*;

    /// A body of frames of that many bytes, each after a pause.
    fn frames(frames: Vec<(u64, usize)>) -> Body {
        let frames = stream::iter(frames).then(|(pause_ms, bytes)| async move {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            Ok::<_, Infallible>(Bytes::from(vec![b'x'; bytes]))
        });
        Body::from_stream(frames)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_whole_and_gives_its_room_back() {
        let room = Room::of(1_000);
        let arrived = room.read(frames(vec![(10, 100), (9_000, 200)]), 300).await.unwrap();
        assert_eq!((arrived.bytes.len(), room.free.available_permits()), (300, 700));
        drop(arrived);
        assert_eq!(room.free.available_permits(), 1_000);
        let too_long = room.read(frames(vec![(10, 100), (10, 201)]), 300).await;
        assert!(matches!(too_long, Err(ApiError::TooLarge(300))));
        assert_eq!(room.free.available_permits(), 1_000);
        let empty = room.read(Body::empty(), 300).await.unwrap();
        assert!(empty.bytes.is_empty() && empty.room.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_sender_is_cut_off_and_sooner_when_memory_is_short() {
        let began = Instant::now();
        let room = Room::of(1_000);
        let stalled = room.read(frames(vec![(0, 1), (3_600_000, 1)]), 300).await;
        assert!(matches!(stalled, Err(ApiError::TooSlow)));
        let took = began.elapsed();
        assert!(took >= BODY_GRACE && took < BODY_GRACE + Duration::from_secs(1), "{took:?}");

        let _used = room.free.acquire_many(600).await.unwrap();
        let began = Instant::now();
        let stalled = room.read(frames(vec![(0, 1), (3_600_000, 1)]), 300).await;
        assert!(matches!(stalled, Err(ApiError::TooSlow)));
        let took = began.elapsed();
        assert!(
            took >= BODY_GRACE_IF_SHORT && took < BODY_GRACE_IF_SHORT + Duration::from_secs(1),
            "{took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_find_no_room_wait_for_it_and_those_that_stall_make_some() {
        let room = Arc::new(Room::of(1_000));
        let stalling = (0..9).map(|_| {
            let room = Arc::clone(&room);
            tokio::spawn(async move { room.read(frames(vec![(0, 110), (3_600_000, 1)]), 300).await })
        });
        let stalling: Vec<_> = stalling.collect();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let began = Instant::now();
        let arrived = room.read(frames(vec![(0, 200), (0, 100)]), 300).await.unwrap();
        assert_eq!(arrived.bytes.len(), 300);
        assert!(began.elapsed() < BODY_GRACE_IF_SHORT + Duration::from_secs(1), "{:?}", began.elapsed());
        for stalled in stalling {
            assert!(matches!(stalled.await.unwrap(), Err(ApiError::TooSlow)));
        }
        // A body that is kept takes its room: another one does not wait for it for ever.
        let _kept = room.free.acquire_many(700).await.unwrap();
        let refused = room.read(frames(vec![(0, 300)]), 300).await;
        assert!(matches!(refused, Err(ApiError::NoRoom)));
    }
}
