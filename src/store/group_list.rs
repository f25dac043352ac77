//! Pages and counts of groups, in the order of their ids. Members are not read here.

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::filter_sql::{Condition, Moment, Text, end_of_prefix};
use super::groups::{COLUMNS, GroupRow, Raw};
use super::reach::Reach;
use super::schema::{memberships, user_groups};
use crate::base::ids::{GroupId, WorkspaceId};

type Backend = <DbConn as Connection>::Backend;
type Query<'a> = user_groups::BoxedQuery<'a, Backend>;

/// Where a page begins.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// This many rows in.
    Rank(i64),
    /// Behind this id.
    After(GroupId),
}

fn matching<'a>(workspace: WorkspaceId, reach: Reach, conditions: &'a [Condition]) -> Query<'a> {
    let mut query = user_groups::table.filter(user_groups::workspace.eq(workspace.0)).into_boxed::<Backend>();
    if let Reach::Source(source) = reach {
        query = query.filter(user_groups::source.eq(source.0));
    }
    for condition in conditions {
        query = narrow(query, workspace, condition);
    }
    query
}

fn narrow<'a>(query: Query<'a>, workspace: WorkspaceId, condition: &'a Condition) -> Query<'a> {
    match condition {
        Condition::Id(id) => query.filter(user_groups::id.eq(id)),
        Condition::DisplayName(Text::Is(text)) => query.filter(user_groups::display_name_key.eq(text)),
        Condition::DisplayName(Text::StartsWith(text)) => query
            .filter(user_groups::display_name_key.ge(text))
            .filter(user_groups::display_name_key.lt(end_of_prefix(text))),
        Condition::DisplayName(text @ (Text::Contains(_) | Text::EndsWith(_))) => {
            query.filter(user_groups::display_name_key.like(text.pattern().unwrap_or_default()).escape('\\'))
        }
        Condition::ExternalId(text) => query.filter(user_groups::external_id.eq(text)),
        Condition::HasMember(member) => query.filter(
            user_groups::id.eq_any(
                memberships::table
                    .filter(memberships::workspace.eq(workspace.0))
                    .filter(memberships::member_id.eq(member))
                    .select(memberships::group_id),
            ),
        ),
        Condition::Between(Moment::Created, from, until) => query
            .filter(user_groups::created_at.ge(from.unwrap_or(i64::MIN)))
            .filter(user_groups::created_at.lt(until.unwrap_or(i64::MAX))),
        Condition::Between(Moment::Modified, from, until) => query
            .filter(user_groups::modified_at.ge(from.unwrap_or(i64::MIN)))
            .filter(user_groups::modified_at.lt(until.unwrap_or(i64::MAX))),
        // A user's condition: no group can have it.
        Condition::UserName(_)
        | Condition::Active(_)
        | Condition::Email(..)
        | Condition::InGroup(_)
        | Condition::Never => query.filter(user_groups::version.lt(0)),
    }
}

/// How many groups match.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn count(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    reach: Reach,
    conditions: &[Condition],
) -> Result<u64, StoreError> {
    let total: i64 = matching(workspace, reach, conditions).count().get_result(conn)?;
    Ok(u64::try_from(total).unwrap_or(0))
}

/// Up to `limit` matching groups from `start` on; as `user_list::page`.
///
/// # Errors
/// [`StoreError::Database`] when a statement fails.
pub fn page(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    reach: Reach,
    conditions: &[Condition],
    start: Start,
    limit: i64,
) -> Result<Vec<GroupRow>, StoreError> {
    let mut query = matching(workspace, reach, conditions);
    match start {
        Start::Rank(..=0) => {}
        Start::Rank(rank) => match id_at(matching(workspace, reach, conditions), conn, rank)? {
            Some(first) => query = query.filter(user_groups::id.ge(first)),
            None => return Ok(Vec::new()),
        },
        Start::After(id) => query = query.filter(user_groups::id.gt(id.bytes())),
    }
    let raws: Vec<Raw> = query.select(COLUMNS).order(user_groups::id).limit(limit).load(conn)?;
    raws.into_iter().map(GroupRow::try_from).collect()
}

/// The id at a rank, counted from 0.
fn id_at(query: Query<'_>, conn: &mut DbConn, rank: i64) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(query.select(user_groups::id).order(user_groups::id).limit(1).offset(rank).first(conn).optional()?)
}
