//! What the size of a group costs: one member in or out, and reads without the members.

use std::collections::HashSet;

use anyhow::ensure;

use super::Stage;
use crate::driver::{Load, Tally, drive};
use crate::installation::Installation;
use crate::person;
use crate::report::{Budget, Spread};
use crate::wire::Request;

const GROUPS: &str = "/scim/v2/Groups";

/// A large and a small group of the same store.
pub struct Pair {
    pub large: String,
    pub small: String,
    /// Of the large one.
    pub members: usize,
}

/// The id of the first of the groups of this size.
pub fn ids(at: &Installation, size: usize) -> anyhow::Result<String> {
    let path = format!("{GROUPS}?filter=displayName%20eq%20%22group%20{size}%200%22&excludedAttributes=members");
    let found = at.ask(&Request::get(path))?;
    let id = found["Resources"][0]["id"].as_str();
    Ok(id.ok_or_else(|| anyhow::anyhow!("no group of {size}: {found}"))?.to_owned())
}

/// CPU and median over alternating blocks.
fn blocks(
    at: &Installation,
    load: Load,
    rounds: usize,
    large: impl Fn(usize) -> Request,
    small: impl Fn(usize) -> Request,
) -> anyhow::Result<(Vec<Tally>, Vec<Tally>)> {
    let (mut many, mut few) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        many.push(drive(&at.server, load, &large)?);
        few.push(drive(&at.server, load, &small)?);
    }
    Ok((many, few))
}

fn cpu(blocks: &[Tally]) -> f64 {
    blocks.iter().map(|tally| tally.cpu * tally.count as f64).sum::<f64>()
        / blocks.iter().map(|tally| tally.count as f64).sum::<f64>()
}

fn median(blocks: &[Tally]) -> f64 {
    Spread::of(&blocks.iter().map(Tally::median).collect::<Vec<_>>()).median
}

/// The same person in and out, one client; then many in at eight clients, and none lost.
pub fn member(stage: &mut Stage<'_>, at: &Installation, pair: &Pair) -> anyhow::Result<()> {
    stage.note("one member in or out");
    let guest = at.people.last().cloned().unwrap_or_default();
    let turn = |group: &str, number: usize| {
        let body = if number.is_multiple_of(2) { person::add(&[&guest]) } else { person::remove(&guest) };
        Request::with("PATCH", format!("{GROUPS}/{group}"), &body)
    };
    let load = Load::count(1, if stage.options.quick { 100 } else { 400 });
    let reps = stage.repeat(|_| blocks(at, load, 5, |n| turn(&pair.large, n), |n| turn(&pair.small, n)))?;
    let medians = reps.iter().map(|(many, few)| median(many) / median(few)).collect();
    let cpus = reps.iter().map(|(many, few)| cpu(many) / cpu(few)).collect();
    let (many, few) = &reps[reps.len() / 2];
    let shown = |blocks: &[Tally]| format!("p50 {:.2} ms, {:.0} us CPU", median(blocks), cpu(blocks));
    let note = format!("{}; group of 10 {}", shown(many), shown(few));
    let what = format!("one member in or out, group of {} over 10", pair.members);
    stage.add(&format!("{what}, median"), "", medians, Budget::AtMost(2.0, 1.3, 1.1), note);
    stage.add(&format!("{what}, CPU"), "", cpus, Budget::AtMost(2.0, 1.3, 1.1), String::new());
    lost(stage, at, pair)?;
    stage.report.progress().step();
    Ok(())
}

fn lost(stage: &mut Stage<'_>, at: &Installation, pair: &Pair) -> anyhow::Result<()> {
    stage.note("eight clients add members");
    let each = if stage.options.quick { 100 } else { 800 };
    let mut first = pair.members;
    let reps = stage.repeat(|_| {
        let joining = &at.people[first..first + each];
        first += each;
        let tally = drive(&at.server, Load::count(8, each), |n| {
            Request::with("PATCH", format!("{GROUPS}/{}", pair.large), &person::add(&[&joining[n]]))
        })?;
        let group = at.ask(&Request::get(format!("{GROUPS}/{}", pair.large)))?;
        let found: HashSet<&str> =
            group["members"].as_array().into_iter().flatten().filter_map(|member| member["value"].as_str()).collect();
        let missing = joining.iter().filter(|id| !found.contains(id.as_str())).count();
        Ok((missing, tally))
    })?;
    let missing: Vec<_> = reps.iter().map(|(missing, _)| *missing as f64).collect();
    let note = format!("{each} at a time; {}", reps[reps.len() / 2].1.shown());
    stage.add("members lost of those added by 8 clients", "", missing, Budget::AtMost(0.0, 0.0, f64::NAN), note);
    Ok(())
}

/// The group without its members, by id and found by name; eight clients.
pub fn read(stage: &mut Stage<'_>, at: &Installation, pair: &Pair) -> anyhow::Result<()> {
    let load = Load::of(8, stage.options.span() / 3);
    let by_id = |group: &str| Request::get(format!("{GROUPS}/{group}?excludedAttributes=members"));
    let by_name = |size: usize| {
        Request::get(format!("{GROUPS}?filter=displayName%20eq%20%22group%20{size}%200%22&excludedAttributes=members"))
    };
    let found = at.ask(&by_name(pair.members))?;
    ensure!(found["totalResults"] == 1 && found["Resources"][0].get("members").is_none(), "found {found}");
    let requests: [(&str, Request, Request); 2] = [
        ("group read", by_id(&pair.large), by_id(&pair.small)),
        ("group found by displayName", by_name(pair.members), by_name(10)),
    ];
    for (name, large, small) in requests {
        stage.note(name);
        let reps = stage.repeat(|_| blocks(at, load, 2, |_| large.clone(), |_| small.clone()))?;
        let ratios = reps.iter().map(|(many, few)| cpu(many) / cpu(few)).collect();
        let medians: Vec<_> = reps.iter().map(|(many, few)| median(many) / median(few)).collect();
        let (many, few) = &reps[reps.len() / 2];
        let note =
            format!("median {:.2}; {}; group of 10 {}", Spread::of(&medians).median, many[0].shown(), few[0].shown());
        let what = format!("{name} without members, {} over 10, CPU", pair.members);
        stage.add(&what, "", ratios, Budget::AtMost(1.5, 1.2, 1.05), note);
    }
    stage.report.progress().step();
    Ok(())
}
