//! A user arrives: the rows that every new user gets, and a look at who waits for them. One statement
//! on PostgreSQL, where each costs a round trip and a create had seven of them.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};

use super::conn::DbConn;
use super::groups::group_id;
use super::kept::Keep as _;
use super::tx::Tx;
use super::{StoreError, mappings, pending, rules_lock, users};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, SourceId, UserId, WorkspaceId};
use crate::scim::user::UserKeys;

/// Who waited for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waited {
    /// Groups that named the user before; their pending rows are gone. In key order, none of them locked.
    pub groups: Vec<GroupId>,
    /// Whether an individual share waits for this userName.
    pub shares: bool,
}

/// Add a user at version 1 with its e-mail rows, and take what waited for it. Holds back groups that
/// would name it and rules that would reach it, until the transaction ends ([`super::Locks::arrival`]).
///
/// # Errors
/// As [`users::insert`].
pub fn insert(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    source: SourceId,
    id: UserId,
    keys: &UserKeys,
    document: &str,
    now: Micros,
) -> Result<Waited, StoreError> {
    // In a statement before the one that looks: that one sees what was committed until the locks were had.
    rules_lock::rules_are_read(tx, workspace)?;
    pending::announce_arrival(tx, workspace, source)?;
    let text_id = id.to_string();
    match &mut **tx {
        DbConn::Sqlite(_) => {
            users::insert(tx, workspace, source, id, keys, document, now)?;
            let values: Vec<&str> = std::iter::once(text_id.as_str()).chain(keys.external_id.as_deref()).collect();
            Ok(Waited {
                groups: pending::take(tx, workspace, source, &values)?,
                shares: mappings::any_waits_for_user(tx, workspace, &keys.user_name_key)?,
            })
        }
        DbConn::Postgres(conn) => together(conn, workspace, source, id, keys, document, now),
    }
}

/// Each of the values that a group may have named is looked up by its whole key, for the reason that
/// [`super::id_list::parts`] tells.
const TOGETHER: &str = "WITH arrived AS ( \
        INSERT INTO users (workspace, id, source, user_name, user_name_key, display_name_key, external_id, active, \
            deactivated_at, version, created_at, modified_at, document) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $8 THEN NULL ELSE $9 END, 1, $9, $9, $10)), \
    left_already AS ( \
        INSERT INTO leavers (workspace, user_id, left_at) SELECT $1, $2, $9 WHERE NOT $8 ON CONFLICT DO NOTHING), \
    reached_at AS ( \
        INSERT INTO user_emails (workspace, email_key, user_id, type_key) \
        SELECT $1, email.address, $2, email.kind FROM unnest($11, $12) AS email (address, kind)), \
    by_id AS ( \
        DELETE FROM pending_members WHERE workspace = $1 AND source = $3 AND value = $13 RETURNING group_id), \
    by_external_id AS ( \
        DELETE FROM pending_members WHERE workspace = $1 AND source = $3 AND value = $7 RETURNING group_id) \
    SELECT ARRAY (SELECT group_id FROM by_id UNION SELECT group_id FROM by_external_id ORDER BY group_id) AS groups, \
        EXISTS (SELECT FROM mappings WHERE workspace = $1 AND subject_key = $14 AND binding = 'waiting') AS shares";

#[derive(QueryableByName)]
struct Raw {
    #[diesel(sql_type = Array<Binary>)]
    groups: Vec<Vec<u8>>,
    #[diesel(sql_type = Bool)]
    shares: bool,
}

fn together(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    source: SourceId,
    id: UserId,
    keys: &UserKeys,
    document: &str,
    now: Micros,
) -> Result<Waited, StoreError> {
    let mut emails: Vec<(&str, &str)> = keys.emails.iter().map(|(address, kind)| (&**address, &**kind)).collect();
    // Key order, and each once.
    emails.sort_unstable();
    emails.dedup();
    let (addresses, kinds): (Vec<&str>, Vec<&str>) = emails.into_iter().unzip();
    let statement = diesel::sql_query(TOGETHER)
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(id.bytes())
        .bind::<BigInt, _>(source.0)
        .bind::<Text, _>(&keys.user_name)
        .bind::<Text, _>(&keys.user_name_key)
        .bind::<Nullable<Text>, _>(keys.display_name_key.as_deref())
        .bind::<Nullable<Text>, _>(keys.external_id.as_deref())
        .bind::<Bool, _>(keys.active)
        .bind::<BigInt, _>(now.0)
        .bind::<Text, _>(document)
        .bind::<Array<Text>, _>(addresses)
        .bind::<Array<Text>, _>(kinds)
        .bind::<Text, _>(id.to_string())
        .bind::<Text, _>(mappings::user_key(&keys.user_name_key));
    let raw: Raw = RunQueryDsl::get_result(statement.kept(), conn)?;
    let groups = raw.groups.iter().map(|id| group_id(id)).collect::<Result<_, _>>()?;
    Ok(Waited { groups, shares: raw.shares })
}
