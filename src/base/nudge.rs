//! A tap on the shoulder after a commit. Losing one costs latency, never work: everybody who
//! waits on a nudge polls as well.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;

/// Who is to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Marks were committed.
    Planner,
    /// Tasks were committed, or became ready.
    Workers,
}

type Relay = Arc<dyn Fn(Wake) + Send + Sync>;

/// Services hold it to nudge; planner and workers hold it to wait.
#[derive(Clone, Default)]
pub struct Nudge {
    planner: Arc<Notify>,
    workers: Arc<Notify>,
    relay: Arc<OnceLock<Relay>>,
}

impl fmt::Debug for Nudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nudge")
    }
}

impl Nudge {
    /// Marks were committed.
    pub fn planner(&self) {
        self.planner.notify_one();
        self.pass_on(Wake::Planner);
    }

    /// Tasks were committed, or became ready.
    pub fn workers(&self) {
        self.workers.notify_one();
        self.pass_on(Wake::Workers);
    }

    /// From now on also tell other processes, through `relay`, which must not block. The first
    /// relay stays.
    pub fn relay_through(&self, relay: impl Fn(Wake) + Send + Sync + 'static) {
        let _ = self.relay.set(Arc::new(relay));
    }

    /// The same sleepers without the relay: for nudges that came from another process.
    pub fn local(&self) -> Self {
        Self { planner: Arc::clone(&self.planner), workers: Arc::clone(&self.workers), relay: Arc::default() }
    }

    fn pass_on(&self, wake: Wake) {
        if let Some(relay) = self.relay.get() {
            relay(wake);
        }
    }

    /// Wait for marks, at most `poll`.
    pub async fn wait_planner(&self, poll: Duration) {
        let _ = tokio::time::timeout(poll, self.planner.notified()).await;
    }

    /// Wait for tasks, at most `poll`.
    pub async fn wait_workers(&self, poll: Duration) {
        let _ = tokio::time::timeout(poll, self.workers.notified()).await;
    }
}
