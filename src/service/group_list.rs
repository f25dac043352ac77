//! Lists of groups. Members are read only where the answer or the filter needs them; a page ends
//! early where its groups together have more members than one answer should carry.

use super::shown;
use super::user_list::{resolve, too_many, window};
use super::{Caller, Context, ServiceError};
use crate::base::ids::WorkspaceId;
use crate::base::limits::{FILTER_CANDIDATES, PAGE_MEMBERS};
use crate::scim::filter::Resolved;
use crate::scim::list;
use crate::scim::query::ListQuery;
use crate::scim::render;
use crate::scim::schema::ResourceKind;
use crate::store::DbConn;
use crate::store::filter_sql::{self, Narrowed};
use crate::store::group_list::{self, Start};
use crate::store::groups::GroupRow;
use crate::store::memberships::{self, ShownMember};
use crate::store::reach::Reach;

/// Rows read at a time while a filter is evaluated.
const CHUNK: i64 = 200;

/// `GET /Groups`: the body of the list response.
///
/// # Errors
/// As `user_list::list`.
pub async fn list(context: &Context, caller: &Caller, query: ListQuery) -> Result<String, ServiceError> {
    let filter = resolve(ResourceKind::Group, query.filter.as_deref())?;
    let base = shown::scim_base(context);
    let (workspace, reach) = (caller.workspace, shown::reach(caller));
    context
        .store
        .read(move |conn| {
            let look = Look { workspace, reach, base: &base, query: &query };
            let (total, rows) = look.page(conn, filter.as_ref())?;
            let texts = look.texts(conn, &rows)?;
            Ok::<_, ServiceError>(list::text(total, query.start_index, &texts))
        })
        .await
}

struct Look<'a> {
    workspace: WorkspaceId,
    reach: Reach,
    base: &'a str,
    query: &'a ListQuery,
}

impl Look<'_> {
    fn page(&self, conn: &mut DbConn, filter: Option<&Resolved>) -> Result<(u64, Vec<GroupRow>), ServiceError> {
        let narrowed =
            filter.map_or_else(Narrowed::everything, |filter| filter_sql::narrow(ResourceKind::Group, filter));
        if narrowed.is_empty() {
            return Ok((0, Vec::new()));
        }
        match filter {
            Some(filter) if !narrowed.exact => self.evaluate(conn, filter, &narrowed),
            Some(_) | None => self.indexed(conn, &narrowed),
        }
    }

    fn indexed(&self, conn: &mut DbConn, narrowed: &Narrowed) -> Result<(u64, Vec<GroupRow>), ServiceError> {
        let (rank, count) = window(self.query);
        let rows = if count == 0 {
            Vec::new()
        } else {
            group_list::page(conn, self.workspace, self.reach, &narrowed.conditions, Start::Rank(rank), count)?
        };
        // A first page that is not full has shown everything there is.
        if rank == 0 && rows.len() < self.query.count {
            return Ok((u64::try_from(rows.len()).unwrap_or(u64::MAX), rows));
        }
        let total = group_list::count(conn, self.workspace, self.reach, &narrowed.conditions)?;
        Ok((total, rows))
    }

    fn evaluate(
        &self,
        conn: &mut DbConn,
        filter: &Resolved,
        narrowed: &Narrowed,
    ) -> Result<(u64, Vec<GroupRow>), ServiceError> {
        let with_members = filter_sql::reads_links(ResourceKind::Group, filter);
        let (rank, count) = window(self.query);
        let (mut matched, mut looked_at, mut page) = (0_i64, 0_usize, Vec::new());
        let mut start = Start::Rank(0);
        loop {
            let rows = group_list::page(conn, self.workspace, self.reach, &narrowed.conditions, start, CHUNK)?;
            let Some(last) = rows.last().map(|row| row.id) else { break };
            let is_last = i64::try_from(rows.len()).unwrap_or(CHUNK) < CHUNK;
            for row in rows {
                looked_at = looked_at.saturating_add(1);
                let members = if with_members {
                    let left = FILTER_CANDIDATES.saturating_sub(looked_at);
                    self.members(conn, &row, left)?.ok_or_else(too_many)?
                } else {
                    Vec::new()
                };
                looked_at = looked_at.saturating_add(members.len());
                if looked_at > FILTER_CANDIDATES {
                    return Err(too_many());
                }
                let id = row.id.to_string();
                let meta = shown::group_meta(&row, &id, self.base);
                let links = shown::members_of_group(&members);
                if filter.matches(&render::object(&shown::parse(&row.document)?, &meta, links)) {
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

    /// All members of a group, or nothing when there are more than `most`.
    fn members(
        &self,
        conn: &mut DbConn,
        row: &GroupRow,
        most: usize,
    ) -> Result<Option<Vec<ShownMember>>, ServiceError> {
        let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
        let members = memberships::of_group(conn, self.workspace, row.id, limit)?;
        Ok((members.len() <= most).then_some(members))
    }

    fn texts(&self, conn: &mut DbConn, rows: &[GroupRow]) -> Result<Vec<String>, ServiceError> {
        let projection = &self.query.projection;
        let with_members = projection.wants(ResourceKind::Group, "members");
        let (mut texts, mut left) = (Vec::with_capacity(rows.len()), PAGE_MEMBERS);
        for row in rows {
            let mut members = Vec::new();
            if with_members {
                // The first group is shown whole whatever its size, or no client could pass it.
                let most = if texts.is_empty() { usize::MAX } else { left };
                let Some(all) = self.members(conn, row, most)? else { break };
                left = left.saturating_sub(all.len());
                members = all;
            }
            let id = row.id.to_string();
            let meta = shown::group_meta(row, &id, self.base);
            texts.push(shown::text(&row.document, &meta, shown::members_of_group(&members), projection)?);
        }
        Ok(texts)
    }
}
