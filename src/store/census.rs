//! How many users there are, and who stands at each five-hundredth place: kept in memory, so that a
//! list need not count to its page. Users that came lately are counted by the database as ever.
//!
//! Ids are in the order of creation, so that what is older than [`SETTLED`] changes by deletions
//! alone, and each of those leaves a record. Both are looked at in the snapshot that the page is
//! read in: a census that a deletion made untrue is not used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool};

use super::StoreError;
use super::conn::DbConn;
use super::id_list;
use super::kept::Keep as _;
use super::reach::Reach;
use super::reading::ID_SLACK;
use super::schema::{activity, users};
use super::status::first_id;
use super::user_list::Start;
use crate::base::clock::Micros;
use crate::base::ids::{UserId, WorkspaceId};

/// A user whose id is older was committed or never will be: many times what a request may wait for a
/// connection, a lock and a commit, and more than the clocks of two replicas may differ by.
const SETTLED: Duration = Duration::from_secs(120);

/// One is not taken again before: where people are deleted all the time, lists count as they would without.
const PATIENCE: Duration = Duration::from_secs(60);

/// It is taken again after, so that those who came since are few.
const OLD: Duration = Duration::from_secs(10 * 60);

/// From one remembered user to the next: a page skips fewer than this many.
const STEP: i64 = 500;

/// The users of a workspace, or of one of its sources, that were settled when it was taken.
#[derive(Debug)]
pub struct Count {
    at: Micros,
    /// Everybody before this id is counted.
    until: UserId,
    total: i64,
    /// Who stands at places 0, 500, 1,000 …
    places: Vec<UserId>,
    departed: Departed,
}

/// Deletions on record, from an id of the record on.
#[derive(Debug, PartialEq, Eq)]
struct Departed {
    since: Vec<u8>,
    count: i64,
}

impl Count {
    /// Where the user of this rank is to be looked for.
    pub fn start(&self, rank: i64) -> Start {
        let beyond = Start::RankFrom(self.until, rank.saturating_sub(self.total).max(0));
        if rank >= self.total {
            return beyond;
        }
        let place = usize::try_from(rank / STEP).ok().and_then(|place| self.places.get(place));
        place.map_or(Start::Rank(rank), |user| Start::RankFrom(*user, rank % STEP))
    }

    /// How many there are now: those counted, and whoever came since.
    ///
    /// # Errors
    /// [`StoreError::Database`] when the statement fails.
    pub fn total(&self, conn: &mut DbConn, workspace: WorkspaceId, reach: Reach) -> Result<u64, StoreError> {
        let since = counted(conn, workspace, reach, self.until, None)?;
        Ok(u64::try_from(self.total.saturating_add(since)).unwrap_or(0))
    }
}

/// The counts of all workspaces.
#[derive(Debug, Default)]
pub struct Census {
    taken: Mutex<HashMap<(WorkspaceId, Reach), Arc<Count>>>,
}

impl Census {
    /// The count that is true in the snapshot of this connection; taken now, where none is. `None` where a
    /// deletion made it untrue and it was taken not long ago.
    ///
    /// # Errors
    /// [`StoreError::Database`] when a statement fails.
    pub fn look(
        &self,
        conn: &mut DbConn,
        workspace: WorkspaceId,
        reach: Reach,
        now: Micros,
    ) -> Result<Option<Arc<Count>>, StoreError> {
        let key = (workspace, reach);
        let known = self.taken.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known {
            let age = now.since(known.at);
            let is_true = departed(conn, workspace, &known.departed.since)? == known.departed.count;
            if is_true && age < OLD {
                return Ok(Some(known));
            }
            if !is_true && age < PATIENCE {
                return Ok(None);
            }
        }
        let count = Arc::new(take(conn, workspace, reach, now)?);
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&count));
        Ok(Some(count))
    }
}

fn take(conn: &mut DbConn, workspace: WorkspaceId, reach: Reach, now: Micros) -> Result<Count, StoreError> {
    // Records of deletions that are under way get ids from before; none is as old as this.
    let since = first_id(now.minus(ID_SLACK)).bytes();
    let departed = Departed { count: departed(conn, workspace, &since)?, since };
    let until = UserId::from_uuid(first_id(now.minus(SETTLED)).uuid());
    let sql = format!(
        "SELECT id FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS place FROM users \
         WHERE workspace = $1 {} AND id < $2) counted WHERE (place - 1) % {STEP} = 0 ORDER BY id",
        of_reach(reach)
    );
    let rows: Vec<IdRow> = diesel::sql_query(id_list::numbered(conn, &sql))
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(until.bytes())
        .load(conn)?;
    let places = rows.iter().map(|row| id(&row.id)).collect::<Result<Vec<_>, _>>()?;
    let before_last = i64::try_from(places.len().saturating_sub(1)).unwrap_or(i64::MAX).saturating_mul(STEP);
    let total = match places.last() {
        Some(last) => before_last.saturating_add(counted(conn, workspace, reach, *last, Some(until))?),
        None => 0,
    };
    Ok(Count { at: now, until, total, places, departed })
}

fn id(bytes: &[u8]) -> Result<UserId, StoreError> {
    UserId::from_bytes(bytes).map_err(|_| StoreError::Corrupt("a user id".into()))
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
}

fn of_reach(reach: Reach) -> String {
    match reach {
        Reach::Source(source) => format!("AND source = {}", source.0),
        Reach::Workspace => String::new(),
    }
}

/// How many users have ids from one on, and before another.
fn counted(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    reach: Reach,
    from: UserId,
    until: Option<UserId>,
) -> Result<i64, StoreError> {
    let mut query = users::table
        .filter(users::workspace.eq(workspace.0))
        .filter(users::id.ge(from.bytes()))
        .into_boxed::<<DbConn as Connection>::Backend>();
    if let Reach::Source(source) = reach {
        query = query.filter(users::source.eq(source.0));
    }
    if let Some(until) = until {
        query = query.filter(users::id.lt(until.bytes()));
    }
    Ok(query.count().get_result(conn)?)
}

/// How many deletions of users are on record from this id of the record on. The condition is that of the
/// index `activity_departures`, letter by letter.
fn departed(conn: &mut DbConn, workspace: WorkspaceId, since: &[u8]) -> Result<i64, StoreError> {
    Ok(activity::table
        .filter(activity::workspace.eq(workspace.0))
        .filter(activity::id.ge(since))
        .filter(sql::<Bool>("activity.kind IN ('user.deleted', 'guest.removed')"))
        .count()
        .kept()
        .get_result(conn)?)
}
