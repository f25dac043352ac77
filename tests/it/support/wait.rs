//! Waiting for a condition with a deadline. The pause between two looks is short and is never
//! what makes a test pass.

use std::time::Duration;

use scimhub::base::clock::{Clock, SystemClock};

const PAUSE: Duration = Duration::from_millis(5);

/// Look until `condition` holds.
///
/// # Panics
/// When it does not hold within `deadline`; says `what` was waited for.
pub async fn eventually(what: &str, deadline: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let clock = SystemClock::new();
    while !condition().await {
        assert!(clock.monotonic() < deadline, "waited {deadline:?} in vain for: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Look until `condition` finds nothing in the way any more.
///
/// # Panics
/// When something still is by the `deadline`; says `what` was waited for, and what was in the way.
pub async fn until_clear<T: std::fmt::Debug>(
    what: &str,
    deadline: Duration,
    mut in_the_way: impl AsyncFnMut() -> Option<T>,
) {
    let clock = SystemClock::new();
    while let Some(found) = in_the_way().await {
        assert!(clock.monotonic() < deadline, "waited {deadline:?} in vain for: {what}; last seen: {found:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// The same as [`eventually`] without a runtime.
///
/// # Panics
/// As [`eventually`].
pub fn until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    let clock = SystemClock::new();
    while !condition() {
        assert!(clock.monotonic() < deadline, "waited {deadline:?} in vain for: {what}");
        std::thread::sleep(PAUSE);
    }
}
