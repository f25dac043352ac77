//! Reads of a large store: one user, found users, pages.

use anyhow::ensure;

use super::Stage;
use crate::driver::{Load, drive};
use crate::installation::Installation;
use crate::limits::hello::Hello;
use crate::report::{Budget, Spread};
use crate::wire::Request;

const USERS: &str = "/scim/v2/Users";

/// Somebody else each time, all over the store.
fn somebody(people: &[String], number: usize) -> &str {
    &people[number.wrapping_mul(7_919) % people.len()]
}

/// 64 clients read users by id, beside 64 clients and a constant body.
pub fn get(stage: &mut Stage<'_>, large: &Installation, hello: &Hello, what: &str) -> anyhow::Result<()> {
    stage.note(what);
    let load = Load::of(64, stage.options.span());
    let people = &large.people;
    let bytes = large.ask(&Request::get(format!("{USERS}/{}", people[0])))?.to_string().len();
    let reps = stage.repeat(|rep| {
        let bare = drive(&hello.process, load, |_| Request::get("/"))?;
        let offset = rep * 1_000_003;
        let served = drive(&large.server, load, |n| Request::get(format!("{USERS}/{}", somebody(people, n + offset))))?;
        Ok((bare, served))
    })?;
    let ratios = reps.iter().map(|(bare, served)| served.rate() / bare.rate()).collect();
    let (bare, served) = &reps[reps.len() / 2];
    let note = format!("{bytes} bytes; {}; H {}", served.shown(), bare.shown());
    stage.add(what, "", ratios, Budget::AtLeast(0.25, 0.40, 0.80), note);
    stage.report.progress().step();
    Ok(())
}

/// The filters an IdP looks people up by, in a small and in a large store, in turns.
pub fn filters(stage: &mut Stage<'_>, small: &Installation, large: &Installation) -> anyhow::Result<()> {
    type Filter = (&'static str, fn(usize, &str) -> String);
    let kinds: [Filter; 4] = [
        ("userName", |n, _| format!("userName%20eq%20%22p{n}%40example.com%22")),
        ("externalId", |n, _| format!("externalId%20eq%20%22ext-p{n}%22")),
        ("id", |_, id| format!("id%20eq%20%22{id}%22")),
        ("displayName", |n, _| format!("displayName%20eq%20%22Ann%20Adler%20p{n}%22")),
    ];
    let load = Load::of(8, stage.options.span() / 2);
    for (name, filter) in kinds {
        stage.note(&format!("filter on {name}"));
        let ask = |at: &Installation, number: usize| {
            let n = number.wrapping_mul(7_919) % at.people.len();
            Request::get(format!("{USERS}?filter={}", filter(n, &at.people[n])))
        };
        for at in [small, large] {
            let found = at.ask(&ask(at, 3))?;
            ensure!(found["totalResults"] == 1, "the filter on {name} found {found}");
        }
        let reps = stage.repeat(|_| {
            let few = drive(&small.server, load, |n| ask(small, n))?;
            let many = drive(&large.server, load, |n| ask(large, n))?;
            Ok((few, many))
        })?;
        let ratios = reps.iter().map(|(few, many)| many.cpu / few.cpu).collect();
        let (few, many) = &reps[reps.len() / 2];
        let note = format!("{}; small store {}", many.shown(), few.shown());
        let what = format!("filter {name} eq, CPU, {} over {} users", large.people.len(), small.people.len());
        stage.add(&what, "", ratios, Budget::AtMost(1.5, 1.2, 1.1), note);
    }
    stage.report.progress().step();
    Ok(())
}

/// A page of 100 at the beginning and at the end, one client.
pub fn pages(stage: &mut Stage<'_>, large: &Installation) -> anyhow::Result<()> {
    stage.note("pages");
    let load = Load::of(1, stage.options.span() / 2);
    let last = large.people.len() - 99;
    let page = |start: usize| Request::get(format!("{USERS}?startIndex={start}&count=100"));
    let shown = large.ask(&page(last))?;
    ensure!(shown["Resources"].as_array().is_some_and(|page| page.len() == 100), "the last page is not full");
    let reps = stage.repeat(|_| {
        let first = drive(&large.server, load, |_| page(1))?;
        let deep = drive(&large.server, load, |_| page(last))?;
        Ok((first, deep))
    })?;
    let ratios = reps.iter().map(|(first, deep)| deep.median() / first.median()).collect();
    let cpu: Vec<_> = reps.iter().map(|(first, deep)| deep.cpu / first.cpu).collect();
    let (first, deep) = &reps[reps.len() / 2];
    let note = format!("CPU {:.2}; deep {}; first {}", Spread::of(&cpu).median, deep.shown(), first.shown());
    let what = format!("page of 100 at {last} over the first, median");
    stage.add(&what, "", ratios, Budget::AtMost(2.0, 1.3, 1.2), note);
    stage.report.progress().step();
    Ok(())
}
