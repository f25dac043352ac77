//! Named steps of an attempt, where a fault test stops the process (F-02). In a release build
//! nothing can be switched on: the environment is read only with debug assertions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::connector::Steps;
use crate::base::steps;

/// Every step of an attempt by name; a step that is not listed fails the fault test.
pub const ATTEMPT_STEPS: [&str; 6] =
    ["claimed", "before_send", "after_send", "after_reply", "before_record", "after_record"];

/// The steps of this process: with debug assertions, `SCIMHUB_FAULT_STEP=name[:n]` ends it when
/// it reaches the step for the n-th time (the first when `n` is not given).
pub fn from_environment() -> Arc<dyn Steps> {
    Arc::new(OfProcess)
}

#[derive(Debug)]
struct OfProcess;

impl Steps for OfProcess {
    fn reached(&self, step: &'static str) {
        steps::reached(step);
    }
}

/// Counts what was about to be sent to change the app, and passes each step on.
#[derive(Debug)]
pub(super) struct Noting {
    inner: Arc<dyn Steps>,
    sends: AtomicU32,
}

impl Noting {
    pub(super) fn new(inner: Arc<dyn Steps>) -> Self {
        Self { inner, sends: AtomicU32::new(0) }
    }

    /// Whether `before_send` was reached.
    pub(super) fn sent(&self) -> bool {
        self.sends.load(Ordering::SeqCst) > 0
    }

    /// Whether a change before the last one went out too: whatever became of the last, that one
    /// may have been accepted.
    pub(super) fn sent_before(&self) -> bool {
        self.sends.load(Ordering::SeqCst) > 1
    }
}

impl Steps for Noting {
    fn reached(&self, step: &'static str) {
        if step == "before_send" {
            self.sends.fetch_add(1, Ordering::SeqCst);
        }
        self.inner.reached(step);
    }
}
