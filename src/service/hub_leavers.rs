//! People who left, where a hub stops that would have removed them: it goes back to observing, or is
//! removed itself. Written in the same transaction, so that nobody is out of sight in between.

use super::ServiceError;
use super::scribe::Scribe;
use crate::base::limits::LEAVER_PRESENT;
use crate::domain::hub::Hub;
use crate::domain::problem::{self, Cause};
use crate::store::{Tx, leavers, problems};

/// A leaver still present is always an open problem (DESIGN.md section 2.13), and with its hub goes
/// whatever would have seen them gone: syncs, tasks, held batches. So what is known at this moment is
/// opened as a problem of its own, which only a person ends (`problems::gone`). It is about who has left
/// by now; of people who leave later, a hub that is not there says nothing.
///
/// # Errors
/// [`ServiceError::Store`].
pub(super) fn left_behind(tx: &mut Tx<'_>, scribe: &Scribe, hub: &Hub) -> Result<(), ServiceError> {
    let (workspace, now) = (scribe.workspace, scribe.now);
    let people = leavers::left_behind_in(tx, workspace, hub.id, now, i64::MAX)?.len();
    if people > 0 {
        let people = i64::try_from(people).unwrap_or(i64::MAX);
        let message = problem::leavers_left_behind(people, &hub.label);
        problems::state(tx, workspace, hub.id, Cause::LeaverLeftBehind, &message, people, now)?;
    }
    Ok(())
}

/// A hub that observes removes nobody: of whom it manages, who left is a problem from now on and not
/// only after a day, because their removal was just withdrawn. Answers what to tell of it.
///
/// # Errors
/// [`ServiceError::Store`].
pub(super) fn observed(tx: &mut Tx<'_>, scribe: &Scribe, hub: &Hub) -> Result<Option<String>, ServiceError> {
    let (workspace, now) = (scribe.workspace, scribe.now);
    let people = leavers::present_in(tx, workspace, hub.id, now.minus(LEAVER_PRESENT), i64::MAX)?.len();
    if people == 0 {
        return Ok(None);
    }
    let people = i64::try_from(people).unwrap_or(i64::MAX);
    let message = problem::leavers_present(people, hub.mode);
    problems::state(tx, workspace, hub.id, Cause::LeaverPresent, &message, people, now)?;
    Ok(Some(format!("{}: {message}", hub.slug)))
}
