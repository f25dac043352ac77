//! A user together with its groups in one statement: what every read of a user needs is one
//! snapshot, one lookup of the file's locks on SQLite and one round trip on PostgreSQL.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use uuid::Uuid;

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::reach::Reach;
use super::schema::users;
use super::users::{COLUMNS, Columns, Raw, UserRow, within};
use crate::base::ids::{GroupId, SELF_MANAGED, UserId, WorkspaceId};

// Each group is 32 hex digits, the bytes of its name in decimal, a colon, and the name. JSON would
// be longer to write and to read, and any separator may stand in a name. SQLite does not flatten an
// ordered sub-select below an aggregate, so the order holds.
const SQLITE: &str = "(SELECT group_concat(packed, '') FROM (\
    SELECT hex(g.id) || length(CAST(g.display_name AS BLOB)) || ':' || g.display_name AS packed \
    FROM memberships m JOIN user_groups g ON g.workspace = m.workspace AND g.id = m.group_id \
    WHERE m.workspace = users.workspace AND m.member_id = users.id AND g.source <> 0 ORDER BY m.group_id))";
const _: () = assert!(SELF_MANAGED.0 == 0, "both statements leave out the teams that are managed here");
// The length is that of what arrives here, whatever encoding the database keeps.
const POSTGRES: &str = "(SELECT string_agg(\
    encode(g.id, 'hex') || octet_length(convert_to(g.display_name, 'UTF8')) || ':' || g.display_name, '' \
    ORDER BY m.group_id) \
    FROM memberships m JOIN user_groups g ON g.workspace = m.workspace AND g.id = m.group_id \
    WHERE m.workspace = users.workspace AND m.member_id = users.id AND g.source <> 0)";

/// A user's groups by id and `displayName`, in the order of their ids.
pub type Groups = Vec<(GroupId, String)>;

/// The user `id`, if it exists within `reach`, and its groups.
///
/// # Errors
/// As [`super::users::load`]; [`StoreError::Corrupt`].
pub fn load(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    reach: Reach,
    id: UserId,
) -> Result<(UserRow, Groups), StoreError> {
    let columns: Columns = COLUMNS;
    let row = users::table.filter(users::workspace.eq(workspace.0)).filter(users::id.eq(id.bytes()));
    let (raw, packed): (Raw, Option<String>) = match conn {
        DbConn::Sqlite(conn) => {
            RunQueryDsl::get_result(row.select((columns, sql::<Nullable<Text>>(SQLITE))).kept(), conn)?
        }
        DbConn::Postgres(conn) => {
            RunQueryDsl::get_result(row.select((columns, sql::<Nullable<Text>>(POSTGRES))).kept(), conn)?
        }
    };
    let groups = unpack(packed.as_deref().unwrap_or_default());
    let groups = groups.ok_or_else(|| StoreError::Corrupt("a user's groups cannot be read".into()))?;
    Ok((within(raw, reach)?, groups))
}

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
