//! A mapping is put on a large group: planned into tasks while others write; then the tasks are
//! claimed and completed over an app that costs nothing, beside the database's own queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use scimhub::base::ids::{HubId, MappingId};
use scimhub::domain::mapping::{Binding, HubRole, Mapping, SubjectName};
use scimhub::domain::task::TaskStatus;
use scimhub::engine::run::Engine;
use scimhub::store::{StoreError, mappings, marks, sources, task_list};
use tokio_util::sync::CancellationToken;

use super::Stage;
use crate::app::{App, Bench};
use crate::limits;
use crate::options::Kind;
use crate::report::{Budget, Spread};
use crate::support::Database;

const MEMBERS: usize = 20_000;
/// Calls at once in the hub: an app that costs nothing takes as many as come.
const IN_FLIGHT: u32 = 1_000;
/// How often another writer comes by.
const OTHERS: Duration = Duration::from_millis(5);
/// Neither may take longer than this.
const PATIENCE: Duration = Duration::from_secs(300);

struct Rep {
    planned: f64,
    worst: f64,
    usual: f64,
    pushed: f64,
    limit: f64,
}

pub fn run(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let app = App::taking(Duration::ZERO);
    let members = stage.options.size(MEMBERS);
    let bench = runtime.block_on(Bench::new((stage.database)()?, &app))?;
    runtime.block_on(async {
        let people = bench.filler.users("t", members, stage.report.progress()).await?;
        bench.filler.group("everybody", &people).await?;
        bench.filler.analyze().await
    })?;
    let bare = (stage.database)()?;
    let reps = stage.repeat(|rep| runtime.block_on(once(stage, &bench, &app, &bare, rep, members)))?;
    let middle = &reps[reps.len() / 2];
    if stage.wants("planning") {
        let of = |pick: fn(&Rep) -> f64| reps.iter().map(pick).collect::<Vec<_>>();
        let what = format!("tasks planned from a mapping on {members} members");
        stage.add(&what, "/s", of(|rep| rep.planned), Budget::AtLeast(4_000.0, 10_000.0, 20_000.0), String::new());
        let note = format!("a write every 5 ms; its median {:.1} ms", middle.usual);
        let what = "longest wait of another writer meanwhile";
        stage.add(what, " ms", of(|rep| rep.worst), Budget::AtMost(50.0, 50.0, f64::NAN), note);
        stage.report.progress().step();
    }
    if stage.wants("tasks") {
        let ratios = reps.iter().map(|rep| rep.pushed / rep.limit).collect();
        let pushed = Spread::of(&reps.iter().map(|rep| rep.pushed).collect::<Vec<_>>()).median;
        let note = format!("{pushed:.0} tasks/s; bare queue {:.0} jobs/s", middle.limit);
        let what = "tasks claimed and completed over the batch-of-50 limit";
        stage.add(what, "", ratios, Budget::AtLeast(0.08, 0.18, 0.30), note);
        stage.report.progress().step();
    }
    Ok(())
}

async fn once(
    stage: &Stage<'_>,
    bench: &Bench,
    app: &Arc<App>,
    bare: &Database,
    rep: usize,
    members: usize,
) -> anyhow::Result<Rep> {
    let hub = bench.hub(&format!("hub-{rep}"), IN_FLIGHT).await?;
    stage.note("planning");
    let (planned, waits) = plan(bench, hub, members).await?;
    stage.note("claiming and completing");
    let pushed = push(bench, app, hub, members).await?;
    let (kind, span) = (stage.kind, stage.options.span());
    let (folder, url) = (bare.folder().to_owned(), bare.url.clone());
    let limit = tokio::task::spawn_blocking(move || match kind {
        Kind::Sqlite => limits::sqlite::jobs(&folder, span),
        Kind::Postgres => limits::postgres::jobs(&url, span),
    });
    let spread = Spread::of(&waits);
    Ok(Rep { planned, worst: spread.max, usual: spread.median, pushed, limit: limit.await?? })
}

/// Tasks a second, and the waits of another writer in milliseconds.
async fn plan(bench: &Bench, hub: HubId, members: usize) -> anyhow::Result<(f64, Vec<f64>)> {
    let (store, workspace, source) = (bench.filler.store.clone(), bench.filler.workspace, bench.filler.source);
    let now = store.clock().now();
    let mapping = Mapping {
        id: MappingId::from_uuid(bench.filler.ids.next()),
        hub,
        subject: SubjectName::Group("everybody".to_owned()),
        source: None,
        binding: Binding::Waiting,
        scope: None,
        hub_role: HubRole::Collaborator,
        app_role: "viewer".to_owned(),
        seat: true,
        assets: Vec::new(),
        owner: None,
        file_ref: None,
        confirmed_at: now,
    };
    store
        .write(move |tx| {
            let mut mapping = mapping.clone();
            mapping.binding = mappings::find_subject(tx, workspace, &mapping.subject, mapping.source)?;
            mappings::insert(tx, workspace, &mapping, now)?;
            let change = marks::Change { cause: "mapping_changed", request_id: None, now };
            marks::hub_changed(tx, workspace, hub, &change)
        })
        .await?;
    let over = Arc::new(AtomicBool::new(false));
    let others = {
        let (store, over) = (store.clone(), Arc::clone(&over));
        tokio::spawn(async move {
            let mut waits = Vec::new();
            while !over.load(Ordering::SeqCst) {
                let (began, now) = (Instant::now(), store.clock().now());
                store.write(move |tx| sources::heard(tx, workspace, source, now)).await?;
                waits.push(began.elapsed().as_secs_f64() * 1_000.0);
                tokio::time::sleep(OTHERS).await;
            }
            Ok::<_, StoreError>(waits)
        })
    };
    let began = Instant::now();
    let step = bench.planner.step().await?;
    let took = began.elapsed();
    over.store(true, Ordering::SeqCst);
    ensure!(step.tasks == members, "{} tasks were planned for {members} people", step.tasks);
    Ok((members as f64 / took.as_secs_f64(), others.await??))
}

/// Tasks a second from the first claim to the last record.
async fn push(bench: &Bench, app: &Arc<App>, hub: HubId, members: usize) -> anyhow::Result<f64> {
    let (before, stop, began) = (app.called(), CancellationToken::new(), Instant::now());
    let engine = tokio::spawn(Engine::pushing(bench.worker.clone()).run(stop.clone()));
    let (store, workspace) = (&bench.filler.store, bench.filler.workspace);
    let took = loop {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if app.called() - before >= members {
            let counts = store.read(move |conn| task_list::counts(conn, workspace, Some(hub))).await?;
            if counts == [(TaskStatus::Completed, i64::try_from(members)?)] {
                break began.elapsed();
            }
        }
        if began.elapsed() > PATIENCE {
            bail!("only {} of {members} tasks were pushed", app.called() - before);
        }
    };
    stop.cancel();
    engine.await?;
    Ok(members as f64 / took.as_secs_f64())
}
