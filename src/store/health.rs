//! How sources and hubs fare: their last success, and how often in a row they failed since. Kept
//! beside the rows that everybody reads anyway, so that showing it costs nothing of the history.

use std::collections::HashMap;
use std::time::Duration;

use diesel::prelude::*;

use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::{hub_lanes, sources};
use super::{StoreError, Tx};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, SourceId, WorkspaceId};

/// How precise a hub's last success is: within it a success writes nothing.
const PRECISION: Duration = Duration::from_secs(60);

/// How one fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// When something last went well, to the minute.
    pub last_success: Option<Micros>,
    /// Failures in a row since.
    pub error_streak: i64,
}

/// An attempt in this hub went well. Writes at most once a minute, or to end a streak.
///
/// # Errors
/// A failed statement.
pub fn hub_succeeded(tx: &mut Tx<'_>, workspace: WorkspaceId, hub: HubId, now: Micros) -> Result<(), StoreError> {
    diesel::update(hub_lanes::table.find((workspace.0, hub.bytes())))
        .filter(
            hub_lanes::error_streak
                .gt(0)
                .or(hub_lanes::last_success_at.is_null())
                .or(hub_lanes::last_success_at.le(now.minus(PRECISION).0)),
        )
        .set((hub_lanes::last_success_at.eq(now.0), hub_lanes::error_streak.eq(0)))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// An attempt in this hub failed.
///
/// # Errors
/// A failed statement.
pub fn hub_failed(tx: &mut Tx<'_>, workspace: WorkspaceId, hub: HubId) -> Result<(), StoreError> {
    diesel::update(hub_lanes::table.find((workspace.0, hub.bytes())))
        .set(hub_lanes::error_streak.eq(hub_lanes::error_streak + 1))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// How the hubs of a workspace fare.
///
/// # Errors
/// A failed statement.
pub fn of_hubs(conn: &mut DbConn, workspace: WorkspaceId) -> Result<HashMap<HubId, Health>, StoreError> {
    let rows: Vec<(Vec<u8>, Option<i64>, i64)> = hub_lanes::table
        .filter(hub_lanes::workspace.eq(workspace.0))
        .select((hub_lanes::hub_id, hub_lanes::last_success_at, hub_lanes::error_streak))
        .kept()
        .load(conn)?;
    rows.into_iter()
        .map(|(hub, last, error_streak)| {
            let hub = HubId::from_bytes(&hub).map_err(|_| StoreError::Corrupt("a lane's hub".into()))?;
            Ok((hub, Health { last_success: last.map(Micros), error_streak }))
        })
        .collect()
}

/// Add what a process counted of a source's requests since it last did: the last success, and the
/// failures after it, or after what is stored where there was none.
///
/// # Errors
/// A failed statement.
pub fn source_counted(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    source: SourceId,
    counted: Health,
) -> Result<(), StoreError> {
    let row = sources::table.find((workspace.0, source.0));
    match counted.last_success {
        Some(at) => diesel::update(row)
            .set((sources::last_success_at.eq(at.0), sources::error_streak.eq(counted.error_streak)))
            .kept()
            .execute(tx)?,
        None => diesel::update(row)
            .set(sources::error_streak.eq(sources::error_streak + counted.error_streak))
            .kept()
            .execute(tx)?,
    };
    Ok(())
}

/// How the sources of a workspace fare, as far as it was written down.
///
/// # Errors
/// A failed statement.
pub fn of_sources(conn: &mut DbConn, workspace: WorkspaceId) -> Result<HashMap<SourceId, Health>, StoreError> {
    let rows: Vec<(i64, Option<i64>, i64)> = sources::table
        .filter(sources::workspace.eq(workspace.0))
        .select((sources::id, sources::last_success_at, sources::error_streak))
        .kept()
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|(id, last, error_streak)| (SourceId(id), Health { last_success: last.map(Micros), error_streak }))
        .collect())
}
