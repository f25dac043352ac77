//! A stretch of a sync reads as many rows of a large hub as of a small one, and its end reads each account
//! a few times, also while PostgreSQL has no statistics of the tables, or none that know the hub, the list
//! or the workspace. Counted by the database, not by time.

use std::collections::BTreeMap;

use diesel::connection::SimpleConnection as _;
use scimhub::base::clock::Micros;
use scimhub::base::ids::{HubId, TaskId, WorkspaceId};
use scimhub::domain::member::{Member, MemberStatus, Presence};
use scimhub::domain::sync::Observed;
use scimhub::store::{Store, StoreError, Tx, hub_members, sync_seen};
use uuid::Uuid;

use super::list_cost::stranger;
use super::rows_read::touched;
use crate::support::Database;

/// What is read.
const TABLES: [&str; 2] = ["hub_members", "sync_seen"];
/// Accounts of the hub: enough for a plan that reads them all to be seen.
const MANY: usize = 3_000;
/// Accounts of a stretch.
const STRETCH: usize = 50;
/// Rows and entries of indexes that may be read for each account of a stretch.
const EACH: i64 = 12;

fn remote(number: usize) -> String {
    format!("r{number:05}")
}

fn member(hub: HubId, number: usize) -> Member {
    Member {
        remote_id: Some(remote(number)),
        email_key: Some(format!("p{number}@example.com")),
        status: MemberStatus::UnmatchedUser,
        ..stranger(hub, number)
    }
}

fn listed(number: usize) -> (String, (Uuid, Observed)) {
    let observed = Observed {
        remote_id: remote(number),
        address: Some(format!("p{number}@example.com")),
        display: "somebody".to_owned(),
        role: None,
        assets: None,
        presence: Presence::Active,
        expires_at: None,
        seen_at: Micros(2),
    };
    (remote(number), (Uuid::now_v7(), observed))
}

/// A hub whose members are known, and a list that has all of them.
async fn hub(store: &Store, workspace: WorkspaceId) -> (HubId, TaskId) {
    let (hub, task) = (HubId::from_uuid(Uuid::now_v7()), TaskId::from_uuid(Uuid::now_v7()));
    store
        .write(move |tx| {
            let members: Vec<Member> = (0..MANY).map(|number| member(hub, number)).collect();
            for some in members.chunks(500) {
                hub_members::insert_all(tx, workspace, some, "sync", Micros(1))?;
            }
            for first in (0..MANY).step_by(100) {
                let page: BTreeMap<_, _> = (first..first + 100).map(listed).collect();
                sync_seen::put(tx, workspace, task, &page)?;
            }
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    (hub, task)
}

/// What a stretch asks, with how many rows each of it read.
fn stretch(
    tx: &mut Tx<'_>,
    (workspace, hub, task): (WorkspaceId, HubId, TaskId),
    first: usize,
) -> Result<Vec<(&'static str, i64)>, StoreError> {
    let mut costs = Vec::new();
    let mut before = touched(tx, &TABLES);
    let mut note = |tx: &mut Tx<'_>, what| {
        let now = touched(tx, &TABLES);
        costs.push((what, now - before));
        before = now;
    };
    let (after, last) = (remote(first), remote(first + STRETCH));
    let limit = i64::try_from(STRETCH).unwrap();
    let found = sync_seen::after(tx, workspace, task, Some(&after), limit)?;
    assert_eq!(found.len(), STRETCH);
    note(tx, "the list");
    let remotes: Vec<&str> = found.iter().map(|(_, seen)| seen.remote_id.as_str()).collect();
    assert_eq!(hub_members::of_remotes(tx, workspace, hub, &remotes)?.len(), STRETCH);
    note(tx, "its members");
    let addresses = found.iter().filter_map(|(_, seen)| seen.address.clone()).collect();
    assert_eq!(sync_seen::bearers(tx, workspace, task, &addresses)?.len(), STRETCH);
    note(tx, "its addresses");
    hub_members::stamp(tx, workspace, hub, task, Some(&after), &last)?;
    note(tx, "its stamps");
    Ok(costs)
}

/// What is asked of the whole list once all of it was taken over, with how many rows each of it read.
fn end(
    tx: &mut Tx<'_>,
    (workspace, hub, task): (WorkspaceId, HubId, TaskId),
) -> Result<[(&'static str, i64); 3], StoreError> {
    let began = touched(tx, &TABLES);
    assert_eq!(sync_seen::missing(tx, workspace, hub, task, Micros(9))?, (0, i64::try_from(MANY).unwrap()));
    let counted = touched(tx, &TABLES);
    assert_eq!(sync_seen::not_listed(tx, workspace, hub, task, None, 100)?, []);
    let looked = touched(tx, &TABLES);
    let mut thrown = 0;
    while thrown < MANY {
        thrown += sync_seen::throw_away(tx, workspace, task, 500)?;
    }
    assert_eq!(sync_seen::throw_away(tx, workspace, task, 500)?, 0);
    let threw = touched(tx, &TABLES);
    Ok([("the count", counted - began), ("who is missing", looked - counted), ("throwing away", threw - looked)])
}

#[tokio::test]
async fn a_stretch_of_a_sync_reads_what_it_is_about() {
    let Some(database) = Database::postgres() else { return };
    let store = database.open();
    for (workspace, statistics) in [(1, "none"), (1, "of another hub"), (2, "of another workspace")] {
        let workspace = WorkspaceId(workspace);
        let (hub, task) = hub(&store, workspace).await;
        // More often than PostgreSQL plans a prepared statement anew.
        for round in 0..8 {
            let costs = store.write(move |tx| stretch(tx, (workspace, hub, task), round * STRETCH)).await.unwrap();
            let most = EACH * i64::try_from(STRETCH).unwrap();
            assert!(costs.iter().all(|(_, read)| *read <= most), "statistics {statistics}, round {round}: {costs:?}");
        }
        let costs = store.write(move |tx| end(tx, (workspace, hub, task))).await.unwrap();
        let most = EACH * i64::try_from(MANY).unwrap();
        assert!(costs.iter().all(|(_, read)| *read <= most), "statistics {statistics}, at the end: {costs:?}");
        store.write(|tx| Ok::<_, StoreError>(tx.batch_execute("ANALYZE")?)).await.unwrap();
    }
}
