//! What an attempt teaches the hub's lane: pace, breaker, standstill. In the transaction that
//! records the attempt, and without touching the row when there is nothing new.

use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};
use crate::domain::breaker::{Breaker, State};
use crate::store::lanes::{self, Locked};
use crate::store::{StoreError, Tx};

use super::outcome::LaneNote;

/// What the lane knows now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// The app is back: the breaker closed.
    pub back: bool,
    /// While it is open: failures in a row.
    pub failures: i32,
}

/// Write down what the lane learned. Answers whether the app is back: its breaker was open, and is
/// closed again.
///
/// # Errors
/// A failed statement.
pub fn learn(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: HubId,
    note: &LaneNote,
    now: Micros,
) -> Result<Learned, StoreError> {
    match note {
        LaneNote::Nothing => return Ok(Learned::default()),
        // The usual case writes nothing: success while the breaker is closed and clean.
        LaneNote::Answered => match lanes::load(tx, workspace, hub)? {
            None => return Ok(Learned::default()),
            Some(lane) if lane.breaker == Breaker::CLOSED => return Ok(Learned::default()),
            Some(_) => {}
        },
        LaneNote::Failed | LaneNote::Wait(_) | LaneNote::Blocked(_) => {}
    }
    let Some(mut lane) = lanes::lock(tx, workspace, hub, Locked::Wait)? else {
        return Ok(Learned::default());
    };
    let was = lane.breaker;
    match note {
        LaneNote::Nothing => {}
        LaneNote::Answered => lane.breaker = lane.breaker.on_success(lane.max_in_flight),
        LaneNote::Failed => lane.breaker = lane.breaker.on_failure(now),
        LaneNote::Wait(wait) => {
            // The app is there and speaks; it is only full.
            if lane.breaker.state != State::Closed {
                lane.breaker = lane.breaker.on_success(lane.max_in_flight);
            }
            lane.next_allowed_at = Micros(lane.next_allowed_at.0.max(now.plus(*wait).0));
        }
        LaneNote::Blocked(cause) => {
            lane.blocked_reason = Some(cause.as_str().to_owned());
            if lane.breaker.state == State::HalfOpen {
                lane.breaker = Breaker::CLOSED;
            }
        }
    }
    lanes::save(tx, workspace, hub, &lane)?;
    Ok(Learned {
        back: was.state != State::Closed && lane.breaker.state == State::Closed,
        failures: match lane.breaker.state {
            State::Open => lane.breaker.count,
            State::Closed | State::HalfOpen | State::Slow => 0,
        },
    })
}
