//! Durable creates: 64 clients post users, beside the database's own inserts.

use super::Stage;
use crate::driver::{Load, drive};
use crate::installation::Installation;
use crate::limits;
use crate::options::Kind;
use crate::person;
use crate::report::Budget;
use crate::wire::Request;

/// People there before.
const BEFORE: usize = 1_000;

pub fn run(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let at = Installation::start(stage, stage.options.size(BEFORE))?;
    let bare = (stage.database)()?;
    stage.note("durable creates");
    let span = stage.options.span();
    let reps = stage.repeat(|rep| {
        let limit = match stage.kind {
            Kind::Sqlite => limits::sqlite::inserts(bare.folder(), span)?,
            Kind::Postgres => limits::postgres::inserts(&bare.url, span)?,
        };
        let served = drive(&at.server, Load::of(64, span), |n| {
            Request::with("POST", "/scim/v2/Users", &person::user(&format!("c{rep}-{n}")))
        })?;
        Ok((limit, served))
    })?;
    let ratios = reps.iter().map(|(limit, served)| served.rate() / limit).collect();
    let (limit, served) = &reps[reps.len() / 2];
    let (what, budget) = match stage.kind {
        Kind::Sqlite => ("durable create, 64 clients, over bare inserts 64 to a commit", (0.10, 0.18, 0.30)),
        Kind::Postgres => ("durable create, 64 clients, over one-row inserts from 8 clients", (0.3, 0.6, 1.0)),
    };
    let note = format!("{}; bare {limit:.0}/s", served.shown());
    stage.add(what, "", ratios, Budget::AtLeast(budget.0, budget.1, budget.2), note);
    stage.report.progress().step();
    Ok(())
}
