//! A change as steps in the order of carrying out, with the outline people read. Files and the API
//! both come down to these, so that one thing is previewed, digested and done.

use super::effects::Touched;
use super::outline::{Action, MappingDiff, Plan};
use crate::base::secret::SecretString;
use crate::domain::catalog::Catalog;
use crate::domain::hub::{Hub, Removal, RemovalReason};
use crate::domain::hub_file::subject_text;
use crate::domain::hub_rules as rules;
use crate::domain::mapping::{HubRole, Mapping};
use crate::service::scribe::Scribe;
use crate::service::{ServiceError, hub_changes, role_mappings, secrets};
use crate::store::role_files::RoleRow;
use crate::store::{Keyring, Tx};

/// One step.
pub(in crate::service) enum Step {
    /// A new hub.
    AddHub(Hub),
    /// Other settings, and the names of the secrets that are sealed with them.
    ChangeHub { before: Box<Hub>, after: Box<Hub>, given: Vec<String> },
    /// The hub is forgotten.
    RemoveHub(Hub),
    /// A new mapping.
    AddMapping(Hub, Mapping),
    /// Another role, seat or asset, or another owner.
    ChangeMapping { hub: Hub, before: Box<Mapping>, after: Box<Mapping> },
    /// A mapping goes.
    RemoveMapping(Hub, Mapping),
    /// A person binds a mapping anew.
    BindMapping { hub: Hub, before: Box<Mapping>, after: Box<Mapping> },
    /// A secret is sealed.
    Seal(Hub, String, SecretString),
    /// A group gives its members another workspace role, or none any more.
    Role(RoleStep),
}

/// What a group gave and will give.
pub(in crate::service) struct RoleStep {
    /// The group's name.
    pub name: String,
    /// Now.
    pub before: Option<RoleRow>,
    /// Then.
    pub after: Option<RoleRow>,
}

impl RoleStep {
    /// The one or the other.
    pub fn row(&self) -> Option<&RoleRow> {
        self.after.as_ref().or(self.before.as_ref())
    }
}

/// A change: what to do, what it looks like, and whom it can reach.
#[derive(Default)]
pub(in crate::service) struct Diff {
    /// In the order of carrying out.
    pub steps: Vec<Step>,
    /// For people, without the effects.
    pub plan: Plan,
    /// For the effects.
    pub touched: Vec<Touched>,
}

/// Do one step.
///
/// # Errors
/// As the change.
pub(in crate::service) fn carry_out(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    catalog: &Catalog,
    keyring: &Keyring,
    step: &Step,
) -> Result<(), ServiceError> {
    match step {
        Step::AddHub(hub) => {
            let app = rules::app(catalog, &hub.app).map_err(ServiceError::Invalid)?;
            hub_changes::add_hub(tx, scribe, app, hub)
        }
        // What there is to tell of it stands among the plan's notes already.
        Step::ChangeHub { before, after, given } => {
            let app = rules::app(catalog, &after.app).map_err(ServiceError::Invalid)?;
            hub_changes::change_hub(tx, scribe, app, before, after, given).map(|_| ())
        }
        // Only files come here: a person's removal carries their reason.
        Step::RemoveHub(hub) => {
            let removal = Removal { reason: RemovalReason::Pruned, note: None };
            hub_changes::remove_hub(tx, scribe, hub, &removal)
        }
        Step::AddMapping(hub, mapping) => hub_changes::add_mapping(tx, scribe, hub, mapping.clone()).map(|_| ()),
        Step::ChangeMapping { hub, after, .. } => hub_changes::change_mapping(tx, scribe, hub, after),
        Step::RemoveMapping(hub, mapping) => hub_changes::remove_mapping(tx, scribe, hub, mapping),
        Step::BindMapping { hub, before, .. } => {
            hub_changes::bind_again(tx, scribe, hub, before.as_ref().clone()).map(|_| ())
        }
        Step::Role(step) => role_mappings::carry_out(tx, scribe, step),
        Step::Seal(hub, name, value) => secrets::put_all(tx, scribe, keyring, hub, &[(name.clone(), value.clone())]),
    }
}

/// A mapping that changes, as people read it.
pub(in crate::service) fn mapping_diff(
    hub: &Hub,
    before: Option<&Mapping>,
    after: Option<&Mapping>,
) -> Option<MappingDiff> {
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

/// What a mapping gives, in one line for people.
fn gives(mapping: &Mapping) -> String {
    let mut text = if mapping.app_role.is_empty() { String::from("no role") } else { mapping.app_role.clone() };
    match mapping.hub_role {
        HubRole::Owner => text.push_str(", owner of the hub"),
        HubRole::Manager => text.push_str(", manager of the hub"),
        HubRole::Collaborator => {}
    }
    if !mapping.seat {
        text.push_str(", no seat");
    }
    if !mapping.assets.is_empty() {
        text.push_str(&format!(", {} assets", mapping.assets.len()));
    }
    if let Some(owner) = &mapping.owner {
        text.push_str(&format!(" (of {owner})"));
    }
    text
}
