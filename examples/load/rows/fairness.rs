//! A hub with 100,000 queued tasks, and one task of another hub.

use std::time::{Duration, Instant};

use anyhow::bail;
use scimhub::engine::run::Engine;
use scimhub::store::tasks;
use tokio_util::sync::CancellationToken;

use super::Stage;
use crate::app::{App, Bench};
use crate::report::Budget;

const CROWD: usize = 100_000;
/// A call of the app; four at once is what a hub may by default.
const CALL: Duration = Duration::from_millis(2);
const CALLS: u32 = 4;

pub fn run(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let app = App::taking(CALL);
    let crowd = stage.options.size(CROWD);
    let database = (stage.database)()?;
    let stop = CancellationToken::new();
    let reps = runtime.block_on(async {
        let bench = Bench::new(database, &app).await?;
        let hub = bench.hub("crowded", CALLS).await?;
        for first in (0..crowd).step_by(1_000) {
            stage.note(&format!("queueing: {first} of {crowd} tasks"));
            let some: Vec<_> = (first..first + 1_000).map(|n| bench.task(hub, &format!("p{n}@example.com"))).collect();
            bench.filler.store.write(move |tx| some.iter().try_for_each(|task| tasks::insert(tx, task))).await?;
        }
        stage.note("one task beside a crowd");
        let engine = tokio::spawn(Engine::pushing(bench.worker.clone()).run(stop.clone()));
        let mut reps = Vec::new();
        for rep in 0..stage.options.reps {
            // Among the crowd's calls, not before them.
            let seen = app.called();
            while app.called() < seen + 200 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let other = bench.hub(&format!("other-{rep}"), CALLS).await?;
            let task = bench.task(other, "one@example.com");
            bench.filler.store.write(move |tx| tasks::insert(tx, &task)).await?;
            bench.nudge.workers();
            let (began, before) = (Instant::now(), app.called());
            let started = loop {
                if let Some(at) = app.first(other) {
                    break at;
                }
                if began.elapsed() > Duration::from_secs(60) {
                    bail!("the single task did not start within a minute");
                }
                tokio::time::sleep(Duration::from_micros(500)).await;
            };
            reps.push((started.saturating_duration_since(began), app.called() - before));
        }
        stop.cancel();
        engine.await?;
        Ok(reps)
    })?;
    let waits = reps.iter().map(|(wait, _)| wait.as_secs_f64() * 1_000.0).collect();
    let passed = reps.iter().map(|(_, passed)| *passed).max().unwrap_or(0);
    let note = format!("at most {passed} of the crowd's calls ended meanwhile");
    let what = format!("a single task's start beside {crowd} queued in another hub");
    stage.add(&what, " ms", waits, Budget::AtMost(2_000.0, 2_000.0, f64::NAN), note);
    stage.report.progress().step();
    Ok(())
}
