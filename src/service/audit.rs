//! Is the activity record as it was sealed? Checked in steps, so that a long record costs no long
//! transaction, little memory, and whoever waits sees how far it is.

use serde::{Deserialize, Serialize};

use super::{Caller, Context, ServiceError};
use crate::base::ids::WorkspaceId;
use crate::domain::seal::{Broken, Checkpoint, Sealer, Walk, hex, unhex};
use crate::store::origins::{self, Found};
use crate::store::{DbConn, StoreError, seals};

/// Records checked in one step.
const STEP: i64 = 2_000;

/// Where a check goes on, and what the end is held against.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// The last record that was found good; from the beginning where absent.
    pub after: Option<i64>,
    /// Its hash, as the step before gave it.
    pub hash: Option<String>,
    /// A checkpoint kept elsewhere, as JSON: it shows a tail that was cut since.
    pub checkpoint: Option<String>,
}

/// One step of a check.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// The last good record.
    pub seq: i64,
    /// Its hash; pass both to the next step.
    pub hash: String,
    /// The last record there should be.
    pub last: i64,
    /// Where the record begins: what is older was deleted behind a checkpoint.
    pub begins: i64,
    /// Whether everything was looked at.
    pub done: bool,
    /// Records that are committed and not sealed yet, at the end of the check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<i64>,
    /// How many records are not ours, at the end of the check: somebody put them into the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub foreign: Option<i64>,
    /// The first record that is not as it was sealed, or not ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<BrokenView>,
    /// Where the first bad record is one that is not ours: the first that is not as it was sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_too: Option<BrokenView>,
}

/// A record that is not as it was sealed.
#[derive(Clone, Debug, Serialize)]
pub struct BrokenView {
    /// Its place.
    pub seq: i64,
    /// In words.
    pub what: String,
}

impl From<Broken> for BrokenView {
    fn from(broken: Broken) -> Self {
        Self { seq: broken.seq, what: broken.what }
    }
}

fn not_ours(found: &Found) -> Broken {
    let what = format!(
        "it is not ours: somebody put it into the database (id {}, kind {}, it says {}; found {})",
        found.id,
        found.kind,
        found.at.to_rfc3339(),
        found.found_at.to_rfc3339()
    );
    Broken { seq: found.seq, what }
}

/// Seals and checks under the installation's key.
pub fn sealer(context: &Context) -> Sealer {
    context.keyring.sealer()
}

/// Check the next records of the caller's workspace.
///
/// # Errors
/// [`ServiceError::Invalid`] for a hash or checkpoint that is none.
pub async fn verify(context: &Context, caller: &Caller, wanted: Verify) -> Result<Verified, ServiceError> {
    let (sealer, workspace) = (sealer(context), caller.workspace);
    let bad = |what: &str| ServiceError::Invalid(format!("{what} is not what a step or `audit checkpoint` gave"));
    let hash = wanted.hash.as_deref().map(|text| unhex(text).ok_or_else(|| bad("hash"))).transpose()?;
    let checkpoint: Option<Checkpoint> = wanted
        .checkpoint
        .as_deref()
        .map(|text| serde_json::from_str(text).map_err(|_| bad("checkpoint")))
        .transpose()?;
    if let Some(checkpoint) = &checkpoint
        && (checkpoint.workspace != workspace.0 || !sealer.knows(checkpoint))
    {
        return Err(ServiceError::Invalid(String::from(
            "the checkpoint was not signed by this installation for this workspace",
        )));
    }
    let from = wanted.after.zip(hash);
    Ok(context.store.read(move |conn| step(conn, workspace, &sealer, from.clone(), checkpoint.as_ref())).await?)
}

/// One read transaction is not needed: the chain only grows, and its end is read first.
fn step(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    sealer: &Sealer,
    from: Option<(i64, Vec<u8>)>,
    checkpoint: Option<&Checkpoint>,
) -> Result<Verified, StoreError> {
    let head = seals::head(conn, workspace)?;
    let (last, begins) = head.as_ref().map_or((0, 0), |head| (head.seq, head.cut_seq));
    let cut = match from {
        Some(from) => Ok(Some(from)),
        None if begins == 0 => Ok(None),
        None => match seals::checkpoint_at(conn, workspace, begins)? {
            Some(kept) if sealer.knows(&kept) => Ok(unhex(&kept.hash).map(|hash| (begins, hash))),
            Some(_) | None => Err(Broken {
                seq: begins,
                what: String::from("the signed checkpoint that the record was cut behind is gone"),
            }),
        },
    };
    let (start, mut broken) = match cut {
        Ok(start) => (start, None),
        Err(gone) => (None, Some(gone)),
    };
    let mut walk = Walk::new(sealer.clone(), workspace.0, start);
    let mut done = broken.is_some();
    if !done {
        // Not beyond the end that was read: what is sealed meanwhile is of the next check.
        let records = seals::page(conn, workspace, walk.seq(), STEP)?;
        let full = i64::try_from(records.len()).unwrap_or(i64::MAX) >= STEP;
        let of_this = records.iter().filter(|record| record.seq <= last || head.is_none());
        broken = of_this.into_iter().try_for_each(|record| walk.step(record)).err();
        done = broken.is_some() || !full || walk.seq() >= last;
    }
    if done && broken.is_none() {
        broken = walk.end(head.as_ref()).err();
        // What was signed here shows an end that was cut as well as what is kept elsewhere.
        if broken.is_none()
            && let Some(newest) = seals::checkpoints(conn, workspace, 1)?.first()
            && sealer.knows(newest)
        {
            broken = against(conn, workspace, newest, walk.seq(), begins)?;
        }
        if broken.is_none()
            && let Some(checkpoint) = checkpoint
        {
            broken = against(conn, workspace, checkpoint, walk.seq(), begins)?;
        }
    }
    let (waiting, foreign) = match done {
        true => (Some(seals::waiting(conn, workspace)?), Some(origins::foreign(conn, workspace)?)),
        false => (None, None),
    };
    // A flag that says otherwise than the seal is a break of the chain, which the walk has found.
    let mut broken_too = None;
    if done
        && let Some(found) = origins::first_foreign(conn, workspace, 1)?.into_iter().next()
        && broken.as_ref().is_none_or(|broken| found.seq <= broken.seq)
    {
        broken_too = broken.filter(|broken| broken.seq != found.seq);
        broken = Some(not_ours(&found));
    }
    Ok(Verified {
        seq: walk.seq(),
        hash: hex(walk.hash()),
        last,
        begins,
        done,
        waiting,
        foreign,
        broken: broken.map(BrokenView::from),
        broken_too: broken_too.map(BrokenView::from),
    })
}

/// Hold a good chain against a checkpoint that was kept elsewhere.
fn against(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    checkpoint: &Checkpoint,
    last: i64,
    begins: i64,
) -> Result<Option<Broken>, StoreError> {
    if checkpoint.seq < begins {
        return Ok(None);
    }
    if checkpoint.seq > last {
        let what = String::from("it is missing: the checkpoint was signed when it was there");
        return Ok(Some(Broken { seq: last.saturating_add(1), what }));
    }
    let found = seals::hash_of(conn, workspace, checkpoint.seq)?.map(|hash| hex(&hash));
    let kept = seals::checkpoint_at(conn, workspace, checkpoint.seq)?.map(|kept| kept.hash);
    if found.or(kept).as_deref() == Some(checkpoint.hash.as_str()) {
        return Ok(None);
    }
    let what = String::from("it is another one than the checkpoint was signed for");
    Ok(Some(Broken { seq: checkpoint.seq, what }))
}

/// Sign the end of the record as it is now, for keeping elsewhere; `None` before its first record.
///
/// # Errors
/// [`ServiceError::Store`].
pub async fn checkpoint(context: &Context, caller: &Caller) -> Result<Option<Checkpoint>, ServiceError> {
    let (sealer, workspace, now) = (sealer(context), caller.workspace, context.clock.now());
    Ok(context
        .store
        .write(move |tx| {
            while seals::seal_batch(tx, workspace, &sealer, now, STEP)?.sealed > 0 {}
            match seals::checkpoint(tx, workspace, &sealer, now)? {
                Some(made) => Ok(Some(made)),
                // Nothing came since the last one, which stands for the same end.
                None => Ok::<_, StoreError>(seals::checkpoints(tx, workspace, 1)?.into_iter().next()),
            }
        })
        .await?)
}

/// The checkpoints there are, the newest first.
///
/// # Errors
/// [`ServiceError::Store`].
pub async fn checkpoints(context: &Context, caller: &Caller) -> Result<Vec<Checkpoint>, ServiceError> {
    let workspace = caller.workspace;
    Ok(context.store.read(move |conn| seals::checkpoints(conn, workspace, 1_000)).await?)
}
