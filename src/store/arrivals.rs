//! Users arrive: the rows that every new user gets, and a look at who waits for them. One statement for
//! all of them on PostgreSQL, where each costs a round trip and a create had seven of them.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};

use super::conn::DbConn;
use super::kept::Keep as _;
use super::tx::Tx;
use super::{StoreError, mappings, pending, rules_lock, users};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, SourceId, UserId, WorkspaceId};
use crate::scim::user::UserKeys;

/// Somebody who arrives.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Its id, made by the server.
    pub id: UserId,
    /// What filters and matching use.
    pub keys: &'a UserKeys,
    /// The document as JSON text.
    pub document: &'a str,
    /// When.
    pub at: Micros,
}

/// Who waited for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waited {
    /// Groups that named the user before; their pending rows are gone. In key order, none of them locked.
    pub groups: Vec<GroupId>,
    /// Whether an individual share waits for this userName.
    pub shares: bool,
}

/// Add users at version 1 with their e-mail rows, and take what waited for each; the answers are in the
/// order of `all`. Holds back groups that would name them and rules that would reach them, until the
/// transaction ends ([`super::Locks::arrival`]).
///
/// A userName that is taken refuses its user alone: [`StoreError::Conflict`] from `users_user_name` in its
/// place, and nothing of it is written. Of several with one name in `all` one arrives. The constraint
/// decides, not a read before it (T-17).
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn insert(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    source: SourceId,
    all: &[Arrival<'_>],
) -> Result<Vec<Result<Waited, StoreError>>, StoreError> {
    // In a statement before the one that looks: that one sees what was committed until the locks were had.
    rules_lock::rules_are_read(tx, workspace)?;
    pending::announce_arrival(tx, workspace, source)?;
    if let DbConn::Postgres(conn) = &mut **tx {
        let raw = add(conn, workspace, source, all)?;
        return answers(tx, workspace, source, all, raw);
    }
    let one_by_one = all.iter().map(|one| match insert_one(tx, workspace, source, one) {
        Err(refused @ StoreError::Conflict { .. }) => Ok(Err(refused)),
        other => other.map(Ok),
    });
    one_by_one.collect()
}

fn insert_one(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    source: SourceId,
    one: &Arrival<'_>,
) -> Result<Waited, StoreError> {
    users::insert(tx, workspace, source, one.id, one.keys, one.document, one.at)?;
    let values: Vec<String> = values_of(one).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    Ok(Waited {
        groups: pending::take(tx, workspace, source, &values)?,
        shares: mappings::any_waits_for_user(tx, workspace, &one.keys.user_name_key)?,
    })
}

/// What [`add`] found, for each of them.
fn answers(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    source: SourceId,
    all: &[Arrival<'_>],
    raw: Raw,
) -> Result<Vec<Result<Waited, StoreError>>, StoreError> {
    let (arrived, sharing) = (HashSet::<Vec<u8>>::from_iter(raw.arrived), HashSet::<Vec<u8>>::from_iter(raw.sharing));
    let mut named = HashSet::<String>::from_iter(raw.named);
    let mut answers = Vec::with_capacity(all.len());
    for one in all {
        let id = one.id.bytes();
        if !arrived.contains(&id) {
            answers.push(Err(StoreError::Conflict { constraint: String::from("users_user_name") }));
            continue;
        }
        let mut groups = Vec::new();
        // Of two with the same externalId the first one takes it.
        for value in values_of(one).filter(|value| named.remove(value)) {
            groups.extend(pending::take(tx, workspace, source, &[&value])?);
        }
        groups.sort_unstable();
        groups.dedup();
        answers.push(Ok(Waited { groups, shares: sharing.contains(&id) }));
    }
    Ok(answers)
}

/// Users are added in the order of their names, so that two transactions never wait for each other's
/// crosswise. What may wait for somebody is looked up value by value, by its whole key (the limit keeps
/// the planner from joining the list with the table some other way), for the reason that
/// [`super::id_list::parts`] tells. It only looks: for most, nothing waits.
///
/// A list's length is hidden behind a sub-select: PostgreSQL would take a plan made for one user for so much
/// cheaper than one for any number that it planned each single create anew, at twice what it costs.
const TOGETHER: &str = "WITH wanted AS ( \
        SELECT * FROM unnest((SELECT $3), $4, $5, $6, $7, $8, $9, $10) \
            AS one (id, user_name, user_name_key, display_name_key, external_id, active, at, document)), \
    arrived AS ( \
        INSERT INTO users (workspace, id, source, user_name, user_name_key, display_name_key, external_id, active, \
            version, created_at, modified_at, document) \
        SELECT $1, id, $2, user_name, user_name_key, display_name_key, external_id, active, \
            1, at, at, document FROM wanted \
        ON CONFLICT (workspace, user_name_key) DO NOTHING RETURNING id), \
    left_already AS ( \
        INSERT INTO leavers (workspace, user_id, left_at) \
        SELECT $1, id, at FROM wanted JOIN arrived USING (id) WHERE NOT active ON CONFLICT DO NOTHING), \
    reached_at AS ( \
        INSERT INTO user_emails (workspace, email_key, user_id, type_key) \
        SELECT $1, address, id, kind FROM unnest((SELECT $11), $12, $13) AS email (id, address, kind) \
            JOIN arrived USING (id)), \
    named AS ( \
        SELECT value FROM unnest((SELECT $14), $15) AS named (id, value) JOIN arrived USING (id) \
            CROSS JOIN LATERAL (SELECT FROM pending_members \
                WHERE workspace = $1 AND source = $2 AND value = named.value LIMIT 1) AS waiting) \
    SELECT ARRAY (SELECT id FROM arrived) AS arrived, ARRAY (SELECT value FROM named) AS named, \
        ARRAY (SELECT id FROM unnest((SELECT $3), $16) AS named (id, subject_key) \
            CROSS JOIN LATERAL (SELECT FROM mappings WHERE workspace = $1 AND subject_key = named.subject_key \
                AND binding = 'waiting' LIMIT 1) AS waiting) AS sharing";

#[derive(QueryableByName)]
struct Raw {
    #[diesel(sql_type = Array<Binary>)]
    arrived: Vec<Vec<u8>>,
    /// The values by which groups wait.
    #[diesel(sql_type = Array<Text>)]
    named: Vec<String>,
    #[diesel(sql_type = Array<Binary>)]
    sharing: Vec<Vec<u8>>,
}

fn add(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    source: SourceId,
    all: &[Arrival<'_>],
) -> Result<Raw, StoreError> {
    let mut sorted: Vec<&Arrival<'_>> = all.iter().collect();
    sorted.sort_by_key(|one| &one.keys.user_name_key);
    let ids: Vec<Vec<u8>> = sorted.iter().map(|one| one.id.bytes()).collect();
    let mut emails: Vec<(Vec<u8>, &str, &str)> = Vec::new();
    let mut named: Vec<(Vec<u8>, String)> = Vec::new();
    for one in &sorted {
        emails.extend(one.keys.emails.iter().map(|(address, kind)| (one.id.bytes(), &**address, &**kind)));
        named.extend(values_of(one).map(|value| (one.id.bytes(), value)));
    }
    // Key order, and each once.
    emails.sort_unstable_by(|a, b| (a.1, &a.0, a.2).cmp(&(b.1, &b.0, b.2)));
    emails.dedup();
    let (named_ids, values): (Vec<Vec<u8>>, Vec<String>) = named.into_iter().unzip();
    let statement = diesel::sql_query(TOGETHER)
        .bind::<BigInt, _>(workspace.0)
        .bind::<BigInt, _>(source.0)
        .bind::<Array<Binary>, _>(ids)
        .bind::<Array<Text>, _>(column(&sorted, |one| one.keys.user_name.as_str()))
        .bind::<Array<Text>, _>(column(&sorted, |one| one.keys.user_name_key.as_str()))
        .bind::<Array<Nullable<Text>>, _>(column(&sorted, |one| one.keys.display_name_key.as_deref()))
        .bind::<Array<Nullable<Text>>, _>(column(&sorted, |one| one.keys.external_id.as_deref()))
        .bind::<Array<Bool>, _>(column(&sorted, |one| one.keys.active))
        .bind::<Array<BigInt>, _>(column(&sorted, |one| one.at.0))
        .bind::<Array<Text>, _>(column(&sorted, |one| one.document))
        .bind::<Array<Binary>, _>(emails.iter().map(|(id, ..)| id.as_slice()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(emails.iter().map(|(_, address, _)| *address).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(emails.iter().map(|(.., kind)| *kind).collect::<Vec<_>>())
        .bind::<Array<Binary>, _>(named_ids)
        .bind::<Array<Text>, _>(values)
        .bind::<Array<Text>, _>(column(&sorted, |one| mappings::user_key(&one.keys.user_name_key)));
    Ok(RunQueryDsl::get_result(statement.kept(), conn)?)
}

fn column<'a, T>(all: &[&Arrival<'a>], value: impl Fn(&Arrival<'a>) -> T) -> Vec<T> {
    all.iter().map(|one| value(one)).collect()
}

/// What a group may have named somebody by before they came.
fn values_of(one: &Arrival<'_>) -> impl Iterator<Item = String> {
    std::iter::once(one.id.to_string()).chain(one.keys.external_id.clone())
}
