//! What reports for auditors are made of, beyond the plain list of access intervals: what people
//! held when they left, and until when.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use super::StoreError;
use super::conn::DbConn;
use super::interval_list::IntervalRow;
use super::kept::Keep as _;
use super::reading::corrupt;
use crate::base::clock::Micros;
use crate::base::ids::{IntervalId, MemberId, TaskId, UserId, WorkspaceId};

/// Where a page of leavers' access begins: behind this person's interval.
pub type After = (UserId, IntervalId);

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
    #[diesel(sql_type = Binary)]
    user_id: Vec<u8>,
    #[diesel(sql_type = Text)]
    person: String,
    #[diesel(sql_type = Text)]
    hub_slug: String,
    #[diesel(sql_type = Binary)]
    member_id: Vec<u8>,
    #[diesel(sql_type = Nullable<Text>)]
    app_role: Option<String>,
    #[diesel(sql_type = Text)]
    assets: String,
    #[diesel(sql_type = BigInt)]
    from_at: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    to_at: Option<i64>,
    #[diesel(sql_type = Text)]
    from_cause: String,
    #[diesel(sql_type = Nullable<Text>)]
    to_cause: Option<String>,
    #[diesel(sql_type = Nullable<Binary>)]
    from_task: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    to_task: Option<Vec<u8>>,
    #[diesel(sql_type = Text)]
    evidence: String,
    #[diesel(sql_type = BigInt)]
    left_at: i64,
}

/// A page of what people held when they left or got later, by person, and when they left. Walks the
/// key of those who left, and each one's intervals by index.
///
/// # Errors
/// A failed statement.
pub fn leavers(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    user: Option<UserId>,
    hub_slug: Option<&str>,
    after: Option<After>,
    limit: i64,
) -> Result<Vec<(IntervalRow, Micros)>, StoreError> {
    // One person is a range of one, and everybody the widest; no value is empty.
    let (first_user, first) = match (after, user) {
        (Some((user, interval)), _) => (user.bytes(), interval.bytes()),
        (None, Some(user)) => (user.bytes(), vec![0]),
        (None, None) => (vec![0], vec![0]),
    };
    let last_user = user.map_or_else(|| vec![0xff; 17], UserId::bytes);
    // SQLite numbers these by where they first stand.
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT i.id, i.user_id, i.person, i.hub_slug, i.member_id, i.app_role, i.assets, i.from_at, i.to_at, \
         i.from_cause, i.to_cause, i.from_task, i.to_task, i.evidence, l.left_at \
         FROM leavers l JOIN access_intervals i ON i.workspace = l.workspace AND i.user_id = l.user_id \
         WHERE l.workspace = $1 AND (i.to_at IS NULL OR i.to_at >= l.left_at) \
         AND l.user_id >= $2 AND l.user_id <= $3 AND (l.user_id > $2 OR i.id > $4) \
         AND ($5 = '*' OR i.hub_slug = $5) ORDER BY l.user_id, i.id LIMIT $6",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(first_user)
    .bind::<Binary, _>(last_user)
    .bind::<Binary, _>(first)
    .bind::<Text, _>(hub_slug.unwrap_or("*"))
    .bind::<BigInt, _>(limit)
    .kept()
    .load(conn)?;
    rows.into_iter().map(read).collect()
}

fn read(row: Row) -> Result<(IntervalRow, Micros), StoreError> {
    let task = |id: Option<Vec<u8>>| id.map(|id| TaskId::from_bytes(&id)).transpose().map_err(corrupt("a task id"));
    let interval = IntervalRow {
        id: IntervalId::from_bytes(&row.id).map_err(corrupt("an interval id"))?,
        user: Some(UserId::from_bytes(&row.user_id).map_err(corrupt("a user id"))?),
        person: row.person,
        hub_slug: row.hub_slug,
        member: MemberId::from_bytes(&row.member_id).map_err(corrupt("a member id"))?,
        app_role: row.app_role,
        assets: row.assets,
        from_at: Micros(row.from_at),
        to_at: row.to_at.map(Micros),
        from_cause: row.from_cause,
        to_cause: row.to_cause,
        from_task: task(row.from_task)?,
        to_task: task(row.to_task)?,
        evidence: row.evidence,
    };
    Ok((interval, Micros(row.left_at)))
}
