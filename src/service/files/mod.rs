//! Hubs, mappings and groups that give roles, as files: what would change (`plan`), doing it whole or not at all
//! (`apply`), and the present state as a file whose application changes nothing (`export`).

mod diff;
mod export;
mod roles;
mod rows;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::diff::{Ground, diff};
use super::hub_changes::connection_value;
use super::scribe::Scribe;
use super::whatif::look::{self, Make};
use super::whatif::steps::carry_out;
use super::whatif::{Digest, Plan};
use super::{Caller, Context, ServiceError, names};
use crate::base::secret::SecretString;
use crate::domain::catalog::Catalog;
use crate::domain::hub_file::{self, HubDecl, RoleSection};
use crate::domain::hub_rules::Given;
use crate::domain::rights::{Action as Right, Verdict, may};

pub use self::export::{Part, export};
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

/// What all files declare together.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// The hubs.
    pub hubs: Vec<HubDecl>,
    /// Groups that give a workspace role.
    pub roles: RoleSection,
}

/// Read and check all files.
///
/// # Errors
/// Every mistake of every file.
pub fn read(catalog: &Catalog, files: &[FileText]) -> Result<Declared, Vec<Problem>> {
    let (mut declared, mut sections) = (Vec::new(), Vec::new());
    let mut problems = Vec::new();
    for file in files {
        match hub_file::read(&file.name, &file.text, catalog) {
            Ok(hubs) => declared.extend(hubs),
            Err(found) => problems.extend(found),
        }
        match hub_file::read_roles(&file.name, &file.text) {
            Ok(section) => sections.push(section),
            // A key that is unknown at the top is told by both.
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        problems.sort();
        problems.dedup();
        return Err(problems);
    }
    let hubs = hub_file::together(declared)?;
    let shared = hub_file::shared(&hubs, catalog);
    if !shared.is_empty() {
        return Err(shared);
    }
    Ok(Declared { hubs, roles: hub_file::together_roles(sections)? })
}

fn declared(catalog: &Catalog, wanted: &Wanted, env: Option<&EnvValues>) -> Result<Declared, ServiceError> {
    if let Some(owner) = &wanted.owner {
        names::check("an owner", owner)?;
    }
    if wanted.file_ref.as_ref().is_some_and(|text| text.len() > 200 || text.chars().any(char::is_control)) {
        return Err(ServiceError::Invalid(String::from("ref has at most 200 bytes on one line")));
    }
    let declared = read(catalog, &wanted.files).map_err(|problems| {
        ServiceError::Invalid(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    if env.is_none() {
        for hub in &declared.hubs {
            for (name, given) in hub.settings.iter().flat_map(|settings| &settings.connection) {
                if matches!(given, Given::Env(_)) {
                    connection_value(name, given)
                        .map_err(|error| ServiceError::Forbidden(format!("{}: {error}", hub.place)))?;
                }
            }
        }
    }
    Ok(declared)
}

/// How the steps are made, as often as it is looked.
fn maker(
    context: &Context,
    scribe: &Scribe,
    wanted: Wanted,
    declared: Declared,
    env: Option<EnvValues>,
) -> impl Make + use<> {
    let (scribe, catalog, keyring) = (scribe.clone(), context.catalog.clone(), context.keyring.clone());
    let env = env.unwrap_or_default();
    move |conn| {
        let ground = Ground { scribe: &scribe, catalog: &catalog, keyring: &keyring, wanted: &wanted, env: &env };
        let mut diff = diff(conn, &ground, &declared.hubs)?;
        roles::steps(conn, &ground, &mut diff, &declared.roles)?;
        Ok(diff)
    }
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
    let declared = declared(&context.catalog, &wanted, env.as_ref())?;
    let scribe = Scribe::new(context, caller);
    let make = maker(context, &scribe, wanted, declared, env);
    // A plan names people of every hub it touches: it is for those who may make the change, and for who
    // reads everything, such as the credential of a CI that shall change nothing.
    if may(caller.rights, Right::ApplyFiles, None) == Verdict::No {
        return look::show(context, &scribe, make).await;
    }
    look::show(context, &scribe, look::allowed(context, &scribe, make)).await
}

/// Do it, in one transaction: the whole declaration or nothing. With `expect` only where it still
/// means what that plan showed.
///
/// # Errors
/// As [`plan`]; [`ServiceError::Moved`].
pub async fn apply(
    context: &Context,
    caller: &Caller,
    wanted: Wanted,
    env: Option<EnvValues>,
    expect: Option<Digest>,
) -> Result<Plan, ServiceError> {
    let declared = declared(&context.catalog, &wanted, env.as_ref())?;
    let scribe = Scribe::new(context, caller);
    let slugs = declared.hubs.iter().map(|hub| hub.slug.to_string()).collect();
    let make = look::allowed(context, &scribe, maker(context, &scribe, wanted, declared, env));
    // Nothing hangs on this look: it only tells afterwards for whom it was.
    let shown = match expect {
        Some(_) => None,
        None => Some(look::show(context, &scribe, make.clone()).await?),
    };
    let (writer, catalog, keyring) = (scribe.clone(), context.catalog.clone(), context.keyring.clone());
    let (mut plan, effects) = look::change(context, &scribe, slugs, expect, make, move |tx, diff, effects| {
        for step in &diff.steps {
            carry_out(tx, &writer, &catalog, &keyring, step)?;
        }
        Ok((diff.plan, effects))
    })
    .await?;
    plan = match (shown, expect) {
        (Some(shown), _) if shown.hubs == plan.hubs && shown.mappings == plan.mappings => {
            plan.meaning(shown.effects, shown.digest)
        }
        (_, Some(expect)) => plan.meaning(effects.to_vec(), expect.to_string()),
        (_, None) => plan,
    };
    plan.request = Some(scribe.request_id().to_owned());
    context.nudge.planner();
    context.nudge.workers();
    Ok(plan)
}
