//! Named steps of a request, where a fault test ends the process (F-02). In a release build every
//! function here is empty: the environment is read only with debug assertions.

/// Every step of a request that changes something, by name. `before_commit` is in the transaction
/// after the request's own statements, `in_commit` right before `COMMIT` (on SQLite after all
/// changes that share it), `after_commit` right after, `before_reply` when the reply is made.
pub const REQUEST_STEPS: [&str; 4] = ["before_commit", "in_commit", "after_commit", "before_reply"];

/// With debug assertions, `SCIMHUB_FAULT_STEP=name[:n]` ends the process when it reaches the step
/// for the n-th time (the first when `n` is not given), as hard as `kill -9` does.
#[cfg(debug_assertions)]
pub fn reached(step: &'static str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static WISH: LazyLock<Option<(String, AtomicU64)>> = LazyLock::new(|| {
        let wish = std::env::var("SCIMHUB_FAULT_STEP").ok()?;
        let (name, count) = wish.split_once(':').unwrap_or((&wish, "1"));
        Some((name.to_owned(), AtomicU64::new(count.parse().unwrap_or(1))))
    });
    if let Some((name, left)) = &*WISH
        && name == step
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        // No destructor, no flush, no farewell.
        std::process::abort();
    }
}

/// Nothing happens at any step.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn reached(_step: &'static str) {}

#[cfg(debug_assertions)]
tokio::task_local! {
    static REQUEST: ();
}

/// Handle a request: what is written meanwhile is the request's, so that the engine's writes
/// beside it reach none of its steps.
pub async fn request<F: Future>(handling: F) -> F::Output {
    #[cfg(debug_assertions)]
    return REQUEST.scope((), handling).await;
    #[cfg(not(debug_assertions))]
    handling.await
}

/// Whether a write belongs to a request; taken where it is asked for, carried to where it is done.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    #[cfg(debug_assertions)]
    on: bool,
}

impl Watch {
    /// For a write asked for here.
    pub fn here() -> Self {
        Self {
            #[cfg(debug_assertions)]
            on: REQUEST.try_with(|()| ()).is_ok(),
        }
    }

    /// The write is at this step now.
    pub fn reached(self, step: &'static str) {
        debug_assert!(REQUEST_STEPS.contains(&step), "{step} is not listed, so no fault test stops there");
        #[cfg(debug_assertions)]
        if self.on {
            reached(step);
        }
        #[cfg(not(debug_assertions))]
        let _ = step;
    }
}
