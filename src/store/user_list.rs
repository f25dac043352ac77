//! Pages and counts of users. The order is by id, which is the order of creation: stable while
//! others insert (R-PAGE-11).

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::filter_sql::{Condition, Moment, Text, end_of_prefix};
use super::reach::Reach;
use super::schema::{memberships, user_emails, user_groups, users};
use super::users::{COLUMNS, Raw, UserRow};
use crate::base::ids::{SELF_MANAGED, UserId, WorkspaceId};

type Backend = <DbConn as Connection>::Backend;
type Query<'a> = users::BoxedQuery<'a, Backend>;

/// Where a page begins.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// This many rows in.
    Rank(i64),
    /// So many rows from this id on.
    RankFrom(UserId, i64),
    /// Behind this id.
    After(UserId),
}

fn matching<'a>(workspace: WorkspaceId, reach: Reach, conditions: &'a [Condition]) -> Query<'a> {
    let mut query = users::table.filter(users::workspace.eq(workspace.0)).into_boxed::<Backend>();
    if let Reach::Source(source) = reach {
        query = query.filter(users::source.eq(source.0));
    }
    for condition in conditions {
        query = narrow(query, workspace, condition);
    }
    query
}

fn narrow<'a>(query: Query<'a>, workspace: WorkspaceId, condition: &'a Condition) -> Query<'a> {
    match condition {
        Condition::Id(id) => query.filter(users::id.eq(id)),
        Condition::UserName(Text::Is(text)) => query.filter(users::user_name_key.eq(text)),
        Condition::UserName(Text::StartsWith(text)) => {
            query.filter(users::user_name_key.ge(text)).filter(users::user_name_key.lt(end_of_prefix(text)))
        }
        Condition::UserName(text @ (Text::Contains(_) | Text::EndsWith(_))) => {
            query.filter(users::user_name_key.like(text.pattern().unwrap_or_default()).escape('\\'))
        }
        Condition::DisplayName(Text::Is(text)) => query.filter(users::display_name_key.eq(text)),
        Condition::DisplayName(Text::StartsWith(text)) => {
            query.filter(users::display_name_key.ge(text)).filter(users::display_name_key.lt(end_of_prefix(text)))
        }
        Condition::DisplayName(text @ (Text::Contains(_) | Text::EndsWith(_))) => {
            query.filter(users::display_name_key.like(text.pattern().unwrap_or_default()).escape('\\'))
        }
        Condition::ExternalId(text) => query.filter(users::external_id.eq(text)),
        Condition::Active(active) => query.filter(users::active.eq(*active)),
        Condition::Email(text, kind) => with_email(query, workspace, text, kind.as_deref()),
        Condition::InGroup(group) => query.filter(
            users::id.eq_any(
                memberships::table
                    .filter(memberships::workspace.eq(workspace.0))
                    .filter(
                        memberships::group_id.eq_any(
                            user_groups::table
                                .filter(user_groups::workspace.eq(workspace.0))
                                .filter(user_groups::id.eq(group))
                                .filter(user_groups::source.ne(SELF_MANAGED.0))
                                .select(user_groups::id),
                        ),
                    )
                    .select(memberships::member_id),
            ),
        ),
        Condition::Between(Moment::Created, from, until) => query
            .filter(users::created_at.ge(from.unwrap_or(i64::MIN)))
            .filter(users::created_at.lt(until.unwrap_or(i64::MAX))),
        Condition::Between(Moment::Modified, from, until) => query
            .filter(users::modified_at.ge(from.unwrap_or(i64::MIN)))
            .filter(users::modified_at.lt(until.unwrap_or(i64::MAX))),
        // A group's condition: no user can have it.
        Condition::HasMember(_) | Condition::Never => query.filter(users::version.lt(0)),
    }
}

/// One statement for all forms: a range in the index, and a pattern that is `%` where the range
/// says everything. An equality is the range from a text to itself.
fn with_email<'a>(query: Query<'a>, workspace: WorkspaceId, text: &'a Text, kind: Option<&'a str>) -> Query<'a> {
    let (from, to) = match text {
        Text::Is(text) => (text.clone(), text.clone()),
        Text::StartsWith(text) => (text.clone(), end_of_prefix(text)),
        Text::Contains(_) | Text::EndsWith(_) => (String::new(), end_of_prefix("")),
    };
    let (kind_from, kind_to) = match kind {
        Some(kind) => (kind.to_owned(), kind.to_owned()),
        None => (String::new(), end_of_prefix("")),
    };
    let pattern = text.pattern().unwrap_or_else(|| String::from("%"));
    query.filter(
        users::id.eq_any(
            user_emails::table
                .filter(user_emails::workspace.eq(workspace.0))
                .filter(user_emails::email_key.ge(from))
                .filter(user_emails::email_key.le(to))
                .filter(user_emails::email_key.like(pattern).escape('\\'))
                .filter(user_emails::type_key.ge(kind_from))
                .filter(user_emails::type_key.le(kind_to))
                .select(user_emails::user_id),
        ),
    )
}

/// How many users match.
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

/// Up to `limit` matching users from `start` on, in the order of their ids.
///
/// A deep page first finds the id at its rank in the index alone, then reads rows from there, so
/// the rows before it are never read; [`super::census`] tells where to begin to look for it.
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
) -> Result<Vec<UserRow>, StoreError> {
    let mut query = matching(workspace, reach, conditions);
    match start {
        Start::Rank(..=0) => {}
        Start::Rank(rank) => match id_at(matching(workspace, reach, conditions), conn, rank)? {
            Some(first) => query = query.filter(users::id.ge(first)),
            None => return Ok(Vec::new()),
        },
        Start::RankFrom(from, ..=0) => query = query.filter(users::id.ge(from.bytes())),
        Start::RankFrom(from, rank) => {
            let from_there = matching(workspace, reach, conditions).filter(users::id.ge(from.bytes()));
            match id_at(from_there, conn, rank)? {
                Some(first) => query = query.filter(users::id.ge(first)),
                None => return Ok(Vec::new()),
            }
        }
        Start::After(id) => query = query.filter(users::id.gt(id.bytes())),
    }
    let raws: Vec<Raw> = query.select(COLUMNS).order(users::id).limit(limit).load(conn)?;
    raws.into_iter().map(UserRow::try_from).collect()
}

/// The id at a rank, counted from 0.
fn id_at(query: Query<'_>, conn: &mut DbConn, rank: i64) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(query.select(users::id).order(users::id).limit(1).offset(rank).first(conn).optional()?)
}
