//! The rows about a large store: 1,000 people beside 100,000, then with 1,000,000 memberships.

use super::{Stage, groups, reads, resident};
use crate::installation::Installation;
use crate::limits::hello::Hello;

/// People in the small and in the large store.
const SMALL: usize = 1_000;
const LARGE: usize = 100_000;
/// Groups of the large store and the members of each.
const GROUPS: usize = 50;
const MEMBERS: usize = 20_000;

pub fn run(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let any = |names: &[&str]| names.iter().any(|name| stage.options.wants(name));
    let (reading, grouping) = (any(&["get", "filter", "page"]), any(&["member", "group-read", "memory", "ready"]));
    if !reading && !grouping {
        return Ok(());
    }
    let mut large = Installation::start(stage, stage.options.size(LARGE))?;
    if reading {
        let hello = Hello::start(stage.options)?;
        if stage.wants("get") {
            reads::get(stage, &large, &hello, "GET by id, over H")?;
        }
        if stage.wants("filter") {
            let small = Installation::start(stage, stage.options.size(SMALL))?;
            reads::filters(stage, &small, &large)?;
        }
        if stage.wants("page") {
            reads::pages(stage, &large)?;
        }
        if grouping && stage.wants("get") {
            large.groups(GROUPS, stage.options.size(MEMBERS), stage.report.progress())?;
            reads::get(stage, &large, &hello, "GET by id of somebody in 10 groups, over H")?;
        }
    }
    if grouping {
        if !(reading && stage.wants("get")) {
            large.groups(GROUPS, stage.options.size(MEMBERS), stage.report.progress())?;
        }
        let large_groups = groups::ids(&large, stage.options.size(MEMBERS))?;
        let small_group = large.groups(1, 10, stage.report.progress())?.remove(0);
        let pair = groups::Pair { large: large_groups, small: small_group, members: stage.options.size(MEMBERS) };
        if stage.wants("member") {
            groups::member(stage, &large, &pair)?;
        }
        if stage.wants("group-read") {
            groups::read(stage, &large, &pair)?;
        }
        if stage.wants("memory") || stage.wants("ready") {
            resident::run(stage, &mut large, &pair)?;
        }
    }
    Ok(())
}
