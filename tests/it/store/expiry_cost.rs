//! Invitations that ran out are looked for every second, so that members who have none must not be read.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use scimhub::base::clock::Micros;
use scimhub::base::ids::{HubId, WorkspaceId};
use scimhub::domain::member::{Member, MemberStatus, Presence};
use scimhub::store::{StoreError, hub_members};
use uuid::Uuid;

use super::list_cost::stranger;
use super::rows_read::{Step, touched};
use crate::support::databases;

const WORKSPACE: WorkspaceId = WorkspaceId(1);
/// Members without an invitation: enough for a plan that reads them all to be seen.
const MANY: usize = 3_000;

fn member(number: usize, known: Presence, status: MemberStatus) -> Member {
    Member { known, status, ..stranger(HubId::from_uuid(Uuid::from_u128(1)), number) }
}

#[tokio::test]
async fn invitations_that_ran_out_are_found_without_a_look_at_other_members() {
    for database in databases() {
        let store = database.open();
        let is_postgres = database.name == "postgres";
        let (expired, read) = store
            .write(move |tx| {
                let mut members: Vec<Member> =
                    (0..MANY).map(|number| member(number, Presence::Active, MemberStatus::Settled)).collect();
                let invited: Vec<Member> = (MANY..MANY + 2)
                    .map(|number| member(number, Presence::Pending, MemberStatus::PendingInviteClaim))
                    .collect();
                members.extend(invited.iter().cloned());
                for some in members.chunks(500) {
                    hub_members::insert_all(tx, WORKSPACE, some, "sync", Micros(1))?;
                }
                hub_members::invited(tx, WORKSPACE, invited[0].id, Micros(1), Some(Micros(5)))?;
                hub_members::invited(tx, WORKSPACE, invited[1].id, Micros(1), Some(Micros(9)))?;
                let count = |tx: &mut _| if is_postgres { touched(tx, &["hub_members"]) } else { 0 };
                let before = count(tx);
                let expired = hub_members::expire_invitations_across_workspaces(tx, Micros(5))?;
                Ok::<_, StoreError>((expired, count(tx) - before))
            })
            .await
            .unwrap();
        assert_eq!(expired, 1, "{}", database.name);
        assert!(read <= 20, "{read} rows were read");
        if !is_postgres {
            // SQLite does not count the rows it reads, so its plan is asked.
            let sql = "EXPLAIN QUERY PLAN UPDATE hub_members SET status = ? WHERE known_state = ? AND status = ? \
                       AND expires_at <= ?";
            let steps = store.write(move |tx| {
                let bound = diesel::sql_query(sql).bind::<Text, _>("").bind::<Text, _>("").bind::<Text, _>("");
                Ok::<_, StoreError>(bound.bind::<BigInt, _>(1).load::<Step>(&mut **tx)?)
            });
            let plan: Vec<String> = steps.await.unwrap().into_iter().map(|step| step.detail).collect();
            assert!(plan.iter().any(|step| step.contains("hub_members_invited")), "{plan:?}");
        }
    }
}
