//! What every caller of `store.write`, `read` and `point` relies on, on both databases.

use diesel::prelude::*;
use scimhub::store::schema::settings;
use scimhub::store::{Store, StoreError};

use crate::support::databases;

#[tokio::test]
async fn a_write_is_there_afterwards_and_a_failed_one_is_not() {
    for database in databases() {
        let store = Store::open(&database.url).unwrap();
        let kept: Result<usize, StoreError> = store
            .write(|tx| {
                Ok(diesel::insert_into(settings::table)
                    .values((settings::name.eq("kept"), settings::value.eq("1")))
                    .execute(&mut **tx)?)
            })
            .await;
        assert_eq!(kept.unwrap(), 1, "{}", database.name);
        let refused: Result<(), StoreError> = store
            .write(|tx| {
                diesel::insert_into(settings::table)
                    .values((settings::name.eq("lost"), settings::value.eq("1")))
                    .execute(&mut **tx)?;
                Err(StoreError::NotFound)
            })
            .await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{}", database.name);
        let names: Vec<String> = store
            .read(|conn| {
                Ok::<_, StoreError>(
                    settings::table
                        .filter(settings::name.eq_any(["kept", "lost"]))
                        .select(settings::name)
                        .load::<String>(conn)?,
                )
            })
            .await
            .unwrap();
        assert_eq!(names, ["kept"], "{}", database.name);
    }
}
