//! What a full store holds in memory, and how soon a server on it is ready.

use std::time::{Duration, Instant};

use super::Stage;
use super::groups::Pair;
use crate::driver::{Load, drive};
use crate::installation::Installation;
use crate::report::Budget;
use crate::wire::Request;

pub fn run(stage: &mut Stage<'_>, large: &mut Installation, pair: &Pair) -> anyhow::Result<()> {
    if stage.wants("memory") {
        memory(stage, large, pair)?;
    }
    if stage.wants("ready") {
        ready(stage, large)?;
    }
    Ok(())
}

/// After everything above, and after a fresh start with every kind of read all over the store.
fn memory(stage: &mut Stage<'_>, large: &mut Installation, pair: &Pair) -> anyhow::Result<()> {
    stage.note("memory");
    let since_start = large.server.memory("VmHWM");
    let mut parts = String::new();
    let mut reps = Vec::new();
    for _ in 0..stage.options.reps {
        large.restart()?;
        let span = stage.options.span() / 3;
        let people = &large.people;
        let pick = |n: usize| n.wrapping_mul(7_919) % people.len();
        drive(&large.server, Load::of(64, span), |n| Request::get(format!("/scim/v2/Users/{}", people[pick(n)])))?;
        drive(&large.server, Load::of(8, span), |n| {
            Request::get(format!("/scim/v2/Users?filter=userName%20eq%20%22p{}%40example.com%22", pick(n)))
        })?;
        drive(&large.server, Load::of(4, span), |n| {
            Request::get(format!("/scim/v2/Users?startIndex={}&count=100", pick(n) + 1))
        })?;
        drive(&large.server, Load::count(4, 8), |_| Request::get(format!("/scim/v2/Groups/{}", pair.large)))?;
        reps.push(large.server.memory("VmRSS"));
        parts = format!(
            "{:.0} MB its own, {:.0} MB mapped file pages",
            large.server.memory("RssAnon"),
            large.server.memory("RssFile")
        );
    }
    let what = format!("resident memory, {} users, {} memberships", large.people.len(), pair.members * 50);
    let note = format!("{parts}, after reads all over the store; the most in all rows above {since_start:.0} MB");
    stage.add(&what, " MB", reps, Budget::AtMost(500.0, 250.0, 120.0), note);
    stage.report.progress().step();
    Ok(())
}

/// From the start of the process, which was killed before, until `/readyz` says yes.
fn ready(stage: &mut Stage<'_>, large: &mut Installation) -> anyhow::Result<()> {
    stage.note("ready after start");
    let mut reps = Vec::new();
    let mut listening = Duration::ZERO;
    for _ in 0..stage.options.reps {
        let began = Instant::now();
        large.restart()?;
        drive(&large.server, Load::count(1, 1), |_| Request::get("/readyz"))?;
        reps.push(began.elapsed().as_secs_f64() * 1_000.0);
        listening = large.server.started_in;
    }
    let note = format!("after a kill -9; its line 'listening on' after {:.0} ms", listening.as_secs_f64() * 1_000.0);
    stage.add("ready after start on that database", " ms", reps, Budget::AtMost(1_000.0, 300.0, f64::NAN), note);
    stage.report.progress().step();
    Ok(())
}
