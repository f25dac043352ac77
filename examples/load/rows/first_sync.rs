//! The first sync as an IdP does it: look for the person, create it, put it into the group.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::Stage;
use crate::driver::block;
use crate::installation::Installation;
use crate::person;
use crate::report::Budget;
use crate::wire::{Request, Wire};

const CONNECTIONS: usize = 4;

pub fn run(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let at = Installation::start(stage, 0)?;
    stage.note("first sync");
    let span = stage.options.span() * 2;
    let mut cpu = Vec::new();
    let reps = stage.repeat(|rep| {
        let group = at.ask(&Request::with("POST", "/scim/v2/Groups", &person::group(&format!("everybody {rep}"))))?;
        let group = group["id"].as_str().context("a group")?.to_owned();
        let before = at.server.cpu();
        let (done, took) = block(async {
            let (next, done, began) = (Cell::new(0), Cell::new(0), Instant::now());
            let mut wires = Vec::new();
            for _ in 0..CONNECTIONS {
                wires.push(Wire::open(at.target()).await?);
            }
            let clients = wires.into_iter().map(|wire| push(wire, rep, &group, &next, &done, began, span));
            for ended in futures_util::future::join_all(clients).await {
                ended?;
            }
            Ok((done.get(), began.elapsed()))
        })?;
        cpu.push((at.server.cpu() - before).as_secs_f64() * 1e6 / f64::from(done));
        Ok(f64::from(done) / took.as_secs_f64())
    })?;
    let note = format!("4 connections; {:.0} us CPU a user; the group is not mapped", cpu[cpu.len() / 2]);
    stage.add("first sync: find, create, add to group", " users/s", reps, Budget::AtLeast(300.0, 600.0, 1_000.0), note);
    stage.report.progress().step();
    Ok(())
}

async fn push(
    mut wire: Wire,
    rep: usize,
    group: &str,
    next: &Cell<u32>,
    done: &Cell<u32>,
    began: Instant,
    span: Duration,
) -> anyhow::Result<()> {
    while began.elapsed() < span {
        let number = next.get();
        next.set(number + 1);
        let name = format!("s{rep}-{number}");
        let filter = format!("/scim/v2/Users?filter=userName%20eq%20%22{name}%40example.com%22");
        let found = wire.json(&Request::get(filter)).await?;
        ensure!(found["totalResults"] == 0, "{name} was there: {found}");
        let made = wire.json(&Request::with("POST", "/scim/v2/Users", &person::user(&name))).await?;
        let id = made["id"].as_str().context("an id")?.to_owned();
        wire.json(&Request::with("PATCH", format!("/scim/v2/Groups/{group}"), &person::add(&[id]))).await?;
        done.set(done.get() + 1);
    }
    Ok(())
}
