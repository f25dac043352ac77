//! Forgetting a person who is gone (DESIGN.md section 3): what stands in the way, where something of
//! them is written, and taking it out. Sealed records keep their place and hash; only what stands
//! beside them goes. What each table keeps is in [`kept::KEPT`].

pub mod kept;
pub mod obstacles;
pub mod taking;
pub mod texts;
pub mod traces;

use diesel::dsl::exists;
use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::schema::{access_intervals, activity, users};
use crate::base::ids::{UserId, WorkspaceId};
use crate::domain::task::Effect;

pub use obstacles::{Obstacles, obstacles};
pub use taking::{Erased, erase};
pub use traces::{Traces, traces};

/// Rows read or changed by one statement.
const BATCH: usize = 500;

/// Whether the workspace ever had this person.
///
/// # Errors
/// A failed statement.
pub fn known(conn: &mut DbConn, workspace: WorkspaceId, user: UserId) -> Result<bool, StoreError> {
    let record = activity::table.filter(activity::workspace.eq(workspace.0)).filter(activity::user_id.eq(user.bytes()));
    // The record may have been cut since.
    let held = access_intervals::table
        .filter(access_intervals::workspace.eq(workspace.0))
        .filter(access_intervals::user_id.eq(user.bytes()));
    let here = users::table.find((workspace.0, user.bytes()));
    Ok(diesel::select(exists(record)).get_result(conn)?
        || diesel::select(exists(held)).get_result(conn)?
        || diesel::select(exists(here)).get_result(conn)?)
}

fn effect(payload: &str) -> Result<Effect, StoreError> {
    serde_json::from_str(payload).map_err(|error| StoreError::Corrupt(format!("task: {error}")))
}
