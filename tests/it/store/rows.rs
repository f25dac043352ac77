//! The shared primitives of `store::dialect`: many rows at once.

use diesel::prelude::*;
use scimhub::store::StoreError;
use scimhub::store::dialect::{Cell, insert_rows};
use scimhub::store::schema::reconcile_marks;
use uuid::Uuid;

use crate::support::databases;

const COLUMNS: [&str; 9] =
    ["workspace", "hub_id", "user_id", "due_at", "settle_until", "rev", "cause", "request_id", "created_at"];

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
async fn many_rows_go_in_and_meet_those_that_are_there() {
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
        let moved = store
            .read(move |conn| {
                let moved = reconcile_marks::table.filter(reconcile_marks::due_at.eq(9));
                Ok::<_, StoreError>(moved.count().get_result::<i64>(conn)?)
            })
            .await
            .unwrap();
        assert_eq!(moved, 20, "{}", database.name);
    }
}
