//! Named steps of an attempt, where a fault test stops the process (F-02). In a release build
//! nothing can be switched on: the environment is read only with debug assertions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::connector::{NoSteps, Steps};

/// Every step of an attempt by name; a step that is not listed fails the fault test.
pub const ATTEMPT_STEPS: [&str; 6] =
    ["claimed", "before_send", "after_send", "after_reply", "before_record", "after_record"];

/// The steps of this process: with debug assertions, `SCIMHUB_FAULT_STEP=name[:n]` aborts it when
/// it reaches the step for the n-th time (the first when `n` is not given).
pub fn from_environment() -> Arc<dyn Steps> {
    #[cfg(debug_assertions)]
    if let Ok(wish) = std::env::var("SCIMHUB_FAULT_STEP") {
        let (name, count) = wish.split_once(':').unwrap_or((&wish, "1"));
        return Arc::new(StopAt { name: name.to_owned(), left: AtomicU64::new(count.parse().unwrap_or(1)) });
    }
    Arc::new(NoSteps)
}

#[cfg_attr(not(debug_assertions), expect(dead_code, reason = "only fault tests stop the process"))]
#[derive(Debug)]
struct StopAt {
    name: String,
    left: AtomicU64,
}

impl Steps for StopAt {
    fn reached(&self, step: &'static str) {
        if step == self.name && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            // As hard as kill -9: no destructor, no flush, no farewell.
            std::process::abort();
        }
    }
}

/// Remembers whether anything that changes the app was about to be sent, and passes each step on.
#[derive(Debug)]
pub(super) struct Noting {
    inner: Arc<dyn Steps>,
    sent: AtomicBool,
}

impl Noting {
    pub(super) fn new(inner: Arc<dyn Steps>) -> Self {
        Self { inner, sent: AtomicBool::new(false) }
    }

    /// Whether `before_send` was reached.
    pub(super) fn sent(&self) -> bool {
        self.sent.load(Ordering::SeqCst)
    }
}

impl Steps for Noting {
    fn reached(&self, step: &'static str) {
        if step == "before_send" {
            self.sent.store(true, Ordering::SeqCst);
        }
        self.inner.reached(step);
    }
}
