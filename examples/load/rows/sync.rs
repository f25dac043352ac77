//! A hub of many accounts is synced, and a mapping over all of them planned: time, the server's memory,
//! and how long somebody who writes meanwhile waits.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use scimhub::base::clock::SystemClock;
use scimhub::base::ids::WorkspaceId;
use scimhub::base::secret::SecretString;
use scimhub::domain::task::TaskKind;
use scimhub::sandbox::Sandbox;
use scimhub::store::task_list::{self, TaskFilter};
use scimhub::store::{Store, hubs};
use serde_json::{Value, json};

use super::Stage;
use crate::driver::{block, once};
use crate::fill::Filler;
use crate::installation::Installation;
use crate::person;
use crate::process::{Process, run as command, scimhub};
use crate::report::{Budget, Spread};
use crate::wire::{Request, Target, Wire};

const TOKEN: &str = "load-practice-token";
/// The large hub, and the one it is compared with.
const MEMBERS: usize = 50_000;
const FEW: usize = 5_000;
/// How often another writer comes by, and how often the memory is looked at.
const OTHERS: Duration = Duration::from_millis(5);
const LOOK: Duration = Duration::from_millis(50);
/// None of it may take longer.
const PATIENCE: Duration = Duration::from_secs(400);

/// Resident memory in MB: all of it, and what is not pages of files.
#[derive(Clone, Copy)]
struct Memory {
    all: f64,
    own: f64,
}

impl Memory {
    fn of(server: &Process) -> Self {
        Self { all: server.memory("VmRSS"), own: server.memory("RssAnon") }
    }

    fn most(self, other: Self) -> Self {
        Self { all: self.all.max(other.all), own: self.own.max(other.own) }
    }

    fn shown(self) -> String {
        format!("{:.0} MB ({:.0} its own)", self.all, self.own)
    }
}

/// A piece of work while others write.
struct Beside {
    took: Duration,
    before: Memory,
    peak: Memory,
    after: Memory,
    /// Waits of the other writer, in milliseconds.
    waits: Spread,
}

struct Run {
    idle: Spread,
    sync: Beside,
    pages: usize,
    /// What people saw of its progress: how often the number of accounts seen was another one.
    seen: usize,
    counts: Value,
    again: Beside,
    planning: Beside,
}

pub fn run(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let members = stage.options.size(MEMBERS);
    let few = measure(stage, stage.options.size(FEW))?;
    let many = measure(stage, members)?;
    let rate = members as f64 / many.sync.took.as_secs_f64();
    let note = format!(
        "{:.1} s in {} pages of the sandbox, progress seen at {} stages; {}; the same again, nothing changed: {:.1} s",
        many.sync.took.as_secs_f64(),
        many.pages,
        many.seen,
        many.counts,
        many.again.took.as_secs_f64()
    );
    stage.add(&format!("sync of a hub of {members}"), " accounts/s", vec![rate], Budget::Open, note);
    let grown = |run: &Run| run.sync.peak.own - run.sync.before.own;
    let told = |run: &Run| {
        let Beside { before, peak, after, .. } = &run.sync;
        format!("before {}, peak {}, after {}", before.shown(), peak.shown(), after.shown())
    };
    let note = format!("{members}: {}; {}: {}", told(&many), stage.options.size(FEW), told(&few));
    let what = format!("own memory that a sync of {members} takes more than one of {}", stage.options.size(FEW));
    stage.add(&what, " MB", vec![grown(&many) - grown(&few)], Budget::AtMost(32.0, 16.0, f64::NAN), note);
    for (what, of) in [("the sync", &many.sync), ("the second sync", &many.again), ("the planning", &many.planning)] {
        let note = format!(
            "a PATCH of somebody else every 5 ms, over HTTP; its median {:.1} ms; idle: median {:.1}, longest {:.1} ms",
            of.waits.median, many.idle.median, many.idle.max
        );
        let what = format!("longest write of another client during {what}");
        stage.add(&what, " ms", vec![of.waits.max], Budget::AtMost(50.0, 50.0, f64::NAN), note);
    }
    let rate = members as f64 / many.planning.took.as_secs_f64();
    let Beside { before, peak, after, .. } = &many.planning;
    let note = format!(
        "{:.1} s; before {}, peak {}, after {}",
        many.planning.took.as_secs_f64(),
        before.shown(),
        peak.shown(),
        after.shown()
    );
    let what = format!("tasks planned from a mapping on {members} accounts found by a sync");
    stage.add(&what, "/s", vec![rate], Budget::Open, note);
    stage.report.progress().step();
    Ok(())
}

fn measure(stage: &Stage<'_>, members: usize) -> anyhow::Result<Run> {
    let sandbox = Sandbox::start("127.0.0.1:0", SecretString::from(TOKEN.to_owned()), Arc::new(SystemClock::new()))?;
    let board = Target::new(&sandbox.base(), TOKEN)?;
    once(&board, &Request::with("POST", "/_test/seed", &json!({"space": "load", "people": members})))?;
    let database = (stage.database)()?;
    // The sandbox counts its people from 1.
    let writer = block(async {
        let filler = Filler::new(database.open()).await?;
        let people = filler.users("person-", members + 1, stage.report.progress()).await?;
        filler.group("everybody", &people[1..]).await?;
        filler.analyze().await?;
        Ok(people[0].to_string())
    })?;
    let binary = stage.options.binary();
    apply(&binary, &database, &sandbox.base())?;
    let token = command(&mut scimhub(&binary, &database, &["token", "create", "--scope", "admin", "--name", "load"]))?;
    let more = &["--app-network", "127.0.0.0/8", "--automatic-sync", "false"];
    let at = Installation::serve(stage, database, Vec::new(), more)?;
    let admin = at.target().with_token(&token);
    let rig = Rig { at: &at, admin: &admin, writer, store: at.database.open() };
    stage.note(&format!("syncing {members}"));
    block(async {
        let idle = rig
            .beside(async || {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(())
            })
            .await?;
        let seen = Cell::new(0);
        let (sync, counts) = rig.sync(&seen).await?;
        let log = Wire::open(&board).await?.json(&Request::get("/_test/log")).await?;
        let listed = |entry: &&Value| entry["target"].as_str().is_some_and(|target| target.contains("startIndex"));
        let pages = log["requests"].as_array().into_iter().flatten().filter(listed).count();
        let (again, _) = rig.sync(&Cell::new(0)).await?;
        // Nothing is pushed meanwhile: the app asks everybody to wait.
        let wait = json!({"times": 0, "status": 429, "headers": {"Retry-After": "3600"}});
        Wire::open(&board).await?.json(&Request::with("POST", "/_test/faults", &wait)).await?;
        stage.note(&format!("planning {members}"));
        let planning = rig.plan(members).await?;
        Ok(Run { idle: idle.waits, sync, pages, seen: seen.get(), counts, again, planning })
    })
}

fn apply(binary: &std::path::Path, database: &crate::support::Database, sandbox: &str) -> anyhow::Result<()> {
    let file = format!(
        "[[hub]]\nid = \"large\"\napp = \"sandbox\"\nlabel = \"Large\"\nlogin = \"sso\"\nmode = \"active\"\n\
         settle = \"0s\"\nconnection = {{ base_url = \"{sandbox}/load/scim/v2\", \
         token = {{ env = \"LOAD_APP_TOKEN\" }} }}\n"
    );
    std::fs::write(database.folder().join("hubs.toml"), file)?;
    command(scimhub(binary, database, &["apply", "hubs.toml"]).env("LOAD_APP_TOKEN", TOKEN))?;
    Ok(())
}

struct Rig<'a> {
    at: &'a Installation,
    admin: &'a Target,
    /// Somebody whom no hub knows.
    writer: String,
    store: Store,
}

impl Rig<'_> {
    /// Sync once; what it counted. `seen` counts the stages at which its progress was seen.
    async fn sync(&self, seen: &Cell<usize>) -> anyhow::Result<(Beside, Value)> {
        let end = Cell::new(Value::Null);
        let beside = self
            .beside(async || {
                let mut wire = Wire::open(self.admin).await?;
                let begun = wire.json(&Request::with("POST", "/api/v1/hubs/large/sync", &json!({}))).await?;
                let path = format!("/api/v1/tasks/{}", begun["id"].as_str().context("a task")?);
                let (began, mut last) = (Instant::now(), Value::Null);
                loop {
                    let task = wire.json(&Request::get(&path)).await?;
                    let now = json!([task["sync"]["phase"], task["sync"]["seen"], task["sync"]["counts"]]);
                    if now != last {
                        seen.set(seen.get() + 1);
                        last = now;
                    }
                    match task["status"].as_str() {
                        Some("completed") => {
                            end.set(task["sync"]["counts"].clone());
                            return Ok(());
                        }
                        Some("not_completed") => bail!("the sync ended badly: {task}"),
                        _ => {}
                    }
                    ensure!(began.elapsed() < PATIENCE, "the sync does not end: {task}");
                    tokio::time::sleep(LOOK).await;
                }
            })
            .await?;
        Ok((beside, end.take()))
    }

    /// Map everybody, and wait until as many tasks are written.
    async fn plan(&self, members: usize) -> anyhow::Result<Beside> {
        let workspace = WorkspaceId(1);
        let hub = self.store.read(move |conn| hubs::by_slug(conn, workspace, "large")).await?.id;
        self.beside(async || {
            let mapping = json!({"group": "everybody", "app_role": "viewer"});
            let mut wire = Wire::open(self.admin).await?;
            wire.json(&Request::with("PUT", "/api/v1/hubs/large/mappings", &mapping)).await?;
            let began = Instant::now();
            loop {
                let counts = self.store.read(move |conn| task_list::counts(conn, workspace, Some(hub))).await?;
                let all: i64 = counts.iter().map(|(_, count)| count).sum();
                // Two syncs are among them.
                if all >= i64::try_from(members)? + 2 {
                    break;
                }
                ensure!(began.elapsed() < PATIENCE, "only {all} tasks were planned");
                tokio::time::sleep(LOOK).await;
            }
            let filter = TaskFilter { hub: Some(hub), ..TaskFilter::default() };
            let newest = self.store.read(move |conn| task_list::page(conn, workspace, &filter, None, 1)).await?;
            ensure!(newest.iter().all(|task| task.effect.kind == TaskKind::UpdateRole), "{newest:?}");
            Ok(())
        })
        .await
    }

    /// Work, while somebody else is changed again and again and the server's memory is watched.
    async fn beside(&self, work: impl AsyncFnOnce() -> anyhow::Result<()>) -> anyhow::Result<Beside> {
        let server = &self.at.server;
        let (over, before) = (Cell::new(false), Memory::of(server));
        let working = async {
            let began = Instant::now();
            let ended = work().await;
            over.set(true);
            ended.map(|()| began.elapsed())
        };
        let (took, waits, peak) = futures_util::join!(working, self.write(&over), watch(server, &over));
        let waits = Spread::of(&waits?);
        Ok(Beside { took: took?, before, peak: peak.most(before), after: Memory::of(server), waits })
    }

    async fn write(&self, over: &Cell<bool>) -> anyhow::Result<Vec<f64>> {
        let (mut wire, mut waits) = (Wire::open(self.at.target()).await?, Vec::new());
        let path = format!("/scim/v2/Users/{}", self.writer);
        while !over.get() {
            let change = json!({"schemas": [person::PATCH],
                "Operations": [{"op": "replace", "path": "title", "value": format!("title {}", waits.len())}]});
            let began = Instant::now();
            wire.json(&Request::with("PATCH", &path, &change)).await?;
            waits.push(began.elapsed().as_secs_f64() * 1_000.0);
            tokio::time::sleep(OTHERS).await;
        }
        Ok(waits)
    }
}

async fn watch(server: &Process, over: &Cell<bool>) -> Memory {
    let mut peak = Memory::of(server);
    while !over.get() {
        peak = peak.most(Memory::of(server));
        tokio::time::sleep(LOOK).await;
    }
    peak
}
