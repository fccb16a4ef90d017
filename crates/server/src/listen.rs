//! Connections: accepts and limits them, and shuts down gracefully.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio_io_timeout::TimeoutWriter;
use tower::{Layer, ServiceExt};

use crate::extract::Peer;
use crate::limits::{HEAD_BYTES_MAX, HEAD_TIME_MAX, STOP_TIME_MAX, WRITE_TIME_MAX};

/// What keeps a connection counted. A request that takes the connection over keeps this as long as it needs the connection.
#[derive(Clone)]
pub(crate) struct Counted {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Changes when the server stops. A response that would not end by itself ends then.
#[derive(Clone)]
pub(crate) struct Stopping(pub(crate) watch::Receiver<()>);

/// Serves until `stop` completes, then accepts no more connections and lets running requests finish.
///
/// # Errors
///
/// Never returns an error today: a failure to accept one connection is logged and does not end the server.
pub async fn run(
    listener: TcpListener,
    router: Router,
    connections_max: usize,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX).max_buf_size(2 * HEAD_BYTES_MAX);
    let connections = Arc::new(Semaphore::new(connections_max));
    let silent = Silent::default();
    // Tells connections that the server stops. Each has a receiver until it ends.
    let stopping = watch::Sender::new(());
    tokio::pin!(stop);
    for number in 0_u64.. {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => {
                    // Most likely out of file descriptors, until some connections end.
                    tracing::warn!(error = &error as &dyn std::error::Error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        // Connections above the limit wait in the system's backlog, except the next one, which waits here.
        let permit = Arc::clone(&connections).try_acquire_owned();
        let permit = match permit {
            Ok(permit) => permit,
            Err(_) => {
                silent.end_oldest();
                tokio::select! {
                    permit = Arc::clone(&connections).acquire_owned() => permit.expect("nobody closes the semaphore"),
                    () = &mut stop => break,
                }
            }
        };
        // Responses are written whole; waiting to fill a packet would only delay them.
        _ = stream.set_nodelay(true);
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(WRITE_TIME_MAX));
        let mut ended = silent.insert(number);
        let speaks = {
            let (silent, spoke) = (silent.clone(), Arc::new(AtomicBool::new(false)));
            move |request| {
                if !spoke.swap(true, Ordering::Relaxed) {
                    silent.remove(number);
                }
                request
            }
        };
        let counted = Counted { _permit: Arc::new(permit) };
        let service = axum::Extension(counted.clone()).layer(router.clone());
        let service = axum::Extension(Stopping(stopping.subscribe())).layer(service);
        let service = axum::Extension(Peer(peer)).layer(service).map_request(speaks);
        let service = TowerToHyperService::new(service);
        let connection = http.serve_connection(TokioIo::new(Box::pin(stream)), service).with_upgrades();
        let mut stops = stopping.subscribe();
        let silent = silent.clone();
        tokio::spawn(async move {
            let served = async {
                tokio::pin!(connection);
                // How the connection ended does not matter: clients may end it in any way.
                tokio::select! {
                    _ = &mut connection => {}
                    _ = stops.changed() => {
                        connection.as_mut().graceful_shutdown();
                        _ = connection.await;
                    }
                }
            };
            tokio::pin!(served);
            tokio::select! {
                () = &mut served => {}
                ended = &mut ended => if ended.is_err() { served.await },
            }
            silent.remove(number);
            drop(counted);
        });
    }
    drop(listener);
    _ = stopping.send(());
    tokio::select! {
        () = stopping.closed() => {}
        () = tokio::time::sleep(STOP_TIME_MAX) => tracing::warn!("some requests did not finish before the shutdown"),
    }
    Ok(())
}

/// The connections that have sent no request yet, oldest first. They end first when another one waits.
#[derive(Clone, Default)]
struct Silent(Arc<Mutex<BTreeMap<u64, oneshot::Sender<()>>>>);

impl Silent {
    /// Adds a connection. Returns what says that it must end, or is dropped once the connection has sent a request.
    fn insert(&self, number: u64) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.all().insert(number, sender);
        receiver
    }

    fn remove(&self, number: u64) {
        self.all().remove(&number);
    }

    fn end_oldest(&self) {
        if let Some((_, oldest)) = self.all().pop_first() {
            _ = oldest.send(());
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, oneshot::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
