//! How long an attempt may take and how long its lease lasts. The deadline lies before the
//! lease's end and is counted from before the claim, on a clock that never jumps.

use std::time::Duration;

use crate::base::limits::{ATTEMPT, LEASE_GRACE};

/// The engine's times and sizes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// One attempt, from its claim to its deadline.
    pub attempt: Duration,
    /// Between the deadline and the lease's end.
    pub grace: Duration,
    /// Attempts at once in this process, over all hubs; see [`crate::domain::slots`] for whose.
    pub in_flight: usize,
    /// How often work is looked for when nobody nudges.
    pub poll: Duration,
    /// An attempt that takes longer is shown as `running`.
    pub shown_after: Duration,
    /// How long a stopping server lets attempts finish.
    pub farewell: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            attempt: ATTEMPT,
            grace: LEASE_GRACE,
            in_flight: 96,
            poll: Duration::from_secs(1),
            shown_after: Duration::from_secs(1),
            farewell: Duration::from_secs(20),
        }
    }
}

impl Pace {
    /// The times of a server. With debug assertions, `SCIMHUB_FAULT_PACE=attempt,grace[,farewell]`
    /// in milliseconds changes them, so that a fault test need not wait for attempts and leases.
    pub fn of_server() -> Self {
        let pace = Self::default();
        #[cfg(debug_assertions)]
        if let Ok(wish) = std::env::var("SCIMHUB_FAULT_PACE")
            && let Ok(times) =
                wish.split(',').map(|ms| ms.parse().map(Duration::from_millis)).collect::<Result<Vec<_>, _>>()
            && let [attempt, grace, farewell @ ..] = times.as_slice()
        {
            let farewell = farewell.first().copied().unwrap_or(pace.farewell);
            return Self { attempt: *attempt, grace: *grace, farewell, ..pace };
        }
        pace
    }

    /// How long a lease lasts.
    pub const fn lease(&self) -> Duration {
        self.attempt.saturating_add(self.grace)
    }
}
