//! A leaver still present in an app after a day is always an open problem (DESIGN.md section 2.13),
//! whatever keeps them: a held removal, a pause, a decision, an account nobody manages. Looked for
//! from rows, by one process of the installation at a time. Who stayed behind in the app of a removed
//! hub is only counted down here: of who leaves after that, nobody here knows.

use std::collections::BTreeSet;
use std::time::Duration;

use super::EngineError;
use super::worker::Worker;
use crate::base::clock::Micros;
use crate::base::limits::LEAVER_PRESENT;
use crate::domain::problem::{self, Cause};
use crate::store::leavers::{self, Present};
use crate::store::{StoreError, Tx, duties, problems};

/// How often it is looked for: a small part of the day that somebody may still be present.
const PERIOD: Duration = Duration::from_secs(10 * 60);

impl Worker {
    /// Open, count anew and close these problems, where it is time to look. Answers whether it was.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn look_for_leavers(&self) -> Result<bool, EngineError> {
        let now = self.clock.now();
        let mine = self.store.write(move |tx| duties::take_across_workspaces(tx, "leavers", PERIOD, now)).await?;
        if !mine {
            return Ok(false);
        }
        let since = now.minus(LEAVER_PRESENT);
        let found = self.store.read(move |conn| leavers::present_across_workspaces(conn, since)).await?;
        self.store.write(move |tx| state(tx, &found, now)).await?;
        Ok(true)
    }
}

fn state(tx: &mut Tx<'_>, found: &[Present], now: Micros) -> Result<(), StoreError> {
    let mut present = BTreeSet::new();
    for Present { workspace, hub, mode, people } in found {
        present.insert((*workspace, *hub));
        let message = problem::leavers_present(*people, *mode);
        problems::state(tx, *workspace, *hub, Cause::LeaverPresent, &message, *people, now)?;
    }
    for (workspace, hub) in problems::hubs_with_across_workspaces(tx, Cause::LeaverPresent)? {
        if !present.contains(&(workspace, hub)) {
            problems::close(tx, workspace, hub, Some(Cause::LeaverPresent), now)?;
        }
    }
    // They may have come back, or been erased.
    for (workspace, hub) in problems::hubs_with_across_workspaces(tx, Cause::LeaverLeftBehind)? {
        let Some(since) = problems::open_since(tx, workspace, hub, Cause::LeaverLeftBehind)? else { continue };
        if leavers::left_behind_in(tx, workspace, hub, since, 1)?.is_empty() {
            problems::close(tx, workspace, hub, Some(Cause::LeaverLeftBehind), now)?;
        }
    }
    Ok(())
}
