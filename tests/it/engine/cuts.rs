//! F-10: the connection to PostgreSQL is cut at every statement of an attempt: reading the hub,
//! and the transaction that records the end. The effect stays one, and the task comes to its end.

use std::time::Duration;

use scimhub::domain::hub::HubPolicy;
use scimhub::domain::task::TaskStatus;
use scimhub::store::lanes::Company;
use tokio_util::sync::CancellationToken;

use super::bench::Bench;
use crate::support::{Cut, Database, Proxy, eventually};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn f10_a_connection_cut_in_every_statement_of_an_attempt() {
    let Some(database) = Database::postgres() else { return };
    let proxy = Proxy::before(&database);
    let bench = Bench::new(&database.behind(&proxy)).await.hurry();
    let policy = HubPolicy { max_in_flight: 1, ..HubPolicy::default() };
    for cut in [Cut::BeforeStatement, Cut::BeforeReply] {
        let mut n = 0;
        loop {
            n += 1;
            // A hub of its own each time, so that no breaker remembers the last one.
            let slug = format!("hub-{n}-{}", if cut == Cut::BeforeReply { "after" } else { "before" });
            let hub = bench.hub(&slug, policy.clone()).await;
            let email = format!("{slug}@example.com");
            let id = bench.add(hub, &email).await;
            let mut claimed = bench.worker.claim(1, Company::Many).await.unwrap().tasks;
            let claimed = claimed.pop().expect("the task is claimed");
            proxy.arm(n, cut);
            bench.worker.attempt(claimed, &CancellationToken::new()).await;
            let was_cut = proxy.disarm();
            // Recorded in time, or taken back when the lease is over, and looked at first.
            eventually(&format!("{cut:?} {n}: the end"), SOON, async || {
                bench.worker.sweep().await.unwrap();
                bench.settle().await;
                bench.load(id).await.status == TaskStatus::Completed
            })
            .await;
            assert_eq!(bench.app.accounts(hub, &email).len(), 1, "{cut:?} {n}");
            if !was_cut {
                break;
            }
        }
        assert!(n > 10, "an attempt has more than {n} statements");
    }
}
