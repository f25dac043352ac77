//! Nudges reach the other processes of a cluster.

use std::time::Duration;

use scimhub::base::clock::{Clock, SystemClock};
use scimhub::base::nudge::Nudge;

use crate::support::{Database, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nudge_reaches_another_process_and_makes_no_echo() {
    let Some(database) = Database::postgres() else { return };
    let (here, there) = (Nudge::default(), Nudge::default());
    // Two stores stand for two processes.
    let stores = [database.open(), database.open()];
    stores[0].share_nudges(&here).unwrap();
    stores[1].share_nudges(&there).unwrap();
    let woken = async |nudge: &Nudge, span: Duration| {
        let clock = SystemClock::new();
        nudge.wait_workers(span).await;
        clock.monotonic() < span
    };
    eventually("the other process hears", Duration::from_secs(20), async || {
        here.workers();
        woken(&there, Duration::from_millis(200)).await
    })
    .await;
    // The first look after connecting wakes once as well; afterwards it is quiet on both sides.
    eventually("quiet", Duration::from_secs(20), async || {
        let (a, b) = (woken(&here, Duration::from_millis(100)).await, woken(&there, Duration::from_millis(100)).await);
        !a && !b
    })
    .await;
}
