//! Lists of users: filters on indexed attributes run in the database; any other is evaluated
//! exactly over the rows that the indexed part leaves, up to a stated number of candidates.

use std::collections::HashMap;
use std::sync::Arc;

use super::shown;
use super::{Caller, Context, ServiceError};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, UserId, WorkspaceId};
use crate::base::limits::FILTER_CANDIDATES;
use crate::scim::error::ScimError;
use crate::scim::filter::{Filter, Resolved};
use crate::scim::list;
use crate::scim::query::ListQuery;
use crate::scim::render;
use crate::scim::schema::ResourceKind;
use crate::store::census::{Census, Count};
use crate::store::filter_sql::{self, Condition, Narrowed};
use crate::store::reach::Reach;
use crate::store::user_find::{self, Find};
use crate::store::user_list::{self, Start};
use crate::store::user_with_groups::Groups;
use crate::store::users::UserRow;
use crate::store::{DbConn, memberships};

/// Rows read at a time while a filter is evaluated.
const CHUNK: i64 = 500;

/// The groups of each user of a page who has any.
type InGroups = HashMap<UserId, Groups>;

/// `GET /Users`: the body of the list response.
///
/// # Errors
/// 400 `invalidFilter` for a filter that cannot be read, 400 `tooMany` for one that would have to
/// look at more than [`FILTER_CANDIDATES`] users.
pub async fn list(context: &Context, caller: &Caller, query: ListQuery) -> Result<String, ServiceError> {
    let filter = resolve(ResourceKind::User, query.filter.as_deref())?;
    let base = shown::scim_base(context);
    let (workspace, reach) = (caller.workspace, shown::reach(caller));
    let narrowed = filter.as_ref().map_or_else(Narrowed::everything, |f| filter_sql::narrow(ResourceKind::User, f));
    if narrowed.exact
        && let Some(find) = Find::by(&narrowed.conditions, reach)
        && let Some(found) = context.store.point(move |conn| user_find::find(conn, workspace, &find)).await?
    {
        return few(&base, &query, &found);
    }
    let (census, now) = (Arc::clone(&context.census), context.clock.now());
    context
        .store
        .read(move |conn| {
            let look = Look { workspace, reach, base: &base, query: &query, census: &census, now };
            let (total, rows) = look.page(conn, filter.as_ref(), &narrowed)?;
            let texts = look.texts(conn, &rows)?;
            Ok::<_, ServiceError>(list::text(total, query.start_index, &texts))
        })
        .await
}

/// The answer where all that match are at hand.
fn few(base: &str, query: &ListQuery, found: &[(UserRow, Groups)]) -> Result<String, ServiceError> {
    let (rank, count) = window(query);
    let page = found.iter().skip(usize::try_from(rank).unwrap_or(usize::MAX)).take(usize::try_from(count).unwrap_or(0));
    let shown = |(row, groups): &(UserRow, Groups)| shown::user_text(base, row, groups, &query.projection);
    let texts = page.map(shown).collect::<Result<Vec<_>, _>>()?;
    Ok(list::text(u64::try_from(found.len()).unwrap_or(u64::MAX), query.start_index, &texts))
}

/// Read and look up a filter.
pub(super) fn resolve(kind: ResourceKind, filter: Option<&str>) -> Result<Option<Resolved>, ServiceError> {
    match filter {
        Some(text) => Ok(Some(Filter::parse(text)?.resolve(kind)?)),
        None => Ok(None),
    }
}

/// The page's first rank (from 0) and length.
pub(super) fn window(query: &ListQuery) -> (i64, i64) {
    let rank = i64::try_from(query.start_index.saturating_sub(1)).unwrap_or(i64::MAX);
    (rank, i64::try_from(query.count).unwrap_or(0))
}

pub(super) fn too_many() -> ServiceError {
    ScimError::too_many(format!(
        "This filter would have to look at more than {FILTER_CANDIDATES} resources; add a condition on an indexed \
         attribute."
    ))
    .into()
}

struct Look<'a> {
    workspace: WorkspaceId,
    reach: Reach,
    base: &'a str,
    query: &'a ListQuery,
    census: &'a Census,
    now: Micros,
}

impl Look<'_> {
    /// How many match in all, and the rows of the page.
    fn page(
        &self,
        conn: &mut DbConn,
        filter: Option<&Resolved>,
        narrowed: &Narrowed,
    ) -> Result<(u64, Vec<UserRow>), ServiceError> {
        if narrowed.is_empty() {
            return Ok((0, Vec::new()));
        }
        match filter {
            Some(filter) if !narrowed.exact => self.evaluate(conn, filter, narrowed),
            Some(_) | None => self.indexed(conn, narrowed),
        }
    }

    fn indexed(&self, conn: &mut DbConn, narrowed: &Narrowed) -> Result<(u64, Vec<UserRow>), ServiceError> {
        let (rank, count) = window(self.query);
        let conditions = &narrowed.conditions;
        let page = |conn: &mut DbConn, start| match count {
            0 => Ok(Vec::new()),
            count => user_list::page(conn, self.workspace, self.reach, conditions, start, count),
        };
        if rank == 0 {
            let rows = page(conn, Start::Rank(0))?;
            // A first page that is not full has shown everything there is.
            if rows.len() < self.query.count {
                return Ok((u64::try_from(rows.len()).unwrap_or(u64::MAX), rows));
            }
            let counted = self.counted(conn, conditions)?;
            return Ok((self.total(conn, conditions, counted.as_deref())?, rows));
        }
        let counted = self.counted(conn, conditions)?;
        let start = counted.as_ref().map_or(Start::Rank(rank), |counted| counted.start(rank));
        Ok((self.total(conn, conditions, counted.as_deref())?, page(conn, start)?))
    }

    /// What is known of everybody, where everybody is asked for.
    fn counted(&self, conn: &mut DbConn, conditions: &[Condition]) -> Result<Option<Arc<Count>>, ServiceError> {
        if !conditions.is_empty() {
            return Ok(None);
        }
        Ok(self.census.look(conn, self.workspace, self.reach, self.now)?)
    }

    fn total(&self, conn: &mut DbConn, conditions: &[Condition], counted: Option<&Count>) -> Result<u64, ServiceError> {
        Ok(match counted {
            Some(counted) => counted.total(conn, self.workspace, self.reach)?,
            None => user_list::count(conn, self.workspace, self.reach, conditions)?,
        })
    }

    fn evaluate(
        &self,
        conn: &mut DbConn,
        filter: &Resolved,
        narrowed: &Narrowed,
    ) -> Result<(u64, Vec<UserRow>), ServiceError> {
        let with_groups = filter_sql::reads_links(ResourceKind::User, filter);
        let (rank, count) = window(self.query);
        let (mut matched, mut looked_at, mut page) = (0_i64, 0_usize, Vec::new());
        let mut start = Start::Rank(0);
        loop {
            let rows = user_list::page(conn, self.workspace, self.reach, &narrowed.conditions, start, CHUNK)?;
            looked_at = looked_at.saturating_add(rows.len());
            if looked_at > FILTER_CANDIDATES {
                return Err(too_many());
            }
            let Some(last) = rows.last().map(|row| row.id) else { break };
            let is_last = i64::try_from(rows.len()).unwrap_or(CHUNK) < CHUNK;
            let groups = if with_groups { self.groups(conn, &rows)? } else { InGroups::new() };
            for row in rows {
                let id = row.id.to_string();
                let meta = shown::user_meta(&row, &id, self.base);
                let whole =
                    render::object(&shown::parse(&row.document)?, &meta, shown::groups_of_user(of(&groups, &row)));
                if filter.matches(&whole) {
                    if matched >= rank && matched < rank.saturating_add(count) {
                        page.push(row);
                    }
                    matched = matched.saturating_add(1);
                }
            }
            if is_last {
                break;
            }
            start = Start::After(last);
        }
        Ok((u64::try_from(matched).unwrap_or(0), page))
    }

    /// `User.groups` of each row.
    fn groups(&self, conn: &mut DbConn, rows: &[UserRow]) -> Result<InGroups, ServiceError> {
        let ids: Vec<UserId> = rows.iter().map(|row| row.id).collect();
        Ok(memberships::groups_of_many(conn, self.workspace, &ids)?)
    }

    fn texts(&self, conn: &mut DbConn, rows: &[UserRow]) -> Result<Vec<String>, ServiceError> {
        let projection = &self.query.projection;
        let with_groups = projection.wants(ResourceKind::User, "groups");
        let groups = if with_groups { self.groups(conn, rows)? } else { InGroups::new() };
        rows.iter().map(|row| shown::user_text(self.base, row, of(&groups, row), projection)).collect()
    }
}

fn of<'a>(groups: &'a InGroups, row: &UserRow) -> &'a [(GroupId, String)] {
    groups.get(&row.id).map_or(&[], Vec::as_slice)
}
