//! PostgreSQL learns of a table that has grown before its autovacuum looks.

use diesel::prelude::*;
use diesel::sql_types::Float;
use scimhub::base::clock::Micros;
use scimhub::base::ids::{HubId, WorkspaceId};
use scimhub::domain::member::Member;
use scimhub::store::{DbConn, Store, StoreError, hub_members, statistics};
use uuid::Uuid;

use super::list_cost::stranger;
use crate::hubs::SOON;
use crate::support::{Database, databases, eventually};

const ROWS: usize = 3_000;

#[derive(QueryableByName)]
struct Rows {
    #[diesel(sql_type = Float)]
    rows: f32,
}

/// How many rows PostgreSQL believes the members' table to have; -1 where it never counted.
async fn believed(store: &Store) -> f32 {
    let asked = |conn: &mut DbConn| {
        let sql = "SELECT reltuples AS rows FROM pg_class WHERE oid = 'hub_members'::regclass";
        let found: Rows = diesel::sql_query(sql).get_result(conn)?;
        Ok::<_, StoreError>(found.rows)
    };
    store.look(asked).await.unwrap()
}

async fn fill(store: &Store) {
    let hub = HubId::from_uuid(Uuid::now_v7());
    let members: Vec<Member> = (0..ROWS).map(|number| stranger(hub, number)).collect();
    store.write(move |tx| hub_members::insert_all(tx, WorkspaceId(1), &members, "sync", Micros(1))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_has_grown_is_counted_once() {
    let Some(database) = Database::postgres() else { return };
    let store = Store::open(&database.url).unwrap();
    fill(&store).await;
    // A session tells of its changes at its next statement a second later, or after ten seconds.
    eventually("the members are counted", SOON, async || {
        let counted = store.look(statistics::count_grown).await.unwrap();
        counted.iter().any(|table| table.ends_with(".hub_members"))
    })
    .await;
    assert!((believed(&store).await - ROWS as f32).abs() < 1.0, "{}", believed(&store).await);
    let again = store.look(statistics::count_grown).await.unwrap();
    assert!(!again.iter().any(|table| table.ends_with(".hub_members")), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_is_asked_nothing() {
    for database in databases() {
        let store = Store::open(&database.url).unwrap();
        let counted = store.look(statistics::count_grown).await.unwrap();
        assert!(counted.is_empty(), "{}: nothing has grown: {counted:?}", database.name);
    }
}
