//! The presence of a process in the database: one connection, which holds the store's lock, and sends and receives
//! notifications of new events.
//!
//! Processes that serve a store share its lock; a process that copies a store holds it exclusively. Without the lock,
//! a process writes nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream;
use futures_util::{Stream, StreamExt};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_postgres::{AsyncMessage, Client, Notification};
use tokio_postgres_rustls::MakeRustlsConnect;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Error;
use crate::postgres::cache::{Cache, Keys};
use crate::postgres::failure::store_error;
use crate::postgres::schema::LOCK_CLASS;
use crate::postgres::schema::values::{parse_timeline_name, timeline_name};
use crate::rows::{RowKey, key};
use crate::timeline::TimelineId;

use super::address::Address;
use super::session::{Param, bounded, connect};

/// How often to try to acquire the lock before failing with [`Error::InUse`]. PostgreSQL takes a moment to notice that
/// the connection of an ended process is gone.
const LOCK_TRIES: u32 = 20;
const LOCK_TRY_DELAY: Duration = Duration::from_millis(100);
/// The delay before reconnecting.
const RETRY_DELAY: Duration = Duration::from_millis(200);
/// The capacity of the queue of announcements. If it is full, further ones are dropped.
pub(crate) const ANNOUNCEMENTS_MAX: usize = 256;
/// The longest payload of a notification. PostgreSQL's limit is just under 8000 bytes.
const PAYLOAD_BYTES_MAX: usize = 7_900;

/// How a process holds the store's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockMode {
    Shared,
    Exclusive,
}

pub(crate) struct Presence {
    pub(crate) address: Address,
    pub(crate) tls: MakeRustlsConnect,
    pub(crate) lock_mode: LockMode,
    pub(crate) notifications: broadcast::Sender<TimelineId>,
    pub(crate) cache: std::sync::Arc<Cache>,
    /// Whether the lock is held.
    pub(crate) is_lock_held: watch::Sender<bool>,
    /// The timelines of new events, to notify other processes of.
    pub(crate) announcements: mpsc::Receiver<Vec<TimelineId>>,
}

type Messages = std::pin::Pin<Box<dyn Stream<Item = Notification> + Send>>;

/// A connection that holds the lock.
pub(crate) struct HeldLock {
    client: Client,
    notifications: Messages,
    channel: String,
    process: i32,
}

impl Presence {
    /// Connects and acquires the lock.
    pub(crate) async fn acquire(&self) -> Result<HeldLock, Error> {
        let (client, mut connection) = connect(&self.address, &self.tls).await?;
        let (sender, notifications) = mpsc::channel(1024);
        tokio::spawn(async move {
            let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
            while let Some(Ok(message)) = messages.next().await {
                if let AsyncMessage::Notification(notification) = message {
                    // Notifications are hints. Waiting for a slow receiver would block the connection's other
                    // responses.
                    _ = sender.try_send(notification);
                }
            }
        });
        let text = "SELECT pg_backend_pid(), current_schema()";
        let row = bounded(client.query_one(text, &[])).await?;
        let schema: String = row.try_get(1).map_err(store_error)?;
        let lock = match self.lock_mode {
            LockMode::Shared => "SELECT pg_try_advisory_lock_shared($1, hashtext($2))",
            LockMode::Exclusive => "SELECT pg_try_advisory_lock($1, hashtext($2))",
        };
        let mut tries = 0;
        while !bounded(client.query_one(lock, &[&LOCK_CLASS, &schema])).await?.get::<_, bool>(0) {
            tries += 1;
            if tries == LOCK_TRIES {
                return Err(Error::InUse);
            }
            tokio::time::sleep(LOCK_TRY_DELAY).await;
        }
        // The schema's name is hashed, because it may be as long as the whole name of a channel.
        let channel = format!("annals_{:016x}", xxh3_64(schema.as_bytes()));
        bounded(client.batch_execute(&format!("LISTEN {channel}"))).await?;
        let notifications = stream::unfold(notifications, |mut notifications| async move {
            notifications.recv().await.map(|notification| (notification, notifications))
        });
        Ok(HeldLock { client, notifications: Box::pin(notifications), channel, process: row.get(0) })
    }

    /// Holds the lock until the store is dropped. If the connection is lost, a shared lock is acquired again. An
    /// exclusive one is not, because other processes may have changed the store meanwhile.
    pub(crate) async fn run(mut self, first: HeldLock) {
        let mut first = Some(first);
        loop {
            let acquired = match first.take() {
                Some(lock) => Ok(lock),
                None => self.acquire().await,
            };
            match acquired {
                Ok(lock) => {
                    // Other processes may have committed while this one received no notifications.
                    self.cache.heads.clear();
                    self.cache.rows.clear();
                    self.is_lock_held.send_replace(true);
                    if self.relay_notifications(lock).await.is_none() {
                        return;
                    }
                    self.is_lock_held.send_replace(false);
                    if self.lock_mode == LockMode::Exclusive {
                        return;
                    }
                    tracing::warn!(
                        "the connection that holds the store's lock was lost; writes wait until it is restored"
                    );
                }
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "cannot acquire the store's lock; retrying"
                    );
                }
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    /// Receives and sends notifications until the connection is lost; `None` if the store was dropped.
    async fn relay_notifications(&mut self, mut lock: HeldLock) -> Option<()> {
        loop {
            tokio::select! {
                received = lock.notifications.next() => {
                    let Some(notification) = received else { return Some(()) };
                    self.receive(&notification, notification.process_id() == lock.process);
                }
                announced = self.announcements.recv() => {
                    let mut timelines: BTreeSet<_> = announced?.into_iter().collect();
                    while let Ok(more) = self.announcements.try_recv() {
                        timelines.extend(more);
                    }
                    for payload in payloads(&timelines) {
                        let params: [Param<'_>; 2] = [&lock.channel, &payload];
                        let notifying = lock.client.execute("SELECT pg_notify($1, $2)", &params);
                        if bounded(notifying).await.is_err() {
                            return Some(());
                        }
                    }
                }
            }
        }
    }

    fn receive(&self, notification: &Notification, is_own: bool) {
        let timelines = notification.payload().split(',').filter_map(|name| parse_timeline_name(name).ok());
        for timeline in timelines {
            if !is_own {
                let state = match timeline {
                    TimelineId::App(app) => RowKey::App(key::App(app)),
                    TimelineId::User(user) => RowKey::Account(key::Account(user)),
                };
                let keys = Keys { heads: [timeline].into(), rows: [state].into(), ..Keys::default() };
                self.cache.invalidate(&keys);
            }
            _ = self.notifications.send(timeline);
        }
    }
}

/// Returns the timelines' names, separated by commas, in as few payloads as they fit into.
fn payloads(timelines: &BTreeSet<TimelineId>) -> Vec<String> {
    let mut payloads = vec![String::new()];
    for timeline in timelines {
        let name = timeline_name(*timeline);
        let last = payloads.last_mut().expect("it has one from the start");
        if last.is_empty() {
            *last = name;
        } else if last.len() + 1 + name.len() <= PAYLOAD_BYTES_MAX {
            last.push(',');
            last.push_str(&name);
        } else {
            payloads.push(name);
        }
    }
    payloads
}
