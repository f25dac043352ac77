//! What a decision about people in a hub rests on, loaded for a batch in a few statements, and
//! the hubs that have something due. Reads only.

mod directory;
mod vacating;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool};

use self::directory::Known;
use super::conn::DbConn;
use super::hubs::HubRow;
use super::kept::Keep as _;
use super::schema::{hubs, tasks};
use super::tasks::{TaskRow, is_open};
use super::{StoreError, given_fields, hub_members, mappings, protections, reading, sync_seen};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, UserId, WorkspaceId};
use crate::domain::app::App;
use crate::domain::decide::Facts;
use crate::domain::entitlement::Rule;
use crate::domain::hub::Hub;
use crate::domain::mapping::{Binding, Mapping};
use crate::domain::member::{Member, Presence};
use crate::domain::principal;
use crate::domain::sync;
use crate::domain::task::{Principal, Task};
use crate::scim::fold;

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

/// A hub that has something due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Whose.
    pub workspace: WorkspaceId,
    /// Where.
    pub hub: HubId,
    /// Wide marks are among it.
    pub wide: bool,
}

#[derive(QueryableByName)]
struct DueRow {
    #[diesel(embed)]
    hub: HubKey,
    #[diesel(sql_type = Bool)]
    wide: bool,
}

/// Active hubs that push and have marks or wide marks due, in key order. Observing and paused
/// hubs keep their marks and cost nothing here. One statement.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn due_hubs_across_workspaces(conn: &mut DbConn, now: Micros) -> Result<Vec<Due>, StoreError> {
    const WIDE: &str = "EXISTS (SELECT 1 FROM wide_marks x \
         WHERE x.workspace = h.workspace AND x.hub_id = h.id AND x.due_at <= $1)";
    let rows: Vec<DueRow> = diesel::sql_query(format!(
        "SELECT h.workspace, h.id, {WIDE} AS wide FROM hubs h JOIN workspaces w ON w.id = h.workspace \
         WHERE h.mode = 'active' AND h.paused = FALSE AND w.paused = FALSE AND NOT {PAUSED} AND ( \
             EXISTS (SELECT 1 FROM reconcile_marks m \
                 WHERE m.workspace = h.workspace AND m.hub_id = h.id AND m.due_at <= $1) \
             OR {WIDE}) \
         ORDER BY h.workspace, h.id",
    ))
    .bind::<BigInt, _>(now.0)
    .kept()
    .load(conn)?;
    rows.into_iter()
        .map(|DueRow { hub, wide }| {
            let id = HubId::from_bytes(&hub.id).map_err(|_| bad("a hub's id"))?;
            Ok(Due { workspace: WorkspaceId(hub.workspace), hub: id, wide })
        })
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

/// A hub whose one planner a transaction is.
#[derive(Clone, Debug)]
pub struct Planning {
    /// As it is.
    pub hub: Hub,
    /// Its app may refuse changes now ([`super::waits`]).
    pub waits: bool,
}

/// [`lock_hub`], and the hub itself, in one statement.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn plan_hub(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    now: Micros,
) -> Result<Option<Planning>, StoreError> {
    let pushes = format!(
        "hubs.mode = 'active' AND hubs.paused = FALSE AND NOT {PAUSED} AND EXISTS (SELECT 1 FROM workspaces w \
         WHERE w.id = hubs.workspace AND w.paused = FALSE)"
    );
    let waits = sql::<Bool>(
        "EXISTS (SELECT 1 FROM hub_waits x WHERE x.workspace = hubs.workspace AND x.hub_id = hubs.id \
         AND x.ended_at IS NULL AND x.until_at > ",
    );
    let query = hubs::table
        .find((workspace.0, hub.bytes()))
        .filter(sql::<Bool>(&pushes))
        .select((super::hubs::columns(), waits.bind::<BigInt, _>(now.0).sql(")")));
    let row: Option<(HubRow, bool)> = match tx {
        DbConn::Sqlite(conn) => RunQueryDsl::get_result(query.kept(), conn).optional()?,
        DbConn::Postgres(conn) => RunQueryDsl::get_result(query.for_update().skip_locked().kept(), conn).optional()?,
    };
    row.map(|(row, waits)| Ok(Planning { hub: row.hub()?, waits })).transpose()
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
    Ok(found.into_iter().map(|(mapping, group)| Rule::new(mapping, group.as_deref())).collect())
}

/// Any mappings made ready: also ones that are not stored yet, for a preview.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn rules_of(conn: &mut DbConn, workspace: WorkspaceId, found: Vec<Mapping>) -> Result<Vec<Rule>, StoreError> {
    let groups: Vec<GroupId> = found.iter().filter_map(group_of).collect();
    let names: HashMap<GroupId, String> = reading::group_names(conn, workspace, &groups)?.into_iter().collect();
    Ok(found
        .into_iter()
        .map(|mapping| {
            let name = group_of(&mapping).and_then(|group| names.get(&group).cloned());
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
    let groups: BTreeSet<GroupId> = rules.iter().filter_map(|rule| group_of(&rule.mapping)).collect();
    let mut known = directory::of_people(conn, (workspace, hub), &groups, people)?;
    let mut principals = HashMap::with_capacity(people.len());
    let mut addresses = Addresses::new();
    for (user, known) in &known {
        let Some((person, user_name)) = &known.person else { continue };
        let principal = principal::of_user(*user, user_name, &person.document);
        addresses.insert(*user, addresses_of(&principal, &email_keys(&principal, &known.emails)));
        principals.insert(*user, principal);
    }
    let near = hub_members::near(conn, workspace, hub, people, &addresses)?;
    let mut members: HashMap<UserId, Member> =
        near.members.into_iter().filter_map(|member| Some((member.user?, member))).collect();
    let mut given = given_fields::of_people(conn, workspace, hub, app, people)?;
    let mut facts = Vec::with_capacity(people.len());
    for (user, subject) in people.iter().zip(&subjects) {
        let Known { person, emails, decision } = known.remove(user).unwrap_or_default();
        let member = members.remove(user);
        let principal = match principals.remove(user) {
            Some(principal) => principal,
            None => leaver(conn, workspace, hub, *user, member.as_ref())?,
        };
        facts.push(Facts {
            user: *user,
            person: person.map(|(person, _)| person),
            email_keys: email_keys(&principal, &emails),
            principal,
            member,
            look_alikes: Vec::new(),
            email_shared: false,
            vacating: None,
            open: open.remove(subject),
            decision,
            given: given.remove(user).unwrap_or_default(),
            protection: None,
        });
    }
    look_alikes(conn, workspace, near.accounts, &addresses, &mut facts)?;
    vacating::note(conn, (workspace, hub), &near.others, &addresses, &mut facts)?;
    let mut protected = protections::of_members(conn, workspace, facts.iter().filter_map(|one| one.member.as_ref()))?;
    for one in &mut facts {
        one.protection = one.member.as_ref().and_then(|member| protected.remove(&member.id));
    }
    Ok(facts)
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

/// What accounts of people may show as their address, for each who is here.
type Addresses = BTreeMap<UserId, BTreeSet<String>>;

/// A person's addresses as keys, the one that the app is told first.
fn email_keys(principal: &Principal, emails: &BTreeSet<String>) -> Vec<String> {
    let first = fold::email(&principal.email);
    let others: Vec<String> = emails.iter().filter(|key| **key != first).cloned().collect();
    std::iter::once(first).chain(others).collect()
}

/// What an account of theirs may show as its address.
fn addresses_of(principal: &Principal, email_keys: &[String]) -> BTreeSet<String> {
    let mut addresses: BTreeSet<String> = email_keys.iter().cloned().collect();
    // An account's row has its address less folded than the directory's keys.
    addresses.extend(sync::address(&principal.email));
    // As a sync does it: the name is an address as well, and apps find accounts by it.
    addresses.extend(sync::address(&principal.user_name));
    addresses
}

/// Whether somebody is here and without an account of their own in the app.
fn lacking(facts: &Facts) -> bool {
    facts.person.is_some() && facts.member.as_ref().is_none_or(|member| member.known == Presence::Absent)
}

/// For people who are [`lacking`] an account: those of these unmatched accounts that show an
/// e-mail of theirs letter by letter, as a sync compares them (R4.1), and whether somebody else bears it, or
/// one that folds to the same.
fn look_alikes(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    mut accounts: Vec<Member>,
    addresses: &Addresses,
    facts: &mut [Facts],
) -> Result<(), StoreError> {
    if accounts.is_empty() {
        return Ok(());
    }
    let looked_for = facts.iter().filter(|one| lacking(one));
    let keys: BTreeSet<&String> = looked_for.filter_map(|one| addresses.get(&one.user)).flatten().collect();
    accounts.retain(|account| account.email_key.as_ref().is_some_and(|key| keys.contains(key)));
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
