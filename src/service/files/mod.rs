//! Hubs and mappings as files: what would change (`plan`), doing it whole or not at all
//! (`apply`), and the present state as a file whose application changes nothing (`export`).

mod diff;
mod export;
mod outline;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::diff::{Step, diff};
use super::hub_changes::{self, connection_value};
use super::scribe::Scribe;
use super::{Caller, Context, ServiceError, names, preview, secrets};
use crate::base::secret::SecretString;
use crate::domain::catalog::Catalog;
use crate::domain::hub_file::{self, HubDecl};
use crate::domain::hub_rules::{self as rules, Given};
use crate::store::rules_lock::rules_change;
use crate::store::{Tx, hubs as hub_rows};

pub use self::export::export;
pub use self::outline::{Action, BindingShown, HubDiff, MappingDiff, Plan};
pub use super::preview::{HubEffect, PersonEffect};
pub use crate::domain::hub_file::Problem;

/// A file as somebody sent it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileText {
    /// The name shown in front of a mistake.
    pub name: String,
    /// The TOML text.
    pub text: String,
}

/// What to plan or apply.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The files; together they are one declaration.
    pub files: Vec<FileText>,
    /// Who manages what these files name; nothing of another owner is touched.
    #[serde(default)]
    pub owner: Option<String>,
    /// The commit they come from.
    #[serde(default, rename = "ref")]
    pub file_ref: Option<String>,
    /// Delete what the owner has and the files don't name.
    #[serde(default)]
    pub prune: bool,
}

/// Values of `{ env = … }` that a local command read: (hub, field) → value.
pub type EnvValues = BTreeMap<(String, String), SecretString>;

/// Read and check all files.
///
/// # Errors
/// Every mistake of every file.
pub fn read(catalog: &Catalog, files: &[FileText]) -> Result<Vec<HubDecl>, Vec<Problem>> {
    let mut declared = Vec::new();
    let mut problems = Vec::new();
    for file in files {
        match hub_file::read(&file.name, &file.text, catalog) {
            Ok(hubs) => declared.extend(hubs),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { hub_file::together(&declared).map(|()| declared) } else { Err(problems) }
}

fn declared(catalog: &Catalog, wanted: &Wanted, env: Option<&EnvValues>) -> Result<Vec<HubDecl>, ServiceError> {
    if let Some(owner) = &wanted.owner {
        names::check("an owner", owner)?;
    }
    if wanted.file_ref.as_ref().is_some_and(|text| text.len() > 200 || text.chars().any(char::is_control)) {
        return Err(ServiceError::Invalid(String::from("ref has at most 200 bytes on one line")));
    }
    let hubs = read(catalog, &wanted.files).map_err(|problems| {
        ServiceError::Invalid(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    if env.is_none() {
        for hub in &hubs {
            for (name, given) in &hub.connection {
                if matches!(given, Given::Env(_)) {
                    connection_value(name, given)
                        .map_err(|error| ServiceError::Forbidden(format!("{}: {error}", hub.place)))?;
                }
            }
        }
    }
    Ok(hubs)
}

/// What would change. `env` holds what a local command read from its environment; a server
/// passes `None`, and `{ env = … }` is refused.
///
/// # Errors
/// [`ServiceError::Invalid`] with every mistake as `file:line: …`, one a line.
pub async fn plan(
    context: &Context,
    caller: &Caller,
    wanted: Wanted,
    env: Option<EnvValues>,
) -> Result<Plan, ServiceError> {
    let hubs = declared(&context.catalog, &wanted, env.as_ref())?;
    let (scribe, catalog, keyring) = (Scribe::new(context, caller), context.catalog.clone(), context.keyring.clone());
    context
        .store
        .read(move |conn| {
            let env = env.unwrap_or_default();
            let diff = diff(conn, &scribe, &catalog, &keyring, &hubs, &wanted, &env)?;
            let mut plan = diff.plan;
            plan.effects = preview::effects(conn, scribe.workspace, &catalog, &diff.touched)?;
            Ok(plan)
        })
        .await
}

/// Do it, in one transaction: the whole declaration or nothing.
///
/// # Errors
/// As [`plan`].
pub async fn apply(
    context: &Context,
    caller: &Caller,
    wanted: Wanted,
    env: Option<EnvValues>,
) -> Result<Plan, ServiceError> {
    let hubs = declared(&context.catalog, &wanted, env.as_ref())?;
    let (scribe, catalog, keyring) = (Scribe::new(context, caller), context.catalog.clone(), context.keyring.clone());
    let env = env.unwrap_or_default();
    let plan = context
        .store
        .write(move |tx| {
            rules_change(tx, scribe.workspace)?;
            for hub in &hubs {
                hub_rows::lock(tx, scribe.workspace, hub.slug.as_str())?;
            }
            let diff = diff(tx, &scribe, &catalog, &keyring, &hubs, &wanted, &env)?;
            let mut plan = diff.plan;
            for step in &diff.steps {
                carry_out(tx, &scribe, &catalog, &keyring, step, &mut plan)?;
            }
            Ok::<_, ServiceError>(plan)
        })
        .await?;
    context.nudge.planner();
    context.nudge.workers();
    Ok(plan)
}

fn carry_out(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    catalog: &Catalog,
    keyring: &crate::store::Keyring,
    step: &Step,
    plan: &mut Plan,
) -> Result<(), ServiceError> {
    match step {
        Step::AddHub(hub) => hub_changes::add_hub(tx, scribe, hub),
        Step::ChangeHub { before, after } => {
            let app = rules::app(catalog, &after.app).map_err(ServiceError::Invalid)?;
            let cleared = hub_changes::change_hub(tx, scribe, app, before, after)?;
            if !cleared.is_empty() {
                plan.notes.push(format!("{}: forgot the secrets {}", after.slug, cleared.join(", ")));
            }
            Ok(())
        }
        Step::RemoveHub(hub) => hub_changes::remove_hub(tx, scribe, hub),
        Step::AddMapping(hub, mapping) => hub_changes::add_mapping(tx, scribe, hub, mapping.clone()).map(|_| ()),
        Step::ChangeMapping(hub, mapping) => hub_changes::change_mapping(tx, scribe, hub, mapping),
        Step::RemoveMapping(hub, mapping) => hub_changes::remove_mapping(tx, scribe, hub, mapping),
        Step::Seal(hub, name, value) => secrets::put_all(tx, scribe, keyring, hub, &[(name.clone(), value.clone())]),
    }
}
