//! From what is there to what the files declare: the steps, and the outline people read. Decides
//! nothing about people and writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{EnvValues, Wanted, rows as mapping_rows};
use crate::base::ids::{HubId, WorkspaceId};
use crate::base::secret::SecretString;
use crate::domain::catalog::Catalog;
use crate::domain::hub::{ConnectionValue, Hub, HubMode};
use crate::domain::hub_file::{HubDecl, Place, Settings};
use crate::domain::hub_rules::{self as rules, Given};
use crate::service::hub_changes::{self, connection_value};
use crate::service::scribe::Scribe;
use crate::service::whatif::steps::{Diff, Step, mapping_diff};
use crate::service::whatif::{Action, Fate, HubDiff, Touched};
use crate::service::{ServiceError, hub_moves, secrets};
use crate::store::{DbConn, Keyring, hub_secrets, hubs as hub_rows, mappings as rows};

/// What a declaration is held against.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) scribe: &'a Scribe,
    pub(super) catalog: &'a Catalog,
    pub(super) keyring: &'a Keyring,
    pub(super) wanted: &'a Wanted,
    pub(super) env: &'a EnvValues,
}

impl Ground<'_> {
    const fn workspace(&self) -> WorkspaceId {
        self.scribe.workspace
    }

    /// Whether something is another's to change. What nobody owns may be taken over; who names no
    /// owner changes only what nobody owns.
    pub(super) fn is_foreign(&self, owner: Option<&str>) -> bool {
        owner.is_some() && self.wanted.owner.as_deref() != owner
    }

    /// Refuse a change of what another owner manages.
    pub(super) fn may_change(&self, place: &Place, what: &str, owner: Option<&str>) -> Result<(), ServiceError> {
        match owner {
            Some(owner) if self.is_foreign(Some(owner)) => Err(ServiceError::Conflict(format!(
                "{place}: {what} is managed by '{owner}'; apply it with --owner {owner}, or take it out of this file"
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// Who owns something afterwards: who says so, else who did.
    pub(super) fn owner(&self, before: Option<&String>) -> Option<String> {
        self.wanted.owner.clone().or_else(|| before.cloned())
    }
}

/// The steps from what is there to what the files declare.
///
/// # Errors
/// [`ServiceError::Conflict`] for what another owner manages, [`ServiceError::Invalid`] with the
/// place of the mistake.
pub(super) fn diff(conn: &mut DbConn, ground: &Ground<'_>, declared: &[HubDecl]) -> Result<Diff, ServiceError> {
    let present: BTreeMap<String, Hub> =
        hub_rows::list(conn, ground.workspace())?.into_iter().map(|hub| (hub.slug.to_string(), hub)).collect();
    let mut diff = Diff::default();
    let mut then: BTreeMap<String, Hub> = present.clone();
    for decl in declared {
        let before = present.get(decl.slug.as_str());
        let after = match (&decl.settings, before) {
            (Some(settings), before) => {
                let after = wanted_hub(ground, decl, settings, before)?;
                hub_steps(conn, ground, &mut diff, (&decl.place, settings), before, &after)?;
                seal_steps(conn, ground, &mut diff, decl, settings, before, &after)?;
                missing_secrets(conn, ground.workspace(), &mut diff, before, &after)?;
                after
            }
            (None, Some(before)) => before.clone(),
            (None, None) => {
                return Err(ServiceError::Invalid(format!(
                    "{}: there is no hub '{}' to add mappings to; declare it with app = \"…\", or apply the file that \
                     does first",
                    decl.place, decl.slug
                )));
            }
        };
        mapping_rows::steps(conn, ground, &mut diff, decl, before, &after)?;
        then.insert(after.slug.to_string(), after);
    }
    let named: BTreeSet<&str> = declared.iter().map(|decl| decl.slug.as_str()).collect();
    for hub in present.values().filter(|hub| !named.contains(hub.slug.as_str())) {
        // Only what this owner has; what belongs to nobody only where no owner is given.
        if hub.owner == ground.wanted.owner {
            remove_hub(conn, ground, &mut diff, hub)?;
            if ground.wanted.prune {
                then.remove(hub.slug.as_str());
            }
        } else {
            mapping_rows::leftovers(conn, ground, &mut diff, hub)?;
        }
    }
    for decl in declared.iter().filter(|decl| decl.settings.is_some()) {
        let Some(hub) = then.get(decl.slug.as_str()) else { continue };
        alone(ground, &decl.place, hub, present.get(decl.slug.as_str()), &then)?;
    }
    Ok(diff)
}

/// Nobody else has what only one hub of the app may have, once all is as the files say.
fn alone(
    ground: &Ground<'_>,
    place: &Place,
    hub: &Hub,
    before: Option<&Hub>,
    then: &BTreeMap<String, Hub>,
) -> Result<(), ServiceError> {
    if before.is_some_and(|before| before.connection == hub.connection) {
        return Ok(());
    }
    let app = rules::app(ground.catalog, &hub.app).map_err(ServiceError::Invalid)?;
    let mut shared = rules::shared(app, hub, then.values());
    for wrong in &mut shared {
        wrong.detail = format!("{place}: {}", wrong.detail);
    }
    if shared.is_empty() { Ok(()) } else { Err(ServiceError::TakenFields(shared)) }
}

fn wanted_hub(
    ground: &Ground<'_>,
    decl: &HubDecl,
    settings: &Settings,
    before: Option<&Hub>,
) -> Result<Hub, ServiceError> {
    if let Some(before) = before.filter(|before| before.app != settings.app) {
        return Err(ServiceError::Conflict(format!(
            "{}: the hub '{}' is of the app '{}'; its app cannot change: declare a new hub with another id",
            decl.place, decl.slug, before.app
        )));
    }
    let mut connection = BTreeMap::new();
    for (name, given) in &settings.connection {
        let value = match given {
            Given::Env(_) => ConnectionValue::Secret { secret: name.clone() },
            other @ (Given::Plain(_) | Given::Secret(_)) => connection_value(name, other)?,
        };
        connection.insert(name.clone(), value);
    }
    Ok(Hub {
        id: before.map_or_else(|| HubId::from_uuid(ground.scribe.id()), |before| before.id),
        slug: decl.slug.clone(),
        app: settings.app.clone(),
        label: settings.label.clone(),
        login: settings.login,
        mode: settings.mode.or_else(|| before.map(|before| before.mode)).unwrap_or(HubMode::Observe),
        paused: before.is_some_and(|before| before.paused),
        settle: settings.settle,
        connection,
        policy: settings.policy.clone(),
        owner: ground.owner(before.and_then(|before| before.owner.as_ref())),
        file_ref: ground.wanted.file_ref.clone(),
        revision: before.map_or(1, |before| before.revision),
    })
}

fn hub_steps(
    conn: &mut DbConn,
    ground: &Ground<'_>,
    diff: &mut Diff,
    (place, settings): (&Place, &Settings),
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
            ground.may_change(place, &format!("the hub '{hub}'"), before.owner.as_deref())?;
            let app = rules::app(ground.catalog, &after.app).map_err(ServiceError::Invalid)?;
            let moved = hub_moves::moved_addresses(app, before, after);
            // A value of the environment is sealed anew with the change.
            let by_env = |(name, given): (&String, &Given)| matches!(given, Given::Env(_)).then(|| name.clone());
            let given: Vec<String> = settings.connection.iter().filter_map(by_env).collect();
            let with = (ground.scribe, given.as_slice());
            diff.plan.notes.extend(hub_moves::secrets_lost(conn, app, before, after, &moved, with)?);
            diff.plan.notes.extend(hub_moves::known_as_before(conn, ground.scribe, before, &moved)?);
            let changed = hub_changes::changed(before, after);
            diff.plan.hubs.push(HubDiff { hub, action: Action::Change, changed });
            let (before, after) = (Box::new(before.clone()), Box::new(after.clone()));
            diff.steps.push(Step::ChangeHub { before, after, given });
        }
    }
    Ok(())
}

/// Values of the environment that are not what is sealed already.
fn seal_steps(
    conn: &mut DbConn,
    ground: &Ground<'_>,
    diff: &mut Diff,
    decl: &HubDecl,
    settings: &Settings,
    before: Option<&Hub>,
    after: &Hub,
) -> Result<(), ServiceError> {
    // A changed address forgets what was sealed, so the value is given again with it.
    let moved = match before {
        Some(before) => {
            let app = rules::app(ground.catalog, &after.app).map_err(ServiceError::Invalid)?;
            !hub_moves::moved_addresses(app, before, after).is_empty()
        }
        None => false,
    };
    for (name, given) in &settings.connection {
        let Given::Env(variable) = given else { continue };
        let key = (decl.slug.to_string(), name.clone());
        let Some(value): Option<&SecretString> = ground.env.get(&key) else {
            return Err(ServiceError::Invalid(format!(
                "{}: {name}: the environment has no variable {variable}; set it for this command",
                decl.place
            )));
        };
        if moved || !secrets::holds(conn, ground.keyring, ground.workspace(), after.id, name, value)? {
            let owner = before.and_then(|before| before.owner.as_deref());
            ground.may_change(&decl.place, &format!("the hub '{}'", decl.slug), owner)?;
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
        after.secret_names().into_iter().filter(|name| !set.contains(name) && !sealed(name)).collect();
    for name in missing {
        diff.plan
            .notes
            .push(format!("{}: the secret {name} is not set; `scimhub secret set {} {name}`", after.slug, after.slug));
    }
    Ok(())
}

fn remove_hub(conn: &mut DbConn, ground: &Ground<'_>, diff: &mut Diff, hub: &Hub) -> Result<(), ServiceError> {
    if !ground.wanted.prune {
        diff.plan.notes.push(format!("the hub '{}' is there and not in the file; --prune removes it", hub.slug));
        return Ok(());
    }
    let mappings = rows::of_hub(conn, ground.workspace(), hub.id)?;
    let foreign = mappings.iter().filter_map(|one| one.owner.as_deref()).find(|owner| ground.is_foreign(Some(owner)));
    if let Some(owner) = foreign {
        return Err(ServiceError::Conflict(format!(
            "the hub '{}' is not in the file, and mappings of '{owner}' in it would go with it; they must go first",
            hub.slug
        )));
    }
    diff.plan.hubs.push(HubDiff { hub: hub.slug.to_string(), action: Action::Remove, changed: Vec::new() });
    for mapping in &mappings {
        diff.plan.mappings.extend(mapping_diff(hub, Some(mapping), None));
    }
    diff.plan.notes.push(format!("{}: nothing changes in the app when its hub is removed", hub.slug));
    diff.touched.push(Touched {
        hub: hub.clone(),
        was: Some(hub.clone()),
        before: mappings,
        after: Vec::new(),
        fate: Fate::Goes,
        only: None,
    });
    diff.steps.push(Step::RemoveHub(hub.clone()));
    Ok(())
}
