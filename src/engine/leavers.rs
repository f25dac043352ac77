//! A leaver still present in an app after a day is always an open problem (DESIGN.md section 2.13),
//! whatever keeps them: a held removal, a pause, a decision, an account nobody manages. Looked for
//! from rows, by one process of the installation at a time.

use std::collections::BTreeSet;
use std::time::Duration;

use super::EngineError;
use super::worker::Worker;
use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};
use crate::base::limits::LEAVER_PRESENT;
use crate::domain::problem::Cause;
use crate::store::{StoreError, Tx, duties, leavers, problems};

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

fn state(tx: &mut Tx<'_>, found: &[(WorkspaceId, HubId, i64)], now: Micros) -> Result<(), StoreError> {
    let mut present = BTreeSet::new();
    for (workspace, hub, people) in found {
        present.insert((*workspace, *hub));
        let noun = if *people == 1 { "person who left is" } else { "people who left are" };
        let message = format!("{people} {noun} still in the app after {} hours", LEAVER_PRESENT.as_secs() / 3600);
        problems::state(tx, *workspace, *hub, Cause::LeaverPresent, &message, *people, now)?;
    }
    for (workspace, hub) in problems::hubs_with_across_workspaces(tx, Cause::LeaverPresent)? {
        if !present.contains(&(workspace, hub)) {
            problems::close(tx, workspace, hub, Some(Cause::LeaverPresent), now)?;
        }
    }
    Ok(())
}
