//! Users found by one indexed attribute, together with their groups: what an identity provider asks
//! before each of its changes. One statement that stays prepared; on SQLite a point read.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use super::StoreError;
use super::conn::DbConn;
use super::filter_sql::{Condition, Text as Is};
use super::id_list::numbered;
use super::kept::Keep as _;
use super::reach::Reach;
use super::user_with_groups::{self, Groups};
use super::users::{Raw, UserRow};
use crate::base::ids::WorkspaceId;

/// Users that are read at once; where more have what is looked for, they are a list.
const MOST: usize = 100;

/// What one user, or few, can be found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Find {
    column: &'static str,
    value: Value,
    reach: Reach,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Bytes(Vec<u8>),
    Text(String),
}

impl Find {
    /// The only condition there is, where an index leads from it to few users within `reach`.
    pub fn by(conditions: &[Condition], reach: Reach) -> Option<Self> {
        let [condition] = conditions else { return None };
        let text = |text: &String| Value::Text(text.clone());
        let (column, value) = match condition {
            Condition::Id(id) => ("id", Value::Bytes(id.clone())),
            Condition::UserName(Is::Is(name)) => ("user_name_key", text(name)),
            // Their indexes begin with the source.
            Condition::ExternalId(id) if reach != Reach::Workspace => ("external_id", text(id)),
            Condition::DisplayName(Is::Is(name)) if reach != Reach::Workspace => ("display_name_key", text(name)),
            Condition::ExternalId(_)
            | Condition::UserName(_)
            | Condition::DisplayName(_)
            | Condition::Active(_)
            | Condition::Email(..)
            | Condition::InGroup(_)
            | Condition::HasMember(_)
            | Condition::Between(..)
            | Condition::Never => return None,
        };
        Some(Self { column, value, reach })
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(embed)]
    user: Raw,
    #[diesel(sql_type = Nullable<Text>)]
    packed: Option<String>,
}

/// All users that are looked for, in the order of their ids, each with its groups; `None` where they are
/// too many to be read at once.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails; [`StoreError::Corrupt`].
pub fn find(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    find: &Find,
) -> Result<Option<Vec<(UserRow, Groups)>>, StoreError> {
    let statement = diesel::sql_query(numbered(conn, &text(conn, find))).bind::<BigInt, _>(workspace.0);
    let source = match find.reach {
        Reach::Source(source) => source.0,
        Reach::Workspace => 0,
    };
    let rows: Vec<Row> = match &find.value {
        Value::Bytes(id) => statement.bind::<Binary, _>(id).bind::<BigInt, _>(source).kept().load(conn)?,
        Value::Text(text) => statement.bind::<Text, _>(text).bind::<BigInt, _>(source).kept().load(conn)?,
    };
    if rows.len() > MOST {
        return Ok(None);
    }
    let read = |row: Row| Ok((UserRow::try_from(row.user)?, user_with_groups::read_groups(row.packed.as_deref())?));
    rows.into_iter().map(read).collect::<Result<_, _>>().map(Some)
}

/// The source is bound in any case, so that there are two texts a column and not two ways to bind.
fn text(conn: &DbConn, find: &Find) -> String {
    let of_source = match find.reach {
        Reach::Source(_) => "source = $3",
        Reach::Workspace => "$3 = 0",
    };
    format!(
        "SELECT id, source, user_name, external_id, active, deactivated_at, version, created_at, modified_at, \
         document, {} AS packed FROM users WHERE workspace = $1 AND {} = $2 AND {of_source} ORDER BY id LIMIT {}",
        user_with_groups::packed(conn),
        find.column,
        MOST + 1
    )
}
