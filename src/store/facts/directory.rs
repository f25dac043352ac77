//! What the directory knows of people whom a decision about a hub is for: their rows, which of some groups
//! they are in, their addresses, and what was decided about them there. On PostgreSQL one statement, for
//! each would be a round trip that a change waits for; SQLite answers each from statements that stay
//! prepared.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};

use super::super::conn::DbConn;
use super::super::kept::Keep as _;
use super::super::schema::{memberships, sources, user_emails, users};
use super::super::{StoreError, decisions, keyed};
use super::subject;
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, UserId, WorkspaceId};
use crate::domain::decision::Decision;
use crate::domain::entitlement::{Membership, Person, Regain};
use crate::scim::fold;
use crate::scim::resource::Object;

/// One of them.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The person and their userName; `None` when they are gone.
    pub person: Option<(Person, String)>,
    /// Their addresses, folded.
    pub emails: BTreeSet<String>,
    /// What was decided about them in the hub.
    pub decision: Option<Decision>,
}

/// What is known of these people, with those of their memberships that are in these groups.
///
/// # Errors
/// [`StoreError`] of the statements.
pub(super) fn of_people(
    conn: &mut DbConn,
    (workspace, hub): (WorkspaceId, HubId),
    groups: &BTreeSet<GroupId>,
    people: &[UserId],
) -> Result<HashMap<UserId, Known>, StoreError> {
    match conn {
        DbConn::Postgres(pg) => at_once(pg, (workspace, hub), groups, people),
        conn @ DbConn::Sqlite(_) => one_by_one(conn, (workspace, hub), groups, people),
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
    #[diesel(sql_type = Nullable<Text>)]
    user_name: Option<String>,
    #[diesel(sql_type = Nullable<Bool>)]
    active: Option<bool>,
    #[diesel(sql_type = Nullable<BigInt>)]
    deactivated_at: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    document: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    preset: Option<String>,
    #[diesel(sql_type = Array<Text>)]
    emails: Vec<String>,
    #[diesel(sql_type = Array<Binary>)]
    groups: Vec<Vec<u8>>,
    #[diesel(sql_type = Array<BigInt>)]
    confirmed: Vec<i64>,
    #[diesel(sql_type = Nullable<Binary>)]
    digest: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Text>)]
    kind: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    decided_by: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    note: Option<String>,
}

fn at_once(
    conn: &mut PgConnection,
    (workspace, hub): (WorkspaceId, HubId),
    groups: &BTreeSet<GroupId>,
    people: &[UserId],
) -> Result<HashMap<UserId, Known>, StoreError> {
    let keys = keyed::keys(&[("id", 2), ("subject", 3)]);
    let member = "FROM memberships m WHERE m.workspace = k.workspace AND m.member_id = k.id AND m.member_kind = 0 \
         AND m.group_id = ANY ($5) ORDER BY m.group_id";
    // A guest belongs to no source.
    let text = format!(
        "SELECT k.id, u.user_name, u.active, u.deactivated_at, u.document, u.preset, \
         ARRAY (SELECT e.email_key FROM user_emails e WHERE e.workspace = k.workspace AND e.user_id = k.id) AS emails, \
         ARRAY (SELECT m.group_id {member}) AS groups, ARRAY (SELECT m.confirmed_at {member}) AS confirmed, \
         d.digest, d.kind, d.decided_by, d.note FROM {keys} \
         LEFT JOIN LATERAL (SELECT u.*, s.preset FROM users u LEFT JOIN sources s ON s.workspace = u.workspace \
           AND s.id = u.source WHERE u.workspace = k.workspace AND u.id = k.id OFFSET 0) u ON TRUE \
         LEFT JOIN LATERAL (SELECT * FROM decisions d WHERE d.workspace = k.workspace AND d.hub_id = $4 \
           AND d.subject = k.subject OFFSET 0) d ON TRUE"
    );
    let query = diesel::sql_query(text)
        .bind::<BigInt, _>(workspace.0)
        .bind::<Array<Binary>, _>(people.iter().map(|user| user.bytes()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(people.iter().map(|user| subject(*user)).collect::<Vec<_>>())
        .bind::<Binary, _>(hub.bytes())
        .bind::<Array<Binary>, _>(groups.iter().map(|group| group.bytes()).collect::<Vec<_>>());
    let rows: Vec<Row> = RunQueryDsl::load(query.kept_if(people.len() == 1), conn)?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let id = UserId::from_bytes(&row.id).map_err(|_| bad("a user's id"))?;
        let memberships = row.groups.iter().zip(&row.confirmed).map(|(group, at)| membership(group, *at));
        let memberships = memberships.collect::<Result<Vec<_>, _>>()?;
        let person = match (row.user_name, row.document) {
            (Some(user_name), Some(document)) => {
                let active = row.active.unwrap_or_default();
                let user = (id, user_name, active, row.deactivated_at, document, row.preset);
                Some(person(user, memberships)?)
            }
            (None, _) | (_, None) => None,
        };
        let decision = match (row.digest, row.kind, row.decided_by) {
            (Some(digest), Some(kind), Some(by)) => Some(decisions::decision(digest, &kind, by, row.note)?),
            (None, _, _) | (_, None, _) | (_, _, None) => None,
        };
        let emails = row.emails.iter().map(|key| fold::email(key)).collect();
        found.insert(id, Known { person, emails, decision });
    }
    Ok(found)
}

fn one_by_one(
    conn: &mut DbConn,
    (workspace, hub): (WorkspaceId, HubId),
    groups: &BTreeSet<GroupId>,
    people: &[UserId],
) -> Result<HashMap<UserId, Known>, StoreError> {
    let mut found: HashMap<UserId, Known> = HashMap::with_capacity(people.len());
    persons(conn, workspace, groups, people, &mut found)?;
    let emails: Vec<(Vec<u8>, String)> = user_emails::table
        .filter(user_emails::workspace.eq(workspace.0))
        .filter(user_emails::user_id.eq_any(people.iter().map(|user| user.bytes()).collect::<Vec<_>>()))
        .select((user_emails::user_id, user_emails::email_key))
        .kept_if(people.len() == 1)
        .load(conn)?;
    for (id, key) in emails {
        let user = UserId::from_bytes(&id).map_err(|_| bad("a user's id"))?;
        found.entry(user).or_default().emails.insert(fold::email(&key));
    }
    let subjects: Vec<String> = people.iter().map(|user| subject(*user)).collect();
    let mut decided: HashMap<String, Decision> =
        decisions::of_subjects(conn, workspace, hub, &subjects)?.into_iter().collect();
    for (user, subject) in people.iter().zip(&subjects) {
        if let Some(decision) = decided.remove(subject) {
            found.entry(*user).or_default().decision = Some(decision);
        }
    }
    Ok(found)
}

fn persons(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    groups: &BTreeSet<GroupId>,
    people: &[UserId],
    found: &mut HashMap<UserId, Known>,
) -> Result<(), StoreError> {
    type Found = (Vec<u8>, String, bool, Option<i64>, String, Option<String>);
    let ids: Vec<Vec<u8>> = people.iter().map(|user| user.bytes()).collect();
    // A guest belongs to no source.
    let rows: Vec<Found> = users::table
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
        in_groups.entry(member).or_default().push(membership(&group, confirmed_at)?);
    }
    for (id, user_name, active, deactivated_at, document, preset) in rows {
        let memberships = in_groups.remove(&id).unwrap_or_default();
        let id = UserId::from_bytes(&id).map_err(|_| bad("a user's id"))?;
        let user = (id, user_name, active, deactivated_at, document, preset);
        found.entry(id).or_default().person = Some(person(user, memberships)?);
    }
    Ok(())
}

/// Id, userName, whether active, since when not, document and the source's preset.
type User = (UserId, String, bool, Option<i64>, String, Option<String>);

fn person(user: User, memberships: Vec<Membership>) -> Result<(Person, String), StoreError> {
    let (id, user_name, active, deactivated_at, document, preset) = user;
    let document: Object = serde_json::from_str(&document).map_err(|_| bad("a user's document"))?;
    let person = Person {
        id,
        active,
        deactivated_at: deactivated_at.map(Micros),
        regain: Regain::of_preset(preset.as_deref().unwrap_or_default()),
        document,
        memberships,
    };
    Ok((person, user_name))
}

fn membership(group: &[u8], confirmed_at: i64) -> Result<Membership, StoreError> {
    let group = GroupId::from_bytes(group).map_err(|_| bad("a group's id"))?;
    Ok(Membership { group, confirmed_at: Micros(confirmed_at) })
}

fn bad(what: &str) -> StoreError {
    StoreError::Corrupt(what.to_owned())
}
