//! Who owns hubs, for telling them what their hubs need (R6.5): by name, by a share of their own, or
//! through a team.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use diesel::prelude::*;

use super::conn::DbConn;
use super::mappings::hub_role_word;
use super::reading::corrupt;
use super::schema::{hub_managers, hub_members, hubs, mappings, memberships, users};
use super::{StoreError, roles};
use crate::base::clock::Micros;
use crate::base::ids::{UserId, WorkspaceId};
use crate::domain::addressee::Addressee;
use crate::domain::mapping::HubRole;
use crate::domain::notice::is_address;
use crate::domain::principal;
use crate::domain::rights::HubRight;
use crate::scim::resource::Object;

/// People looked up by one statement.
const BATCH: usize = 500;

/// Something that makes somebody Owner of a hub.
struct Claim {
    user: UserId,
    /// When it was given or last confirmed: what is older than a deactivation does not come back by itself.
    given_at: Micros,
    /// Whether only the plan knows if it counts: it is for some people of a group only.
    is_scoped: bool,
}

/// Active Owners of these hubs (by their ids in files) who have an address, each with theirs of the
/// hubs. What a `where` or a reactivation keeps from counting is seen by what the planner gave.
///
/// # Errors
/// A failed statement.
pub fn of_hubs(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    slugs: &BTreeSet<&str>,
) -> Result<Vec<Addressee>, StoreError> {
    let mut owned: BTreeMap<UserId, BTreeSet<String>> = BTreeMap::new();
    let all: Vec<(Vec<u8>, String)> =
        hubs::table.filter(hubs::workspace.eq(workspace.0)).select((hubs::id, hubs::slug)).load(conn)?;
    for (hub, slug) in all.into_iter().filter(|(_, slug)| slugs.contains(slug.as_str())) {
        let mut claims = named(conn, workspace, &hub)?;
        claims.extend(mapped(conn, workspace, &hub)?);
        for batch in claims.chunks(BATCH) {
            for user in counting(conn, workspace, &hub, batch)? {
                owned.entry(user).or_default().insert(slug.clone());
            }
        }
    }
    addressed(conn, workspace, owned)
}

/// Whose claim counts now.
fn counting(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: &[u8],
    claims: &[Claim],
) -> Result<HashSet<UserId>, StoreError> {
    let users: Vec<UserId> = claims.iter().map(|claim| claim.user).collect();
    let people = roles::claims(conn, workspace, &users)?;
    let (mut sure, mut unsure) = (HashSet::new(), HashSet::new());
    for claim in claims {
        let Some(person) = people.get(&claim.user).filter(|person| person.active) else { continue };
        if person.role().hub_ceiling() < HubRight::Owner {
            continue;
        }
        let is_living = person.deactivated_at.is_none_or(|left| claim.given_at > left);
        let found = if is_living && !claim.is_scoped { &mut sure } else { &mut unsure };
        found.insert(claim.user);
    }
    let unsure: Vec<UserId> = unsure.difference(&sure).copied().collect();
    if !unsure.is_empty() {
        sure.extend(planned(conn, workspace, hub, &unsure)?);
    }
    Ok(sure)
}

fn user_id(bytes: &[u8]) -> Result<UserId, StoreError> {
    UserId::from_bytes(bytes).map_err(corrupt("a user id"))
}

fn named(conn: &mut DbConn, workspace: WorkspaceId, hub: &[u8]) -> Result<Vec<Claim>, StoreError> {
    let rows: Vec<(Vec<u8>, i64)> = hub_managers::table
        .filter(hub_managers::workspace.eq(workspace.0))
        .filter(hub_managers::hub_id.eq(hub))
        .filter(hub_managers::role.eq(hub_role_word(HubRole::Owner)))
        .select((hub_managers::user_id, hub_managers::given_at))
        .load(conn)?;
    rows.iter().map(|(user, at)| Ok(Claim { user: user_id(user)?, given_at: Micros(*at), is_scoped: false })).collect()
}

fn mapped(conn: &mut DbConn, workspace: WorkspaceId, hub: &[u8]) -> Result<Vec<Claim>, StoreError> {
    let rules: Vec<(String, Option<Vec<u8>>, String, i64)> = mappings::table
        .filter(mappings::workspace.eq(workspace.0))
        .filter(mappings::hub_id.eq(hub))
        .filter(mappings::hub_role.eq(hub_role_word(HubRole::Owner)))
        .filter(mappings::binding.eq("bound"))
        .select((mappings::subject_kind, mappings::bound_id, mappings::scope, mappings::confirmed_at))
        .load(conn)?;
    let mut found = Vec::new();
    for (kind, bound, scope, confirmed_at) in rules {
        let (Some(bound), is_scoped) = (bound, !scope.is_empty()) else { continue };
        if kind == "user" {
            found.push(Claim { user: user_id(&bound)?, given_at: Micros(confirmed_at), is_scoped });
            continue;
        }
        let members: Vec<(Vec<u8>, i64)> = memberships::table
            .filter(memberships::workspace.eq(workspace.0))
            .filter(memberships::group_id.eq(bound))
            .filter(memberships::member_kind.eq(0))
            .select((memberships::member_id, memberships::confirmed_at))
            .load(conn)?;
        for (user, at) in members {
            found.push(Claim { user: user_id(&user)?, given_at: Micros(at), is_scoped });
        }
    }
    Ok(found)
}

/// Whom of these the planner gave the role.
fn planned(conn: &mut DbConn, workspace: WorkspaceId, hub: &[u8], users: &[UserId]) -> Result<Vec<UserId>, StoreError> {
    let ids: Vec<Vec<u8>> = users.iter().map(|user| user.bytes()).collect();
    let rows: Vec<Option<Vec<u8>>> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub))
        .filter(hub_members::user_id.eq_any(ids))
        .filter(hub_members::hub_role.eq(hub_role_word(HubRole::Owner)))
        .select(hub_members::user_id)
        .load(conn)?;
    rows.iter().flatten().map(|user| user_id(user)).collect()
}

/// The same address as apps get; without one they cannot be told.
fn addressed(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    mut owned: BTreeMap<UserId, BTreeSet<String>>,
) -> Result<Vec<Addressee>, StoreError> {
    let ids: Vec<Vec<u8>> = owned.keys().map(|user| user.bytes()).collect();
    let mut found = Vec::new();
    for batch in ids.chunks(BATCH) {
        let rows: Vec<(Vec<u8>, String, String)> = users::table
            .filter(users::workspace.eq(workspace.0))
            .filter(users::id.eq_any(batch))
            .order(users::id)
            .select((users::id, users::user_name, users::document))
            .load(conn)?;
        for (id, name, document) in rows {
            let user = user_id(&id)?;
            let document: Object = serde_json::from_str(&document).map_err(corrupt("a user's document"))?;
            let mail = principal::of_user(user, &name, &document).email;
            if let Some(hubs) = owned.remove(&user).filter(|_| is_address(&mail)) {
                found.push(Addressee::owner(user, mail, hubs));
            }
        }
    }
    Ok(found)
}
