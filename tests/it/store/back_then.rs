//! What is read of the record to explain a moment that is past is looked up by its own indexes, not in
//! the record of the whole workspace.

use std::sync::{Arc, Mutex};

use diesel::connection::{Connection as _, InstrumentationEvent};
use diesel::prelude::*;
use scimhub::base::clock::Micros;
use scimhub::base::ids::{GroupId, HubId, UserId, WorkspaceId};
use scimhub::store::census::Census;
use scimhub::store::reach::Reach;
use scimhub::store::{StoreError, back_then};

use super::rows_read::Step;
use crate::support::Database;

#[tokio::test]
async fn the_record_of_a_moment_is_found_by_its_own_indexes() {
    let database = Database::sqlite();
    let store = database.open();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noting = Arc::clone(&asked);
    store
        .write(move |tx| {
            let (workspace, at, id) = (WorkspaceId(1), Micros(1), uuid::Uuid::now_v7());
            let (hub, user) = (HubId::from_uuid(id), UserId::from_uuid(id));
            let noting = Arc::clone(&noting);
            tx.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                if let InstrumentationEvent::StartQuery { query, .. } = event {
                    noting.lock().unwrap().push(query.to_string());
                }
            });
            back_then::rules(tx, workspace, hub)?;
            back_then::person(tx, workspace, hub, user, at)?;
            back_then::groups(tx, workspace, hub, user, &[GroupId::from_uuid(id)], at)?;
            Census::default().look(tx, workspace, Reach::Workspace, at)?;
            tx.set_instrumentation(|_: InstrumentationEvent<'_>| {});
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    let asked: Vec<String> =
        asked.lock().unwrap().iter().map(|sql| sql.split("-- binds").next().unwrap().to_owned()).collect();
    let asked: Vec<String> = asked.into_iter().filter(|sql| sql.contains("FROM `activity`")).collect();
    assert_eq!(asked.len(), 4, "{asked:?}");
    for (sql, index) in
        asked.into_iter().zip(["activity_rules", "activity_user", "activity_groups", "activity_departures"])
    {
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let steps: Vec<Step> =
            store.read(move |conn| Ok::<_, StoreError>(diesel::sql_query(explain).load(conn)?)).await.unwrap();
        let steps: Vec<String> = steps.into_iter().map(|step| step.detail).collect();
        assert!(steps[0].contains(&format!("USING INDEX {index} ")), "{sql}\n{steps:?}");
    }
}
