//! The shared primitives of `store::dialect`: many rows at once, and sets of ids.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use scimhub::store::dialect::{Cell, IdSet, insert_rows};
use scimhub::store::schema::reconcile_marks;
use scimhub::store::{DbConn, StoreError};
use uuid::Uuid;

use crate::support::databases;

const COLUMNS: [&str; 9] =
    ["workspace", "hub_id", "user_id", "due_at", "settle_until", "rev", "cause", "request_id", "created_at"];

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

fn mark(user: u128, due: i64) -> Vec<Cell> {
    let request = if user.is_multiple_of(2) { None } else { Some("r'1") };
    let hub = Uuid::from_u128(7);
    vec![
        1.into(),
        hub.into(),
        Uuid::from_u128(user).into(),
        due.into(),
        due.into(),
        1.into(),
        "test".into(),
        request.into(),
        0.into(),
    ]
}

#[tokio::test]
async fn many_rows_go_in_and_are_found_by_a_set_of_ids() {
    for database in databases() {
        let store = database.open();
        let written = store
            .write(|tx| {
                let rows: Vec<_> = (0..1300).map(|user| mark(user, 5)).collect();
                let first = insert_rows(tx, "reconcile_marks", &COLUMNS, &rows, "")?;
                let again: Vec<_> = (1290..1310).map(|user| mark(user, 9)).collect();
                let upsert = "ON CONFLICT (workspace, hub_id, user_id) DO UPDATE
                              SET due_at = excluded.due_at, rev = reconcile_marks.rev + 1";
                Ok::<_, StoreError>((first, insert_rows(tx, "reconcile_marks", &COLUMNS, &again, upsert)?))
            })
            .await
            .unwrap();
        assert_eq!(written, (1300, 20), "{}", database.name);
        let count = |conn: &mut DbConn, ids: Vec<u128>| {
            let set = IdSet::new(conn, ids.into_iter().map(Uuid::from_u128));
            let text = format!("SELECT count(*) AS n FROM reconcile_marks WHERE {}", set.condition("user_id", 1));
            let joined = format!(
                "SELECT count(*) AS n FROM {} AS ids JOIN reconcile_marks m ON m.user_id = ids.id",
                set.relation(1)
            );
            let found: Count = diesel::sql_query(text).bind::<Text, _>(set.parameter()).get_result(conn)?;
            let same: Count = diesel::sql_query(joined).bind::<Text, _>(set.parameter()).get_result(conn)?;
            assert_eq!(found.n, same.n);
            Ok::<_, StoreError>(found.n)
        };
        let (some, none, moved) = store
            .read(move |conn| {
                let some = count(conn, (1300..9000).chain([3, 4]).collect())?;
                let moved = reconcile_marks::table.filter(reconcile_marks::due_at.eq(9));
                Ok::<_, StoreError>((some, count(conn, vec![])?, moved.count().get_result::<i64>(conn)?))
            })
            .await
            .unwrap();
        assert_eq!((some, none, moved), (12, 0, 20), "{}", database.name);
    }
}
