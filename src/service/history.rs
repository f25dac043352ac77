//! Tasks over time, for a chart: the last day by hour, the last hour by minute.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::tasks::TaskStatus;
use super::{Caller, Context, ServiceError};
use crate::base::clock::Micros;
use crate::store::history;

/// Counting one status of one stretch stops here, so that looking never costs more than it shows.
const AT_MOST: i64 = 100_000;

/// Which stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// The last 24 hours, by hour.
    #[default]
    Day,
    /// The last 60 minutes, by minute.
    Hour,
}

impl Reach {
    const fn step(self) -> Duration {
        match self {
            Self::Day => Duration::from_secs(60 * 60),
            Self::Hour => Duration::from_secs(60),
        }
    }

    const fn stretches(self) -> u32 {
        match self {
            Self::Day => 24,
            Self::Hour => 60,
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    /// `day` (default) or `hour`.
    pub reach: Option<Reach>,
}

/// Tasks by when they were planned and where they stand now.
#[derive(Clone, Debug, Serialize)]
pub struct History {
    /// `day` or `hour`.
    pub reach: Reach,
    /// Seconds in a stretch.
    pub seconds: u64,
    /// Oldest first; the last one is still going on.
    pub stretches: Vec<Stretch>,
}

/// One stretch of time. A count stops at 100,000.
#[derive(Clone, Debug, Serialize)]
pub struct Stretch {
    /// When it began, RFC 3339.
    pub from: String,
    /// Done.
    pub completed: i64,
    /// Failed for good.
    pub not_completed: i64,
    /// A person must do them in the app.
    pub manual: i64,
    /// The guard waits for a person.
    pub held: i64,
    /// Queued, under way, waiting or to be tried again.
    pub open: i64,
    /// Withdrawn, or replaced by a newer wish.
    pub withdrawn: i64,
}

impl Stretch {
    /// All of it.
    pub const fn total(&self) -> i64 {
        self.completed + self.not_completed + self.manual + self.held + self.open + self.withdrawn
    }

    fn add(&mut self, status: TaskStatus, count: i64) {
        let place = match status {
            TaskStatus::Completed => &mut self.completed,
            TaskStatus::NotCompleted => &mut self.not_completed,
            TaskStatus::Manual => &mut self.manual,
            TaskStatus::Held => &mut self.held,
            TaskStatus::Queued
            | TaskStatus::Started
            | TaskStatus::Running
            | TaskStatus::Retrying
            | TaskStatus::Waiting => &mut self.open,
            TaskStatus::Superseded | TaskStatus::Cancelled => &mut self.withdrawn,
        };
        *place = place.saturating_add(count);
    }
}

/// Tasks of the caller's workspace over time.
///
/// # Errors
/// [`ServiceError::Store`].
pub async fn history(context: &Context, caller: &Caller, reach: Reach) -> Result<History, ServiceError> {
    let (workspace, bounds) = (caller.workspace, bounds(reach, context.clock.now()));
    let mut stretches: Vec<Stretch> = bounds.iter().map(|from| empty(*from)).collect();
    stretches.pop();
    let counts = context.store.read(move |conn| history::planned(conn, workspace, &bounds, AT_MOST)).await?;
    for (number, status, count) in counts {
        if let Some(stretch) = stretches.get_mut(number) {
            stretch.add(status, count);
        }
    }
    Ok(History { reach, seconds: reach.step().as_secs(), stretches })
}

/// The moments between stretches, on whole hours or minutes; the last one is yet to come.
fn bounds(reach: Reach, now: Micros) -> Vec<Micros> {
    let step = i64::try_from(reach.step().as_micros()).unwrap_or(i64::MAX);
    let end = now.0.div_euclid(step).saturating_add(1).saturating_mul(step);
    (0..=reach.stretches()).rev().map(|back| Micros(end.saturating_sub(step.saturating_mul(i64::from(back))))).collect()
}

fn empty(from: Micros) -> Stretch {
    let from = from.to_rfc3339();
    Stretch { from, completed: 0, not_completed: 0, manual: 0, held: 0, open: 0, withdrawn: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_lie_on_whole_hours_and_the_last_holds_now() {
        let now = Micros::parse_rfc3339("2026-11-26T04:01:02.5Z").unwrap();
        let day = bounds(Reach::Day, now);
        assert_eq!(day.len(), 25);
        assert_eq!(day[23].to_rfc3339(), "2026-11-26T04:00:00.000Z");
        assert_eq!(day[0].to_rfc3339(), "2026-11-25T05:00:00.000Z");
        assert!(day[23] <= now && now < day[24]);
        let hour = bounds(Reach::Hour, now);
        assert_eq!((hour.len(), hour[59].to_rfc3339().as_str()), (61, "2026-11-26T04:01:00.000Z"));
    }
}
