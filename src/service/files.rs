//! Hubs and mappings as files: what would change (`plan`), doing it whole or not at all
//! (`apply`), and the present state as a file whose application changes nothing (`export`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::hub_changes::{self, connection_value};
use super::mappings::{BindingView, binding_view, source_id};
use super::scribe::Scribe;
use super::{Caller, Context, ServiceError, names, preview, secrets};
use crate::base::ids::{HubId, MappingId, SourceId, WorkspaceId};
use crate::base::secret::SecretString;
use crate::domain::catalog::Catalog;
use crate::domain::hub::{ConnectionValue, Hub, HubMode};
use crate::domain::hub_file::{self, HubDecl, MappingDecl, Place, subject_text};
use crate::domain::hub_rules::{self as rules, Given};
use crate::domain::mapping::{Binding, Mapping};
use crate::store::rules_lock::rules_change;
use crate::store::{DbConn, StoreError, Tx, hub_secrets, hubs as hub_rows, mappings as rows, sources};

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

/// What happens to a hub or mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is new.
    Add,
    /// It is there and will be different.
    Change,
    /// It will be removed.
    Remove,
}

/// A hub that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubDiff {
    /// The hub.
    pub hub: String,
    /// What happens.
    pub action: Action,
    /// The names of what differs.
    pub changed: Vec<String>,
}

/// A mapping that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingDiff {
    /// The hub.
    pub hub: String,
    /// `group meta-admins` …
    pub subject: String,
    /// Its filter.
    #[serde(rename = "where")]
    pub scope: Option<String>,
    /// What happens.
    pub action: Action,
    /// What it gives now.
    pub before: Option<String>,
    /// What it will give.
    pub after: Option<String>,
}

/// What a declared mapping is, or will be, bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingShown {
    /// The hub.
    pub hub: String,
    /// `group meta-admins` …
    pub subject: String,
    /// `bound`, `waiting` or `gone`.
    pub state: String,
    /// The SCIM id, and the name now.
    pub to: Option<String>,
}

/// What would change, or did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Hubs.
    pub hubs: Vec<HubDiff>,
    /// Mappings.
    pub mappings: Vec<MappingDiff>,
    /// Secrets that would be sealed from the command's environment, as `hub/field`.
    pub secrets: Vec<String>,
    /// Every declared mapping's binding.
    pub bindings: Vec<BindingShown>,
    /// What it means for people, for each hub that changes.
    pub effects: Vec<HubEffect>,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl Plan {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.hubs.is_empty() && self.mappings.is_empty() && self.secrets.is_empty()
    }
}

/// One step of an application, in the order of carrying out.
enum Step {
    AddHub(Hub),
    ChangeHub { before: Box<Hub>, after: Box<Hub> },
    RemoveHub(Hub),
    AddMapping(Hub, Mapping),
    ChangeMapping(Hub, Mapping),
    RemoveMapping(Hub, Mapping),
    Seal(Hub, String, SecretString),
}

struct Diff {
    steps: Vec<Step>,
    plan: Plan,
    /// For the preview: hub, its mappings before, and after.
    touched: Vec<preview::Touched>,
}

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

fn diff(
    conn: &mut DbConn,
    scribe: &Scribe,
    catalog: &Catalog,
    keyring: &crate::store::Keyring,
    declared: &[HubDecl],
    wanted: &Wanted,
    env: &EnvValues,
) -> Result<Diff, ServiceError> {
    let workspace = scribe.workspace;
    let present: BTreeMap<String, Hub> =
        hub_rows::list(conn, workspace)?.into_iter().map(|hub| (hub.slug.to_string(), hub)).collect();
    let mut diff = Diff { steps: Vec::new(), plan: Plan::default(), touched: Vec::new() };
    for decl in declared {
        let before = present.get(decl.slug.as_str());
        if let Some(before) = before {
            owned(&decl.place, &format!("the hub '{}'", decl.slug), before.owner.as_deref(), wanted)?;
        }
        let after = wanted_hub(decl, before, wanted, scribe)?;
        hub_steps(conn, workspace, catalog, &mut diff, before, &after)?;
        let moved = match before {
            Some(before) => {
                let app = rules::app(catalog, &after.app).map_err(ServiceError::Invalid)?;
                !hub_changes::moved_addresses(app, before, &after).is_empty()
            }
            None => false,
        };
        seal_steps(conn, &Sealing { keyring, env, moved }, workspace, &mut diff, decl, &after)?;
        mapping_steps(conn, scribe, &mut diff, decl, before, &after, wanted)?;
        missing_secrets(conn, workspace, &mut diff, before, &after)?;
    }
    let named: BTreeSet<&str> = declared.iter().map(|decl| decl.slug.as_str()).collect();
    for hub in present.values().filter(|hub| !named.contains(hub.slug.as_str())) {
        // Only what this owner has; what belongs to nobody only where no owner is given.
        if hub.owner == wanted.owner {
            remove_hub(conn, workspace, &mut diff, hub, wanted.prune)?;
        }
    }
    Ok(diff)
}

/// Refuse what another owner manages.
fn owned(place: &Place, what: &str, owner: Option<&str>, wanted: &Wanted) -> Result<(), ServiceError> {
    match owner {
        Some(owner) if wanted.owner.as_deref() != Some(owner) => Err(ServiceError::Conflict(format!(
            "{place}: {what} is managed by '{owner}'; apply it with --owner {owner}, or take it out of this file"
        ))),
        _ => Ok(()),
    }
}

fn wanted_hub(decl: &HubDecl, before: Option<&Hub>, wanted: &Wanted, scribe: &Scribe) -> Result<Hub, ServiceError> {
    if let Some(before) = before.filter(|before| before.app != decl.app) {
        return Err(ServiceError::Conflict(format!(
            "{}: the hub '{}' is of the app '{}'; its app cannot change: declare a new hub with another id",
            decl.place, decl.slug, before.app
        )));
    }
    let mut connection = BTreeMap::new();
    for (name, given) in &decl.connection {
        let value = match given {
            Given::Env(_) => ConnectionValue::Secret { secret: name.clone() },
            other @ (Given::Plain(_) | Given::Secret(_)) => connection_value(name, other)?,
        };
        connection.insert(name.clone(), value);
    }
    Ok(Hub {
        id: before.map_or_else(|| HubId::from_uuid(scribe.id()), |before| before.id),
        slug: decl.slug.clone(),
        app: decl.app.clone(),
        label: decl.label.clone(),
        login: decl.login,
        mode: decl.mode.or_else(|| before.map(|before| before.mode)).unwrap_or(HubMode::Observe),
        paused: before.is_some_and(|before| before.paused),
        settle: decl.settle,
        connection,
        policy: decl.policy.clone(),
        owner: wanted.owner.clone(),
        file_ref: wanted.file_ref.clone(),
        revision: before.map_or(1, |before| before.revision),
    })
}

fn hub_steps(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    diff: &mut Diff,
    before: Option<&Hub>,
    after: &Hub,
) -> Result<(), ServiceError> {
    let hub = after.slug.to_string();
    match before {
        None => {
            diff.plan.hubs.push(HubDiff { hub, action: Action::Add, changed: Vec::new() });
            diff.steps.push(Step::AddHub(after.clone()));
        }
        Some(before) if hub_changes::same(before, after) => {}
        Some(before) => {
            let app = rules::app(catalog, &after.app).map_err(ServiceError::Invalid)?;
            let moved = hub_changes::moved_addresses(app, before, after);
            let set = hub_secrets::names(conn, workspace, after.id)?;
            if !moved.is_empty() && !set.is_empty() {
                diff.plan.notes.push(format!(
                    "{hub}: {} changes, so these secrets must be given again with `scimhub secret set {hub} NAME`: {}",
                    moved.join(", "),
                    set.join(", "),
                ));
            }
            let changed = hub_changes::changed(before, after);
            diff.plan.hubs.push(HubDiff { hub, action: Action::Change, changed });
            diff.steps.push(Step::ChangeHub { before: Box::new(before.clone()), after: Box::new(after.clone()) });
        }
    }
    Ok(())
}

/// What sealing values of the environment takes.
struct Sealing<'a> {
    keyring: &'a crate::store::Keyring,
    env: &'a EnvValues,
    /// Whether an address of the connection changes, which forgets what was sealed for the old one.
    moved: bool,
}

fn seal_steps(
    conn: &mut DbConn,
    sealing: &Sealing<'_>,
    workspace: WorkspaceId,
    diff: &mut Diff,
    decl: &HubDecl,
    after: &Hub,
) -> Result<(), ServiceError> {
    for (name, given) in &decl.connection {
        let Given::Env(variable) = given else { continue };
        let key = (decl.slug.to_string(), name.clone());
        let Some(value) = sealing.env.get(&key) else {
            return Err(ServiceError::Invalid(format!(
                "{}: {name}: the environment has no variable {variable}; set it for this command",
                decl.place
            )));
        };
        // A changed address forgets what was sealed, so the value is given again with it.
        if sealing.moved || !secrets::holds(conn, sealing.keyring, workspace, after.id, name, value)? {
            diff.plan.secrets.push(format!("{}/{name}", decl.slug));
            diff.steps.push(Step::Seal(after.clone(), name.clone(), value.clone()));
        }
    }
    Ok(())
}

fn missing_secrets(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    diff: &mut Diff,
    before: Option<&Hub>,
    after: &Hub,
) -> Result<(), ServiceError> {
    let set: BTreeSet<String> = match before {
        Some(before) => hub_secrets::names(conn, workspace, before.id)?.into_iter().collect(),
        None => BTreeSet::new(),
    };
    let sealed = |name: &String| diff.plan.secrets.contains(&format!("{}/{name}", after.slug));
    let missing: Vec<String> =
        secrets::referenced(after).into_iter().filter(|name| !set.contains(name) && !sealed(name)).collect();
    for name in missing {
        diff.plan
            .notes
            .push(format!("{}: the secret {name} is not set; `scimhub secret set {} {name}`", after.slug, after.slug));
    }
    Ok(())
}

/// What a mapping gives, in one line for people.
fn gives(mapping: &Mapping) -> String {
    let mut text = if mapping.app_role.is_empty() { String::from("no role") } else { mapping.app_role.clone() };
    match mapping.hub_role {
        crate::domain::mapping::HubRole::Owner => text.push_str(", owner of the hub"),
        crate::domain::mapping::HubRole::Collaborator => {}
    }
    if !mapping.seat {
        text.push_str(", no seat");
    }
    if !mapping.assets.is_empty() {
        text.push_str(&format!(", {} assets", mapping.assets.len()));
    }
    text
}

fn mapping_diff(hub: &Hub, before: Option<&Mapping>, after: Option<&Mapping>) -> Option<MappingDiff> {
    let one = after.or(before)?;
    let action = match (before, after) {
        (None, _) => Action::Add,
        (Some(_), Some(_)) => Action::Change,
        (Some(_), None) => Action::Remove,
    };
    Some(MappingDiff {
        hub: hub.slug.to_string(),
        subject: subject_text(&one.subject),
        scope: one.scope.clone(),
        action,
        before: before.map(gives),
        after: after.map(gives),
    })
}

fn mapping_steps(
    conn: &mut DbConn,
    scribe: &Scribe,
    diff: &mut Diff,
    decl: &HubDecl,
    before: Option<&Hub>,
    after: &Hub,
    wanted: &Wanted,
) -> Result<(), ServiceError> {
    let workspace = scribe.workspace;
    let present = match before {
        Some(before) => rows::of_hub(conn, workspace, before.id)?,
        None => Vec::new(),
    };
    let mut left = present.clone();
    let mut then = Vec::new();
    let mut moves = before.is_none_or(|before| !hub_changes::same(before, after));
    for declared in &decl.mappings {
        let source = source_id(conn, workspace, declared.source.as_deref())
            .map_err(|error| ServiceError::Invalid(format!("{}: {error}", declared.place)))?;
        let key = rows::subject_key(&declared.subject, source);
        let same = |m: &Mapping| rows::subject_key(&m.subject, m.source) == key && m.scope == declared.scope;
        let found = left.iter().position(same).map(|at| left.swap_remove(at));
        if let Some(found) = &found {
            owned(&declared.place, &subject_text(&found.subject), found.owner.as_deref(), wanted)?;
        }
        let mapping = wanted_mapping(declared, source, found.as_ref(), after, wanted, scribe);
        let binding = match &found {
            Some(found) => found.binding,
            None => rows::find_subject(conn, workspace, &mapping.subject, source)?,
        };
        shown(conn, workspace, diff, after, &mapping, binding)?;
        match &found {
            Some(found) if agrees(found, &mapping) => {}
            Some(found) => {
                moves = true;
                diff.plan.mappings.extend(mapping_diff(after, Some(found), Some(&mapping)));
                diff.steps.push(Step::ChangeMapping(after.clone(), mapping.clone()));
            }
            None => {
                moves = true;
                diff.plan.mappings.extend(mapping_diff(after, None, Some(&mapping)));
                diff.steps.push(Step::AddMapping(after.clone(), mapping.clone()));
            }
        }
        then.push(Mapping { binding, ..mapping });
    }
    let (mine, others): (Vec<Mapping>, Vec<Mapping>) = left.into_iter().partition(|m| m.owner == wanted.owner);
    then.extend(others);
    if wanted.prune {
        for mapping in &mine {
            moves = true;
            diff.plan.mappings.extend(mapping_diff(after, Some(mapping), None));
            diff.steps.push(Step::RemoveMapping(after.clone(), mapping.clone()));
        }
    } else {
        if !mine.is_empty() {
            diff.plan.notes.push(format!(
                "{}: {} mapping(s) are there and not in the file; --prune removes them",
                after.slug,
                mine.len()
            ));
        }
        then.extend(mine);
    }
    if moves {
        diff.touched.push(preview::Touched { hub: after.clone(), was: before.cloned(), before: present, after: then });
    }
    Ok(())
}

fn wanted_mapping(
    declared: &MappingDecl,
    source: Option<SourceId>,
    found: Option<&Mapping>,
    hub: &Hub,
    wanted: &Wanted,
    scribe: &Scribe,
) -> Mapping {
    Mapping {
        id: found.map_or_else(|| MappingId::from_uuid(scribe.id()), |found| found.id),
        hub: hub.id,
        subject: declared.subject.clone(),
        source,
        binding: found.map_or(Binding::Waiting, |found| found.binding),
        scope: declared.scope.clone(),
        hub_role: declared.hub_role,
        app_role: declared.app_role.clone(),
        seat: declared.seat,
        assets: declared.assets.clone(),
        owner: wanted.owner.clone(),
        file_ref: wanted.file_ref.clone(),
        confirmed_at: scribe.now,
    }
}

/// Whether a mapping already is what a file says; the commit alone does not matter.
fn agrees(found: &Mapping, wanted: &Mapping) -> bool {
    found.hub_role == wanted.hub_role
        && found.app_role == wanted.app_role
        && found.seat == wanted.seat
        && found.assets == wanted.assets
        && found.owner == wanted.owner
}

fn shown(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    diff: &mut Diff,
    hub: &Hub,
    mapping: &Mapping,
    binding: Binding,
) -> Result<(), StoreError> {
    let (state, to) = match binding_view(conn, workspace, binding)? {
        BindingView::Waiting => ("waiting", None),
        BindingView::Gone => ("gone", None),
        BindingView::Bound { id, name } => {
            ("bound", Some(name.map_or_else(|| id.clone(), |name| format!("{name} ({id})"))))
        }
    };
    let subject = subject_text(&mapping.subject);
    diff.plan.bindings.push(BindingShown { hub: hub.slug.to_string(), subject, state: state.to_owned(), to });
    Ok(())
}

fn remove_hub(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    diff: &mut Diff,
    hub: &Hub,
    prune: bool,
) -> Result<(), ServiceError> {
    if !prune {
        diff.plan.notes.push(format!("the hub '{}' is there and not in the file; --prune removes it", hub.slug));
        return Ok(());
    }
    diff.plan.hubs.push(HubDiff { hub: hub.slug.to_string(), action: Action::Remove, changed: Vec::new() });
    for mapping in rows::of_hub(conn, workspace, hub.id)? {
        diff.plan.mappings.extend(mapping_diff(hub, Some(&mapping), None));
    }
    diff.plan.notes.push(format!("{}: nothing changes in the app when its hub is removed", hub.slug));
    diff.steps.push(Step::RemoveHub(hub.clone()));
    Ok(())
}

/// The hubs and mappings as a file; one hub, or all of the workspace. Secrets are references.
///
/// # Errors
/// [`ServiceError::NotFound`] for an unknown hub.
pub async fn export(context: &Context, caller: &Caller, hub: Option<&str>) -> Result<String, ServiceError> {
    let (workspace, only) = (caller.workspace, hub.map(ToOwned::to_owned));
    context
        .store
        .read(move |conn| {
            let source_names: BTreeMap<SourceId, String> =
                sources::list(conn, workspace)?.into_iter().map(|source| (source.id, source.name)).collect();
            let hubs = match &only {
                Some(slug) => vec![super::hubs::find(conn, workspace, slug)?],
                None => hub_rows::list(conn, workspace)?,
            };
            let mut declared = Vec::new();
            for hub in hubs {
                let mappings = rows::of_hub(conn, workspace, hub.id)?;
                declared.push(declaration(hub, mappings, &source_names));
            }
            Ok(hub_file::write(&declared))
        })
        .await
}

fn declaration(hub: Hub, mappings: Vec<Mapping>, sources: &BTreeMap<SourceId, String>) -> HubDecl {
    let given = |value: ConnectionValue| match value {
        ConnectionValue::Plain(text) => Given::Plain(text),
        ConnectionValue::Secret { secret } => Given::Secret(secret),
    };
    HubDecl {
        place: Place::default(),
        slug: hub.slug,
        app: hub.app,
        label: hub.label,
        login: hub.login,
        mode: Some(hub.mode),
        settle: hub.settle,
        connection: hub.connection.into_iter().map(|(name, value)| (name, given(value))).collect(),
        policy: hub.policy,
        mappings: mappings
            .into_iter()
            .map(|mapping| MappingDecl {
                place: Place::default(),
                subject: mapping.subject,
                source: mapping.source.and_then(|source| sources.get(&source).cloned()),
                scope: mapping.scope,
                hub_role: mapping.hub_role,
                app_role: mapping.app_role,
                seat: mapping.seat,
                assets: mapping.assets,
            })
            .collect(),
    }
}
