//! One member in or out of a group touches the same few rows whatever the group's size. Counted
//! by the databases themselves, not by time.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use scimhub::base::clock::Micros;
use scimhub::base::ids::{GroupId, SourceId, UserId, WorkspaceId};
use scimhub::scim::group::GroupKeys;
use scimhub::scim::user::UserKeys;
use scimhub::store::member_lookup::{self, ByExternalId};
use scimhub::store::memberships::{self, Leaving, Member, MemberKind};
use scimhub::store::reach::Reach;
use scimhub::store::{DbConn, Store, StoreError, Tx, groups, users};
use uuid::Uuid;

use super::rows_read::Step;
use crate::support::databases;

const WORKSPACE: WorkspaceId = WorkspaceId(1);
const SOURCE: SourceId = SourceId(1);

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

/// Rows touched so far: on PostgreSQL read and written in this transaction, on SQLite written by
/// this connection.
fn touched(tx: &mut Tx<'_>) -> i64 {
    let sql = match &**tx {
        DbConn::Sqlite(_) => "SELECT total_changes() AS rows",
        DbConn::Postgres(_) => {
            "SELECT SUM(COALESCE(idx_tup_fetch, 0) + seq_tup_read + n_tup_ins + n_tup_upd + n_tup_del)::BIGINT AS rows \
             FROM pg_stat_xact_user_tables WHERE relname IN ('memberships', 'user_groups', 'pending_members')"
        }
    };
    diesel::sql_query(sql).get_result::<Count>(&mut **tx).unwrap().rows
}

fn make(tx: &mut Tx<'_>, size: usize) -> (GroupId, UserId) {
    let (group, user) = (GroupId::from_uuid(Uuid::now_v7()), UserId::from_uuid(Uuid::now_v7()));
    let keys = GroupKeys { display_name: "g".into(), display_name_key: "g".into(), external_id: None };
    groups::insert(tx, WORKSPACE, SOURCE, group, &keys, "{}", Micros(1)).unwrap();
    let keys = UserKeys {
        user_name: format!("u{size}"),
        user_name_key: format!("u{size}"),
        display_name_key: None,
        external_id: None,
        active: true,
        emails: Vec::new(),
    };
    users::insert(tx, WORKSPACE, SOURCE, user, &keys, "{}", Micros(1)).unwrap();
    let crowd: Vec<Member> = (0..size).map(|_| Member { id: Uuid::now_v7(), kind: MemberKind::User }).collect();
    memberships::add(tx, WORKSPACE, group, &crowd, Micros(1)).unwrap();
    (group, user)
}

async fn cost(store: &Store, group: GroupId, user: UserId, way_in: bool) -> i64 {
    store
        .write(move |tx| {
            let before = touched(tx);
            let row = groups::load_for_update(tx, WORKSPACE, Reach::Source(SOURCE), group)?;
            let changed = if way_in {
                let value = user.to_string();
                let found = member_lookup::find(tx, WORKSPACE, SOURCE, [value.as_str()], ByExternalId::Yes)?;
                memberships::add(tx, WORKSPACE, group, &found.known, Micros(2))?.added.len()
            } else {
                memberships::remove(tx, WORKSPACE, group, Leaving::These(&[user.uuid()]))?.len()
            };
            assert_eq!(changed, 1);
            groups::touch(tx, WORKSPACE, &row, Micros(3))?;
            Ok::<_, StoreError>(touched(tx) - before)
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn one_member_in_or_out_touches_the_same_rows_in_any_group() {
    for database in databases() {
        let store = database.open();
        for statistics in [false, true] {
            let mut costs = Vec::new();
            for size in [10_usize, 20_000] {
                let (group, user) = store.write(move |tx| Ok::<_, StoreError>(make(tx, size))).await.unwrap();
                if statistics {
                    store
                        .write(|tx| {
                            diesel::sql_query("ANALYZE").execute(&mut **tx)?;
                            Ok::<_, StoreError>(())
                        })
                        .await
                        .unwrap();
                }
                costs.push([cost(&store, group, user, true).await, cost(&store, group, user, false).await]);
                store
                    .write(move |tx| {
                        for table in ["users", "user_groups", "memberships"] {
                            diesel::sql_query(format!("DELETE FROM {table}")).execute(&mut **tx)?;
                        }
                        Ok::<_, StoreError>(())
                    })
                    .await
                    .unwrap();
            }
            assert_eq!(costs[0], costs[1], "{} {statistics}", database.name);
            assert!(costs[1].iter().all(|rows| *rows <= 12), "{}: {costs:?}", database.name);
        }
    }
}

/// SQLite does not count the rows it reads, so its plan is asked: the whole key is searched.
#[tokio::test]
async fn sqlite_searches_the_whole_key_of_a_membership() {
    let database = crate::support::Database::sqlite();
    let store = database.open();
    for statement in ["DELETE FROM memberships", "UPDATE memberships SET confirmed_at = 1"] {
        let steps = store
            .write(move |tx| {
                let list = scimhub::store::id_list::one_of(tx, 1, 1);
                let sql = format!(
                    "EXPLAIN QUERY PLAN {statement} WHERE workspace = 1 AND group_id = x'00' AND member_id {list}"
                );
                let sql = scimhub::store::id_list::numbered(tx, &sql);
                Ok::<_, StoreError>(diesel::sql_query(sql).bind::<Text, _>("[]").load::<Step>(&mut **tx)?)
            })
            .await
            .unwrap();
        assert!(
            steps.iter().any(|step| step.detail.contains("workspace=? AND group_id=? AND member_id=?")),
            "{:?}",
            steps.iter().map(|step| &step.detail).collect::<Vec<_>>()
        );
    }
}
