//! The sealed chain of the activity record: giving committed records their place and hash, the
//! signed end, daily checkpoints, and cutting behind one. What is sealed is never changed.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};
use uuid::Uuid;

use super::conn::DbConn;
use super::dialect::{self, Seal};
use super::kept::Keep as _;
use super::origins::{self, Found, Unmarked};
use super::schema::{activity, activity_checkpoints, activity_heads, workspaces};
use super::{StoreError, Tx};
use crate::base::clock::Micros;
use crate::base::ids::WorkspaceId;
use crate::domain::seal::{Checkpoint, Content, GENESIS, Head, Origin, Sealed, Sealer, hex};

#[derive(Queryable)]
struct Row {
    workspace: i64,
    id: Vec<u8>,
    at: i64,
    kind: String,
    actor: String,
    target: String,
    hub_id: Option<Vec<u8>>,
    user_id: Option<Vec<u8>>,
    task_id: Option<Vec<u8>>,
    request_id: Option<String>,
    detail: String,
    personal: Option<String>,
    seq: Option<i64>,
    hash: Option<Vec<u8>>,
    personal_digest: Option<Vec<u8>>,
    mark: Option<Vec<u8>>,
    foreign_at: Option<i64>,
}

impl Row {
    fn content(self) -> (Content, Option<String>) {
        let content = Content {
            workspace: self.workspace,
            id: self.id,
            at: self.at,
            kind: self.kind,
            actor: self.actor,
            target: self.target,
            hub: self.hub_id,
            user: self.user_id,
            task: self.task_id,
            request_id: self.request_id,
            detail: self.detail,
            personal_digest: self.personal_digest,
        };
        (content, self.personal)
    }
}

/// Workspaces with records that are not sealed yet.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn waiting_across_workspaces(conn: &mut DbConn) -> Result<Vec<WorkspaceId>, StoreError> {
    let unsealed = activity::table.filter(activity::workspace.eq(workspaces::id)).filter(activity::seq.is_null());
    let found: Vec<i64> = workspaces::table
        .filter(diesel::dsl::exists(unsealed))
        .order(workspaces::id)
        .select(workspaces::id)
        .kept()
        .load(conn)?;
    Ok(found.into_iter().map(WorkspaceId).collect())
}

/// How many records of a workspace are not sealed yet.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn waiting(conn: &mut DbConn, workspace: WorkspaceId) -> Result<i64, StoreError> {
    let found = activity::table.filter(activity::workspace.eq(workspace.0)).filter(activity::seq.is_null());
    Ok(found.count().get_result(conn)?)
}

/// The signed end of a workspace's chain; `None` before its first record was sealed.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn head(conn: &mut DbConn, workspace: WorkspaceId) -> Result<Option<Head>, StoreError> {
    let found = activity_heads::table
        .find(workspace.0)
        .select((activity_heads::seq, activity_heads::hash, activity_heads::cut_seq, activity_heads::signature))
        .first::<(i64, Vec<u8>, i64, Vec<u8>)>(conn)
        .optional()?;
    Ok(found.map(|(seq, hash, cut_seq, signature)| Head { seq, hash, cut_seq, signature }))
}

/// What a batch did.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Records that were given their place.
    pub sealed: usize,
    /// Those of them that are not ours: each is found here once.
    pub foreign: Vec<Found>,
}

/// Give at most `most` committed records their place. One process at a time: the end of the chain
/// is a row that is locked first; on PostgreSQL a second sealer finds nothing to do meanwhile.
///
/// # Errors
/// [`StoreError`] of a statement; [`StoreError::Corrupt`] when the end was not signed here, so that
/// nobody goes on behind a chain that somebody rewrote.
pub fn seal_batch(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    sealer: &Sealer,
    now: Micros,
    most: i64,
) -> Result<Batch, StoreError> {
    seal_some(tx, workspace, sealer, (Unmarked::AsSigned, now), most)
}

pub(super) fn seal_some(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    sealer: &Sealer,
    (unmarked, now): (Unmarked, Micros),
    most: i64,
) -> Result<Batch, StoreError> {
    let Some(before) = lock(tx, workspace, sealer)? else { return Ok(Batch::default()) };
    let rows: Vec<Row> = activity::table
        .filter(activity::workspace.eq(workspace.0))
        .filter(activity::seq.is_null())
        .order(activity::id)
        .limit(most)
        .select(activity::all_columns)
        .load::<Row>(&mut **tx)?;
    let (mut seq, mut hash) = (before.seq, before.hash);
    let (mut seals, mut foreign) = (Vec::with_capacity(rows.len()), Vec::new());
    for mut row in rows {
        seq = seq.saturating_add(1);
        let mark = row.mark.take();
        let (mut content, personal) = row.content();
        let judged = (&mut content, mark.as_deref(), personal.as_deref());
        let origin = origins::judge(tx, sealer, judged, unmarked, now)?;
        hash = sealer.link(seq, &hash, &content.parts(), origin).to_vec();
        let foreign_at = match origin {
            Origin::Ours => None,
            Origin::Foreign => {
                let id = Uuid::from_slice(&content.id).unwrap_or_default();
                foreign.push(Found { seq, id, at: Micros(content.at), kind: content.kind, found_at: now });
                Some(now.0)
            }
        };
        let personal_digest = content.personal_digest;
        seals.push(Seal { id: content.id, seq, hash: hash.clone(), personal_digest, foreign_at });
    }
    if !seals.is_empty() {
        dialect::seal(tx, workspace.0, &seals)?;
        sign(tx, workspace, sealer, seq, &hash, before.cut_seq)?;
    }
    Ok(Batch { sealed: seals.len(), foreign })
}

/// The end of the chain, ours until the transaction ends; `None` while another process seals.
fn lock(tx: &mut Tx<'_>, workspace: WorkspaceId, sealer: &Sealer) -> Result<Option<Head>, StoreError> {
    let first = sealer.sign_head(workspace.0, 0, &GENESIS, 0).to_vec();
    diesel::sql_query(
        "INSERT INTO activity_heads (workspace, seq, hash, cut_seq, signature) VALUES ($1, 0, $2, 0, $3) \
         ON CONFLICT (workspace) DO NOTHING",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(GENESIS.to_vec())
    .bind::<Binary, _>(first)
    .kept()
    .execute(tx)?;
    let free = match &mut **tx {
        DbConn::Sqlite(_) => true,
        DbConn::Postgres(_) => {
            let locked: Vec<Place> =
                diesel::sql_query("SELECT seq FROM activity_heads WHERE workspace = $1 FOR UPDATE SKIP LOCKED")
                    .bind::<BigInt, _>(workspace.0)
                    .kept()
                    .load(tx)?;
            locked.first().is_some_and(|place| place.seq >= 0)
        }
    };
    if !free {
        return Ok(None);
    }
    let found = head(tx, workspace)?;
    if let Some(head) = &found
        && sealer.sign_head(workspace.0, head.seq, &head.hash, head.cut_seq).as_slice() != head.signature
    {
        return Err(StoreError::Corrupt(format!(
            "the end of the activity record of workspace {} was not signed by this installation; see `scimhub audit \
             verify`",
            workspace.0
        )));
    }
    Ok(found)
}

#[derive(QueryableByName)]
struct Place {
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

fn sign(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    sealer: &Sealer,
    seq: i64,
    hash: &[u8],
    cut_seq: i64,
) -> Result<(), StoreError> {
    let signature = sealer.sign_head(workspace.0, seq, hash, cut_seq).to_vec();
    diesel::update(activity_heads::table.find(workspace.0))
        .set((
            activity_heads::seq.eq(seq),
            activity_heads::hash.eq(hash.to_vec()),
            activity_heads::cut_seq.eq(cut_seq),
            activity_heads::signature.eq(signature),
        ))
        .execute(&mut **tx)?;
    Ok(())
}

/// Sealed records behind `after`, in their order.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn page(conn: &mut DbConn, workspace: WorkspaceId, after: i64, most: i64) -> Result<Vec<Sealed>, StoreError> {
    let rows: Vec<Row> = activity::table
        .filter(activity::workspace.eq(workspace.0))
        .filter(activity::seq.gt(after))
        .order(activity::seq)
        .limit(most)
        .select(activity::all_columns)
        .load::<Row>(conn)?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let (seq, hash) = (row.seq.unwrap_or_default(), row.hash.clone().unwrap_or_default());
            let origin = if row.foreign_at.is_some() { Origin::Foreign } else { Origin::Ours };
            let (content, personal) = row.content();
            Sealed { seq, hash, content, personal, origin }
        })
        .collect())
}

/// The hash of one record.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn hash_of(conn: &mut DbConn, workspace: WorkspaceId, seq: i64) -> Result<Option<Vec<u8>>, StoreError> {
    let found = activity::table
        .filter(activity::workspace.eq(workspace.0))
        .filter(activity::seq.eq(seq))
        .select(activity::hash)
        .first::<Option<Vec<u8>>>(conn)
        .optional()?;
    Ok(found.flatten())
}

/// Sign the chain's end as it is now and keep that; `None` where nothing was sealed since the last
/// one, which is kept already.
///
/// # Errors
/// [`StoreError`] of a statement.
pub fn checkpoint(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    sealer: &Sealer,
    now: Micros,
) -> Result<Option<Checkpoint>, StoreError> {
    let Some(head) = lock(tx, workspace, sealer)?.filter(|head| head.seq > 0) else { return Ok(None) };
    let signature = sealer.sign_checkpoint(workspace.0, head.seq, &head.hash, now.0).to_vec();
    let written = diesel::sql_query(
        "INSERT INTO activity_checkpoints (workspace, seq, hash, at, signature) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (workspace, seq) DO NOTHING",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<BigInt, _>(head.seq)
    .bind::<Binary, _>(head.hash.clone())
    .bind::<BigInt, _>(now.0)
    .bind::<Binary, _>(signature.clone())
    .execute(&mut **tx)?;
    let made = Checkpoint {
        workspace: workspace.0,
        seq: head.seq,
        hash: hex(&head.hash),
        at: now.0,
        signature: hex(&signature),
    };
    Ok((written > 0).then_some(made))
}

type Kept = (i64, Vec<u8>, i64, Vec<u8>);

fn shown(workspace: WorkspaceId, (seq, hash, at, signature): Kept) -> Checkpoint {
    Checkpoint { workspace: workspace.0, seq, hash: hex(&hash), at, signature: hex(&signature) }
}

/// Checkpoints, the newest first.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn checkpoints(conn: &mut DbConn, workspace: WorkspaceId, most: i64) -> Result<Vec<Checkpoint>, StoreError> {
    use activity_checkpoints as c;
    let rows: Vec<Kept> = c::table
        .filter(c::workspace.eq(workspace.0))
        .order(c::seq.desc())
        .limit(most)
        .select((c::seq, c::hash, c::at, c::signature))
        .load(conn)?;
    Ok(rows.into_iter().map(|row| shown(workspace, row)).collect())
}

/// The checkpoint at this place.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn checkpoint_at(conn: &mut DbConn, workspace: WorkspaceId, seq: i64) -> Result<Option<Checkpoint>, StoreError> {
    use activity_checkpoints as c;
    let row = c::table
        .find((workspace.0, seq))
        .select((c::seq, c::hash, c::at, c::signature))
        .first::<Kept>(conn)
        .optional()?;
    Ok(row.map(|row| shown(workspace, row)))
}

/// Delete at most `most` records behind the newest checkpoint made before `before`; answers how
/// many. The chain then begins at that checkpoint.
///
/// # Errors
/// [`StoreError`] of a statement.
pub fn cut(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    sealer: &Sealer,
    before: Micros,
    most: i64,
) -> Result<usize, StoreError> {
    use activity_checkpoints as c;
    let Some(head) = lock(tx, workspace, sealer)? else { return Ok(0) };
    let to: Option<i64> = c::table
        .filter(c::workspace.eq(workspace.0))
        .filter(c::at.lt(before.0))
        .select(diesel::dsl::max(c::seq))
        .first(&mut **tx)?;
    let cut_seq = to.unwrap_or(0).max(head.cut_seq);
    if cut_seq > head.cut_seq {
        sign(tx, workspace, sealer, head.seq, &head.hash, cut_seq)?;
    }
    let deleted = diesel::sql_query(
        "DELETE FROM activity WHERE workspace = $1 AND id IN (SELECT a.id FROM activity a WHERE a.workspace = $1 \
         AND a.seq <= $2 ORDER BY a.seq LIMIT $3)",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<BigInt, _>(cut_seq)
    .bind::<BigInt, _>(most)
    .execute(&mut **tx)?;
    Ok(deleted)
}
