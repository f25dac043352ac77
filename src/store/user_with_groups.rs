//! A user together with its groups in one statement: what every read of a user needs is one
//! snapshot, one lookup of the file's locks on SQLite and, on PostgreSQL, a part of a round trip.

use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text};
use uuid::Uuid;

use super::conn::DbConn;
use super::gathered::Gather;
use super::kept::Keep as _;
use super::reach::Reach;
use super::schema::users;
use super::users::{COLUMNS, Columns, Raw, UserRow, within};
use super::{Store, StoreError};
use crate::base::ids::{GroupId, SELF_MANAGED, UserId, WorkspaceId};

// Each group is 32 hex digits, the bytes of its name in decimal, a colon, and the name. JSON would
// be longer to write and to read, and any separator may stand in a name. SQLite does not flatten an
// ordered sub-select below an aggregate, so the order holds.
const SQLITE: &str = "(SELECT group_concat(packed, '') FROM (\
    SELECT hex(g.id) || length(CAST(g.display_name AS BLOB)) || ':' || g.display_name AS packed \
    FROM memberships m JOIN user_groups g ON g.workspace = m.workspace AND g.id = m.group_id \
    WHERE m.workspace = users.workspace AND m.member_id = users.id AND g.source <> 0 ORDER BY m.group_id))";
const _: () = assert!(SELF_MANAGED.0 == 0, "both statements leave out the teams that are managed here");
// The length is that of what arrives here, whatever encoding the database keeps. It does not flatten
// the ordered sub-select either; an order inside the aggregate would sort what the index has sorted.
const POSTGRES: &str = "(SELECT string_agg(packed, '') FROM (SELECT \
    encode(g.id, 'hex') || octet_length(convert_to(g.display_name, 'UTF8')) || ':' || g.display_name AS packed \
    FROM memberships m JOIN user_groups g ON g.workspace = m.workspace AND g.id = m.group_id \
    WHERE m.workspace = users.workspace AND m.member_id = users.id AND g.source <> 0 ORDER BY m.group_id) AS sorted)";

/// A user's groups by id and `displayName`, in the order of their ids.
pub type Groups = Vec<(GroupId, String)>;

/// A row as the database gives it; the groups are still packed.
type Found = (Raw, Option<String>);

/// The user `id`, if it exists within `reach`, and its groups: inline on SQLite, on PostgreSQL
/// together with others that are asked for meanwhile.
///
/// # Errors
/// As [`super::users::load`]; [`StoreError::Corrupt`].
pub async fn read(
    store: &Store,
    workspace: WorkspaceId,
    reach: Reach,
    id: UserId,
) -> Result<(UserRow, Groups), StoreError> {
    let found = match store.users() {
        None => store.point(move |conn| load(conn, workspace, id)).await?,
        Some(users) => users.ask((workspace, id)).await?,
    };
    let (raw, packed) = found.ok_or(StoreError::NotFound)?;
    Ok((within(raw, reach)?, read_groups(packed.as_deref())?))
}

/// The groups of a row of `users` as one value, a sub-select for [`read_groups`].
pub(super) fn packed(conn: &DbConn) -> &'static str {
    match conn {
        DbConn::Sqlite(_) => SQLITE,
        DbConn::Postgres(_) => POSTGRES,
    }
}

/// What [`packed`] gave.
pub(super) fn read_groups(packed: Option<&str>) -> Result<Groups, StoreError> {
    let groups = unpack(packed.unwrap_or_default());
    groups.ok_or_else(|| StoreError::Corrupt("a user's groups cannot be read".into()))
}

fn load(conn: &mut DbConn, workspace: WorkspaceId, id: UserId) -> Result<Option<Found>, StoreError> {
    let columns: Columns = COLUMNS;
    match conn {
        DbConn::Sqlite(conn) => {
            let row = users::table.filter(users::workspace.eq(workspace.0)).filter(users::id.eq(id.bytes()));
            let statement = row.select((columns, sql::<Nullable<Text>>(SQLITE))).kept();
            Ok(RunQueryDsl::get_result(statement, conn).optional()?)
        }
        DbConn::Postgres(conn) => Ok(UserWithGroups::read(conn, &[(workspace, id)])?.pop().flatten()),
    }
}

/// Users by their whole keys, those of several workspaces in one statement: each row is found by the
/// workspace and the id of one caller, and goes to that caller only.
pub(super) struct UserWithGroups;

impl Gather for UserWithGroups {
    type Key = (WorkspaceId, UserId);
    type Found = Found;

    fn read(conn: &mut PgConnection, keys: &[Self::Key]) -> Result<Vec<Option<Found>>, StoreError> {
        let statement = AcrossWorkspaces {
            workspaces: keys.iter().map(|(workspace, _)| workspace.0).collect(),
            ids: keys.iter().map(|(_, id)| id.bytes()).collect(),
        };
        let mut all: Vec<Option<Found>> = keys.iter().map(|_| None).collect();
        for (place, raw, packed) in statement.load::<(i64, Raw, Option<String>)>(conn)? {
            let place = usize::try_from(place).ok().and_then(|place| all.get_mut(place.checked_sub(1)?));
            *place.ok_or_else(|| StoreError::Corrupt("a read that nobody asked for".into()))? = Some((raw, packed));
        }
        Ok(all)
    }
}

/// The statement. Each key is looked up for itself (the limit keeps the planner from joining the list
/// with the table some other way) and its answer says which of them it is for.
struct AcrossWorkspaces {
    workspaces: Vec<i64>,
    ids: Vec<Vec<u8>>,
}

impl QueryFragment<Pg> for AcrossWorkspaces {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT wanted.place, found.* FROM unnest(");
        out.push_bind_param::<Array<BigInt>, _>(&self.workspaces)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.ids)?;
        out.push_sql(") WITH ORDINALITY AS wanted (workspace, id, place) CROSS JOIN LATERAL (SELECT ");
        COLUMNS.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        out.push_sql(POSTGRES);
        out.push_sql(
            " AS packed FROM users WHERE users.workspace = wanted.workspace AND users.id = wanted.id LIMIT 1) AS found",
        );
        Ok(())
    }
}

impl Query for AcrossWorkspaces {
    type SqlType = (BigInt, <Columns as Expression>::SqlType, Nullable<Text>);
}

impl QueryId for AcrossWorkspaces {
    type QueryId = Self;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for AcrossWorkspaces {}

fn unpack(mut packed: &str) -> Option<Groups> {
    let mut groups = Vec::new();
    while !packed.is_empty() {
        let (id, rest) = packed.split_at_checked(32)?;
        let (length, rest) = rest.split_once(':')?;
        let (name, rest) = rest.split_at_checked(length.parse().ok()?)?;
        groups.push((GroupId::from_uuid(Uuid::try_parse(id).ok()?), name.to_owned()));
        packed = rest;
    }
    Some(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_anything() {
        let id = "01890A5DAC96774BBCCEB302099A8057";
        let read = unpack(&format!("{id}0:{id}7:3:ä:\"{}{id}1:x", '\u{1f}')).unwrap();
        let names: Vec<&str> = read.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["", "3:ä:\"\u{1f}", "x"]);
        assert!(read.iter().all(|(id, _)| id.to_string() == "01890a5d-ac96-774b-bcce-b302099a8057"));
        for broken in ["x", id, "01890A5DAC96774BBCCEB302099A80572:x", "01890A5DAC96774BBCCEB302099A80571:ä"] {
            assert_eq!(unpack(broken), None, "{broken}");
        }
        assert_eq!(unpack(""), Some(Vec::new()));
    }
}
