//! What a decision about people in a hub rests on, loaded for a batch in a few statements, and
//! the hubs that have something due. Reads only.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};

use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::{memberships, sources, tasks, user_emails, user_groups, users};
use super::tasks::{TaskRow, is_open};
use super::{StoreError, decisions, given_fields, hub_members, mappings, protections, sync_seen};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, UserId, WorkspaceId};
use crate::domain::app::App;
use crate::domain::decide::Facts;
use crate::domain::entitlement::{Membership, Person, Regain, Rule};
use crate::domain::mapping::{Binding, Mapping};
use crate::domain::member::{Member, Presence};
use crate::domain::principal;
use crate::domain::sync;
use crate::domain::task::{Principal, Task};
use crate::scim::fold;
use crate::scim::resource::Object;

/// The subject of a person's tasks and decisions.
pub fn subject(user: UserId) -> String {
    format!("user:{user}")
}

#[derive(QueryableByName)]
struct HubKey {
    #[diesel(sql_type = BigInt)]
    workspace: i64,
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
}

/// Whether the installation is paused, as [`super::pausing`] stores it. What is planned while nothing
/// is pushed would leave the guard's window one by one and then go out at once.
const PAUSED: &str = "EXISTS (SELECT 1 FROM settings s WHERE s.name = 'paused' AND s.value = 'true')";

/// Active hubs that push and have marks or wide marks due, in key order. Observing and paused
/// hubs keep their marks and cost nothing here.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn due_hubs_across_workspaces(conn: &mut DbConn, now: Micros) -> Result<Vec<(WorkspaceId, HubId)>, StoreError> {
    let rows: Vec<HubKey> = diesel::sql_query(format!(
        "SELECT h.workspace, h.id FROM hubs h JOIN workspaces w ON w.id = h.workspace \
         WHERE h.mode = 'active' AND h.paused = FALSE AND w.paused = FALSE AND NOT {PAUSED} AND ( \
             EXISTS (SELECT 1 FROM reconcile_marks m \
                 WHERE m.workspace = h.workspace AND m.hub_id = h.id AND m.due_at <= $1) \
             OR EXISTS (SELECT 1 FROM wide_marks x \
                 WHERE x.workspace = h.workspace AND x.hub_id = h.id AND x.due_at <= $1)) \
         ORDER BY h.workspace, h.id",
    ))
    .bind::<BigInt, _>(now.0)
    .kept()
    .load(conn)?;
    rows.into_iter()
        .map(|row| Ok((WorkspaceId(row.workspace), HubId::from_bytes(&row.id).map_err(|_| bad("a hub's id"))?)))
        .collect()
}

/// Become the one planner of a hub until the transaction ends; `false` when another has it, or
/// the hub no longer pushes. SQLite has one writer, so there only the second can happen.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn lock_hub(tx: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<bool, StoreError> {
    let lock = match tx {
        DbConn::Sqlite(_) => "",
        DbConn::Postgres(_) => " FOR UPDATE OF h SKIP LOCKED",
    };
    let rows: Vec<HubKey> = diesel::sql_query(format!(
        "SELECT h.workspace, h.id FROM hubs h JOIN workspaces w ON w.id = h.workspace \
         WHERE h.workspace = $1 AND h.id = $2 AND h.mode = 'active' AND h.paused = FALSE AND w.paused = FALSE \
         AND NOT {PAUSED}{lock}"
    ))
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(hub.bytes())
    .kept()
    .load(tx)?;
    Ok(!rows.is_empty())
}

/// The hub's mappings, ready to be applied, with the current names of their groups.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn rules(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<Vec<Rule>, StoreError> {
    let found = mappings::of_hub(conn, workspace, hub)?;
    rules_of(conn, workspace, found)
}

/// The same, as far as they can be about these people.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn rules_about(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    people: &[UserId],
) -> Result<Vec<Rule>, StoreError> {
    let found = mappings::about(conn, workspace, hub, people)?;
    rules_of(conn, workspace, found)
}

/// Any mappings made ready: also ones that are not stored yet, for a preview.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn rules_of(conn: &mut DbConn, workspace: WorkspaceId, found: Vec<Mapping>) -> Result<Vec<Rule>, StoreError> {
    let ids: Vec<Vec<u8>> = found.iter().filter_map(group_of).map(GroupId::bytes).collect();
    let names: HashMap<Vec<u8>, String> = user_groups::table
        .filter(user_groups::workspace.eq(workspace.0))
        .filter(user_groups::id.eq_any(ids))
        .select((user_groups::id, user_groups::display_name))
        .load::<(Vec<u8>, String)>(conn)?
        .into_iter()
        .collect();
    Ok(found
        .into_iter()
        .map(|mapping| {
            let name = group_of(&mapping).and_then(|group| names.get(&group.bytes()).cloned());
            Rule::new(mapping, name.as_deref())
        })
        .collect())
}

fn group_of(mapping: &Mapping) -> Option<GroupId> {
    match mapping.binding {
        Binding::Group(group) => Some(group),
        Binding::Waiting | Binding::User(_) | Binding::Gone => None,
    }
}

/// The facts about these people in this hub, whose app is `app`, in their order.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn of_people(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    app: &App,
    rules: &[Rule],
    people: &[UserId],
) -> Result<Vec<Facts>, StoreError> {
    let subjects: Vec<String> = people.iter().map(|user| subject(*user)).collect();
    // Open tasks before everything that finishing one changes: on PostgreSQL an attempt may be
    // recorded between two of these statements. A task seen open is waited for or fails to be
    // replaced; one seen closed must not go with what was known before it, or it is made twice.
    let mut open = open_tasks(conn, workspace, hub, &subjects)?;
    let mut persons = persons(conn, workspace, rules, people)?;
    let mut emails = emails(conn, workspace, people)?;
    let mut members: HashMap<UserId, Member> = hub_members::of_users(conn, workspace, hub, people)?
        .into_iter()
        .filter_map(|member| Some((member.user?, member)))
        .collect();
    let mut decided: HashMap<String, _> =
        decisions::of_subjects(conn, workspace, hub, &subjects)?.into_iter().collect();
    let mut given = given_fields::of_people(conn, workspace, hub, app, people)?;
    let mut facts = Vec::with_capacity(people.len());
    for (user, subject) in people.iter().zip(&subjects) {
        let member = members.remove(user);
        let (person, principal) = match persons.remove(user) {
            Some((person, user_name)) => {
                let principal = principal::of_user(*user, &user_name, &person.document);
                (Some(person), principal)
            }
            None => (None, leaver(conn, workspace, hub, *user, member.as_ref())?),
        };
        let mut email_keys = vec![fold::email(&principal.email)];
        for key in emails.remove(user).unwrap_or_default() {
            if !email_keys.contains(&key) {
                email_keys.push(key);
            }
        }
        facts.push(Facts {
            user: *user,
            person,
            principal,
            email_keys,
            member,
            look_alikes: Vec::new(),
            email_shared: false,
            open: open.remove(subject),
            decision: decided.remove(subject),
            given: given.remove(user).unwrap_or_default(),
            protection: None,
        });
    }
    look_alikes(conn, workspace, hub, &mut facts)?;
    let mut protected = protections::of_members(conn, workspace, facts.iter().filter_map(|one| one.member.as_ref()))?;
    for one in &mut facts {
        one.protection = one.member.as_ref().and_then(|member| protected.remove(&member.id));
    }
    Ok(facts)
}

type UserRow = (Vec<u8>, String, bool, Option<i64>, String, Option<String>);

fn persons(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    rules: &[Rule],
    people: &[UserId],
) -> Result<HashMap<UserId, (Person, String)>, StoreError> {
    let ids: Vec<Vec<u8>> = people.iter().map(|user| user.bytes()).collect();
    // A guest belongs to no source.
    let rows: Vec<UserRow> = users::table
        .left_join(sources::table.on(sources::workspace.eq(users::workspace).and(sources::id.eq(users::source))))
        .filter(users::workspace.eq(workspace.0))
        .filter(users::id.eq_any(&ids))
        .select((
            users::id,
            users::user_name,
            users::active,
            users::deactivated_at,
            users::document,
            sources::preset.nullable(),
        ))
        .kept_if(ids.len() == 1)
        .load(conn)?;
    let groups: BTreeSet<GroupId> = rules.iter().filter_map(|rule| group_of(&rule.mapping)).collect();
    let rows_in: Vec<(Vec<u8>, Vec<u8>, i64)> = memberships::table
        .filter(memberships::workspace.eq(workspace.0))
        .filter(memberships::member_id.eq_any(&ids))
        .filter(memberships::group_id.eq_any(groups.iter().map(|group| group.bytes()).collect::<Vec<_>>()))
        .filter(memberships::member_kind.eq(0))
        .select((memberships::member_id, memberships::group_id, memberships::confirmed_at))
        .kept_if(ids.len() == 1 && groups.len() == 1)
        .load(conn)?;
    let mut in_groups: HashMap<Vec<u8>, Vec<Membership>> = HashMap::new();
    for (member, group, confirmed_at) in rows_in {
        let group = GroupId::from_bytes(&group).map_err(|_| bad("a group's id"))?;
        in_groups.entry(member).or_default().push(Membership { group, confirmed_at: Micros(confirmed_at) });
    }
    let mut found = HashMap::with_capacity(rows.len());
    for (id, user_name, active, deactivated_at, document, preset) in rows {
        let user = UserId::from_bytes(&id).map_err(|_| bad("a user's id"))?;
        let document: Object = serde_json::from_str(&document).map_err(|_| bad("a user's document"))?;
        let person = Person {
            id: user,
            active,
            deactivated_at: deactivated_at.map(Micros),
            regain: Regain::of_preset(preset.as_deref().unwrap_or_default()),
            document,
            memberships: in_groups.remove(&id).unwrap_or_default(),
        };
        found.insert(user, (person, user_name));
    }
    Ok(found)
}

fn emails(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    people: &[UserId],
) -> Result<HashMap<UserId, BTreeSet<String>>, StoreError> {
    let rows: Vec<(Vec<u8>, String)> = user_emails::table
        .filter(user_emails::workspace.eq(workspace.0))
        .filter(user_emails::user_id.eq_any(people.iter().map(|user| user.bytes()).collect::<Vec<_>>()))
        .select((user_emails::user_id, user_emails::email_key))
        .kept_if(people.len() == 1)
        .load(conn)?;
    let mut found: HashMap<UserId, BTreeSet<String>> = HashMap::new();
    for (id, key) in rows {
        let user = UserId::from_bytes(&id).map_err(|_| bad("a user's id"))?;
        found.entry(user).or_default().insert(fold::email(&key));
    }
    Ok(found)
}

pub(super) fn open_tasks(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    subjects: &[String],
) -> Result<HashMap<String, Task>, StoreError> {
    let rows: Vec<TaskRow> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hub_id.eq(hub.bytes()))
        .filter(tasks::subject.eq_any(subjects))
        .filter(is_open())
        .kept_if(subjects.len() == 1)
        .load(conn)?;
    rows.iter().map(|row| row.shown().map(|task| (task.subject.clone(), task))).collect()
}

/// How to address somebody whose user is gone: the last task knew, else the member's row does.
fn leaver(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    user: UserId,
    member: Option<&Member>,
) -> Result<Principal, StoreError> {
    let last: Option<TaskRow> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hub_id.eq(hub.bytes()))
        .filter(tasks::user_id.eq(user.bytes()))
        .order(tasks::id.desc())
        .first(conn)
        .optional()?;
    let last = last.map(|row| row.shown()).transpose()?.map(|task| task.effect.principal);
    Ok(match member {
        Some(member) => principal::of_leaver(member, last.as_ref().filter(|last| !last.user_name.is_empty())),
        None => last.unwrap_or_default(),
    })
}

/// For people without an account of their own in the app: the unmatched accounts that show an e-mail
/// of theirs letter by letter, as a sync compares them (R4.1), and whether somebody else bears it, or
/// one that folds to the same.
fn look_alikes(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId, facts: &mut [Facts]) -> Result<(), StoreError> {
    let lacking = |facts: &Facts| {
        facts.person.is_some() && facts.member.as_ref().is_none_or(|member| member.known == Presence::Absent)
    };
    let mut keys = BTreeSet::new();
    for one in facts.iter().filter(|one| lacking(one)) {
        keys.extend(one.email_keys.iter().cloned());
        // An account's row has its address less folded than the directory's keys.
        keys.extend(sync::address(&one.principal.email));
        // As a sync does it: the name is an address as well, and apps find accounts by it.
        keys.extend(sync::address(&one.principal.user_name));
    }
    let accounts = hub_members::unmatched_by_email(conn, workspace, hub, &keys.into_iter().collect::<Vec<_>>())?;
    let shown: BTreeSet<String> = accounts.iter().filter_map(|account| account.email_key.clone()).collect();
    if shown.is_empty() {
        return Ok(());
    }
    let bearers = sync_seen::people(conn, workspace, &shown)?;
    for one in facts.iter_mut().filter(|one| lacking(one)) {
        for account in &accounts {
            let Some(address) = &account.email_key else { continue };
            let near = bearers.get(&sync::key(address)).map(Vec::as_slice).unwrap_or_default();
            if near.iter().any(|bearer| bearer.user == one.user && bearer.addresses.contains(address)) {
                one.look_alikes.push(account.clone());
                // Or it became theirs after the account was known (T-02).
                one.email_shared |= near.iter().any(|bearer| bearer.user != one.user || bearer.came_after(account.id));
            }
        }
    }
    Ok(())
}

fn bad(what: &str) -> StoreError {
    StoreError::Corrupt(what.to_owned())
}
