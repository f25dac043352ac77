//! Whether a hub has an Owner, and what becomes of it when it loses the last (business-hubs.md
//! section 3): a hub that nobody may run would stay as it is for ever.

use serde::Serialize;
use serde_json::json;

use super::rights::{Standing, standings};
use super::scribe::{About, Scribe};
use super::{ServiceError, hub_changes};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, UserId, WorkspaceId};
use crate::domain::catalog::Catalog;
use crate::domain::hub::Hub;
use crate::domain::mapping::{Binding, HubRole, Mapping};
use crate::domain::rights::{HubRight, Role};
use crate::store::managers::{self, Manager};
use crate::store::{DbConn, StoreError, Tx, hubs, mappings, origins, roles};

/// People looked at in one go.
const LOOK: i64 = 100;

/// Whether anybody but this person is an Owner of the hub with all an Owner may do.
///
/// # Errors
/// [`StoreError`] of the statements.
pub(super) fn another(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    hub: &Hub,
    but: Option<UserId>,
    now: Micros,
) -> Result<bool, StoreError> {
    let mut after = None;
    loop {
        let found = managers::candidates(conn, workspace, hub.id, after, LOOK)?;
        let Some(last) = found.last() else { return Ok(false) };
        after = Some(*last);
        let others: Vec<UserId> = found.into_iter().filter(|user| Some(*user) != but).collect();
        let owns = |one: &Standing| one.right == Some(HubRight::Owner);
        if standings(conn, workspace, catalog, hub, &others, now)?.iter().any(owns) {
            return Ok(true);
        }
    }
}

/// Whether people were made Owner of the hub and none of them, nor anybody else, is one any more.
///
/// # Errors
/// [`StoreError`] of the statements.
pub(super) fn is_orphan(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    hub: &Hub,
    now: Micros,
) -> Result<bool, StoreError> {
    Ok(managers::hubs_left_alone(conn, workspace)?.contains(&hub.id)
        && !another(conn, workspace, catalog, hub, None, now)?)
}

/// Who was made Owner of the workspace, as long as it counts.
///
/// # Errors
/// [`StoreError`] of the statements.
pub(super) fn of_workspace(conn: &mut DbConn, workspace: WorkspaceId) -> Result<Option<UserId>, StoreError> {
    let Some(user) = roles::owner(conn, workspace)? else { return Ok(None) };
    let claims = roles::claims_of(conn, workspace, user)?;
    Ok(claims.filter(|claims| claims.active && claims.role() == Role::Owner).map(|_| user))
}

/// Something about the workspace, mostly its people, that somebody must see to; it goes by itself once it is
/// seen to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attention {
    /// `workspace_owner_gone`, `hub_without_owner` or `foreign_records`.
    pub kind: &'static str,
    /// The hub, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
    /// What is so.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// What there is now.
///
/// # Errors
/// [`StoreError`] of the statements.
pub(super) fn attention(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    now: Micros,
) -> Result<Vec<Attention>, StoreError> {
    let mut found = Vec::new();
    let foreign = origins::foreign(conn, workspace)?;
    if foreign > 0 {
        found.push(Attention {
            kind: "foreign_records",
            hub: None,
            message: format!("the activity record holds {foreign} that this installation did not write"),
            remedy: String::from(
                "somebody can write to the database: `scimhub audit verify` names the first one, `not_ours` in the \
                 activity each; change the database's passwords",
            ),
        });
    }
    if roles::owner(conn, workspace)?.is_some() && of_workspace(conn, workspace)?.is_none() {
        found.push(Attention {
            kind: "workspace_owner_gone",
            hub: None,
            message: String::from("the Owner of the workspace was deactivated or deleted, so it has none"),
            remedy: String::from(
                "hand the workspace to somebody active: `scimhub workspace owner USER`, or \
                 POST /api/v1/people/{user}/transfer-ownership with the operator's token",
            ),
        });
    }
    for id in managers::hubs_left_alone(conn, workspace)? {
        let hub = match hubs::load(conn, workspace, id) {
            Err(StoreError::NotFound) => continue,
            other => other?,
        };
        if another(conn, workspace, catalog, &hub, None, now)? {
            continue;
        }
        found.push(Attention {
            kind: "hub_without_owner",
            message: format!("nobody owns the hub '{}' any more: who did was deactivated or deleted", hub.slug),
            remedy: format!(
                "the Owner of the workspace, or the operator, makes somebody Owner: \
                 PUT /api/v1/hubs/{}/managers/{{user}}",
                hub.slug
            ),
            hub: Some(hub.slug.to_string()),
        });
    }
    Ok(found)
}

/// What the hub of this share gives somebody by themselves; what a group gives is the group's.
pub(super) fn runs_by_share(mapping: &Mapping, user: UserId) -> bool {
    mapping.binding == Binding::User(user) && mapping.hub_role > HubRole::Collaborator
}

/// Take Owner and Manager out of a person's own shares in a hub. One without a seat gave nothing
/// else, so it goes.
///
/// # Errors
/// As the change of a mapping.
pub(super) fn lower_shares(tx: &mut Tx<'_>, scribe: &Scribe, hub: &Hub, user: UserId) -> Result<usize, ServiceError> {
    let shares: Vec<Mapping> = mappings::of_hub(tx, scribe.workspace, hub.id)?
        .into_iter()
        .filter(|mapping| runs_by_share(mapping, user))
        .collect();
    for share in &shares {
        if share.seat {
            // What is changed here is no longer what that commit said; its owner's next apply says it anew.
            let lower = Mapping { hub_role: HubRole::Collaborator, file_ref: None, ..share.clone() };
            hub_changes::change_mapping(tx, scribe, hub, &lower)?;
        } else {
            hub_changes::remove_mapping(tx, scribe, hub, share)?;
        }
    }
    Ok(shares.len())
}

/// The hubs in which this person is the last Owner.
///
/// # Errors
/// [`StoreError`] of the statements.
pub(super) fn only_owner_of(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    user: UserId,
    now: Micros,
) -> Result<Vec<Hub>, StoreError> {
    let mut only = Vec::new();
    for hub in near(conn, workspace, user)? {
        let own = standings(conn, workspace, catalog, &hub, &[user], now)?;
        let owns = own.iter().any(|one| one.right == Some(HubRight::Owner));
        if owns && !another(conn, workspace, catalog, &hub, Some(user), now)? {
            only.push(hub);
        }
    }
    Ok(only)
}

fn near(conn: &mut DbConn, workspace: WorkspaceId, user: UserId) -> Result<Vec<Hub>, StoreError> {
    let mut found = Vec::new();
    for id in managers::hubs_near(conn, workspace, user)? {
        match hubs::load(conn, workspace, id) {
            Err(StoreError::NotFound) => {}
            other => found.push(other?),
        }
    }
    Ok(found)
}

/// Somebody may own nothing any more: what they were by name and by their own shares goes, and the
/// hubs that have no other Owner go to the Owner of the workspace. Call it before the new role is
/// written, with the rules locked.
///
/// # Errors
/// [`ServiceError::Conflict`] naming the hubs where there is nobody to take them.
pub(super) fn strip(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    catalog: &Catalog,
    user: UserId,
) -> Result<Vec<HubId>, ServiceError> {
    let heir = of_workspace(tx, scribe.workspace)?.filter(|heir| *heir != user);
    hand_down(tx, scribe, catalog, user, heir)
}

/// The same while the workspace itself goes to `heir`, who takes over the hubs too.
///
/// # Errors
/// As [`strip`].
pub(super) fn strip_for(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    catalog: &Catalog,
    user: UserId,
    heir: UserId,
) -> Result<Vec<HubId>, ServiceError> {
    hand_down(tx, scribe, catalog, user, Some(heir))
}

fn hand_down(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    catalog: &Catalog,
    user: UserId,
    heir: Option<UserId>,
) -> Result<Vec<HubId>, ServiceError> {
    let workspace = scribe.workspace;
    let only = only_owner_of(tx, workspace, catalog, user, scribe.now)?;
    if heir.is_none() && !only.is_empty() {
        let names: Vec<&str> = only.iter().map(|hub| hub.slug.as_str()).collect();
        return Err(ServiceError::Conflict(format!(
            "they are the last Owner of {}, and the workspace has no Owner who could take over: make somebody else \
             Owner first",
            names.join(", ")
        )));
    }
    let mut ran = managers::strip(tx, workspace, user)?;
    for hub in near(tx, workspace, user)? {
        if lower_shares(tx, scribe, &hub, user)? > 0 && !ran.contains(&hub.id) {
            ran.push(hub.id);
        }
    }
    for id in &ran {
        let hub = match hubs::load(tx, workspace, *id) {
            Err(StoreError::NotFound) => continue,
            other => other?,
        };
        managers::reset_row(tx, workspace, hub.id, user)?;
        note(tx, scribe, &hub, user, "hub.manager_removed", json!({ "because": "workspace role" }))?;
    }
    for (hub, heir) in only.iter().zip(heir.into_iter().cycle()) {
        let manager = Manager {
            user: heir,
            role: HubRole::Owner,
            service_account: true,
            given_by: scribe.actor.clone(),
            given_at: scribe.now,
        };
        managers::put(tx, workspace, hub.id, &manager)?;
        managers::show_owners(tx, workspace, hub.id)?;
        let detail = json!({ "role": "owner", "because": "the last Owner may own nothing any more", "from": user });
        note(tx, scribe, hub, heir, "hub.manager_set", detail)?;
    }
    Ok(ran)
}

/// Write down that somebody was made or unmade Owner or Manager.
///
/// # Errors
/// [`StoreError`] of the statement.
pub(super) fn note(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    hub: &Hub,
    user: UserId,
    kind: &str,
    detail: serde_json::Value,
) -> Result<(), StoreError> {
    let target = format!("hub:{}", hub.slug);
    scribe.record(tx, kind, About { target: &target, hub: Some(hub.id), user: Some(user), detail, ..About::default() })
}
