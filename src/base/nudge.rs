//! A tap on the shoulder after a commit. Losing one costs latency, never work: everybody who
//! waits on a nudge polls as well.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

/// Services hold it to nudge; planner and workers hold it to wait.
#[derive(Clone, Debug, Default)]
pub struct Nudge {
    planner: Arc<Notify>,
    workers: Arc<Notify>,
}

impl Nudge {
    /// Marks were committed.
    pub fn planner(&self) {
        self.planner.notify_one();
    }

    /// Tasks were committed, or became ready.
    pub fn workers(&self) {
        self.workers.notify_one();
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
