//! Looking before a change, and changing only where it still means what was looked at.
//!
//! Going over 25,000 people takes long, and SQLite has one writer. So the look happens in a read,
//! together with a fingerprint of every row it rests on; the write transaction makes the steps anew
//! (that is cheap) and only compares: same steps, same fingerprints, so the same effects. Where
//! something moved in between it is looked at again, and after a few rounds inside the transaction.

use std::sync::Arc;

use super::digest::{Digest, EffectsDigest, digest, of_effects};
use super::effects::{HubEffect, Touched, effects};
use super::outline::Plan;
use super::steps::Diff;
use crate::base::clock::Micros;
use crate::base::ids::WorkspaceId;
use crate::domain::catalog::Catalog;
use crate::service::rights::check_steps;
use crate::service::scribe::Scribe;
use crate::service::{Context, ServiceError};
use crate::store::fingerprint::{self, Fingerprint};
use crate::store::rules_lock::rules_change;
use crate::store::{DbConn, StoreError, Tx, hubs as hub_rows};

/// Looks outside the write transaction before the last one inside it.
const ROUNDS: usize = 3;

/// How a change is made out of what is there. Called on every look.
pub(in crate::service) trait Make:
    Fn(&mut DbConn) -> Result<Diff, ServiceError> + Clone + Send + 'static
{
}

impl<F: Fn(&mut DbConn) -> Result<Diff, ServiceError> + Clone + Send + 'static> Make for F {}

/// What was seen in one moment of the database.
#[derive(Clone)]
struct Seen {
    effects: Arc<Vec<HubEffect>>,
    sum: EffectsDigest,
    prints: Vec<Fingerprint>,
}

/// The plan of a change, with its effects and digest. Writes nothing.
///
/// # Errors
/// As `make`.
pub(in crate::service) async fn show(
    context: &Context,
    scribe: &Scribe,
    make: impl Make,
) -> Result<Plan, ServiceError> {
    let (workspace, now, catalog) = (scribe.workspace, scribe.now, context.catalog.clone());
    context
        .store
        .read(move |conn| {
            let diff = make(conn)?;
            let effects = effects(conn, workspace, &catalog, &diff.touched, now)?;
            let digest = digest(&diff, &of_effects(&effects)).to_string();
            Ok(diff.plan.meaning(effects, digest))
        })
        .await
}

/// Every look, and the write, first holds the steps against the rights of whoever makes the change.
pub(in crate::service) fn allowed<M: Make>(context: &Context, scribe: &Scribe, make: M) -> impl Make + use<M> {
    let (scribe, catalog) = (scribe.clone(), context.catalog.clone());
    move |conn: &mut DbConn| {
        let diff = make(conn)?;
        check_steps(conn, &scribe, &catalog, &diff)?;
        Ok(diff)
    }
}

/// Why a write transaction did not happen.
enum Halt {
    Refused(ServiceError),
    Moved,
}

impl From<ServiceError> for Halt {
    fn from(error: ServiceError) -> Self {
        Self::Refused(error)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

/// Make the change; with `expect`, only where its digest is that one. `hubs` are the ones whose rows
/// it rests on; they are locked, as the rules of the workspace are, before anything is decided.
/// `carry` gets the steps, and the effects where they were looked at.
///
/// # Errors
/// As `make` and `carry`; [`ServiceError::Moved`] with what it would mean now when that is another
/// digest. Nothing was changed then.
pub(in crate::service) async fn change<T: Send + 'static>(
    context: &Context,
    scribe: &Scribe,
    hubs: Vec<String>,
    expect: Option<Digest>,
    make: impl Make,
    carry: impl Fn(&mut Tx<'_>, Diff, Arc<Vec<HubEffect>>) -> Result<T, ServiceError> + Clone + Send + 'static,
) -> Result<T, ServiceError> {
    let (workspace, now) = (scribe.workspace, scribe.now);
    let make = allowed(context, scribe, make);
    let Some(expect) = expect else {
        let unlooked = move |tx: &mut Tx<'_>| {
            lock(tx, workspace, &hubs)?;
            let diff = make(tx)?;
            carry(tx, diff, Arc::default())
        };
        return context.store.write(unlooked).await;
    };
    for _ in 0..ROUNDS {
        let (look, catalog) = (make.clone(), context.catalog.clone());
        let seen = context
            .store
            .read(move |conn| {
                let diff = look(conn)?;
                let effects = effects(conn, workspace, &catalog, &diff.touched, now)?;
                let sum = agrees(expect, &diff, &effects)?;
                let prints = prints(conn, workspace, &diff.touched)?;
                Ok::<_, ServiceError>(Seen { effects: Arc::new(effects), sum, prints })
            })
            .await?;
        let (make, carry, hubs) = (make.clone(), carry.clone(), hubs.clone());
        let done = context
            .store
            .write(move |tx| {
                lock(tx, workspace, &hubs)?;
                let diff = make(tx)?;
                if digest(&diff, &seen.sum) != expect || prints(tx, workspace, &diff.touched)? != seen.prints {
                    return Err(Halt::Moved);
                }
                Ok(carry(tx, diff, Arc::clone(&seen.effects))?)
            })
            .await;
        match done {
            Ok(done) => return Ok(done),
            Err(Halt::Refused(error)) => return Err(error),
            Err(Halt::Moved) => {}
        }
    }
    let catalog = context.catalog.clone();
    context
        .store
        .write(move |tx| {
            lock(tx, workspace, &hubs)?;
            let diff = make(tx)?;
            let effects = effects(tx, workspace, &catalog, &diff.touched, now)?;
            agrees(expect, &diff, &effects)?;
            carry(tx, diff, Arc::new(effects))
        })
        .await
}

/// The effects of a change where its digest is still this one.
///
/// # Errors
/// [`ServiceError::Moved`] with what it would mean now.
pub(in crate::service) fn agreed(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    diff: &Diff,
    expect: Digest,
    now: Micros,
) -> Result<Vec<HubEffect>, ServiceError> {
    let effects = effects(conn, workspace, catalog, &diff.touched, now)?;
    agrees(expect, diff, &effects)?;
    Ok(effects)
}

fn agrees(expect: Digest, diff: &Diff, effects: &[HubEffect]) -> Result<EffectsDigest, ServiceError> {
    let sum = of_effects(effects);
    let found = digest(diff, &sum);
    if found == expect {
        return Ok(sum);
    }
    let plan = diff.plan.clone().meaning(effects.to_vec(), found.to_string());
    Err(ServiceError::Moved(Box::new(plan)))
}

fn lock(tx: &mut Tx<'_>, workspace: WorkspaceId, hubs: &[String]) -> Result<(), StoreError> {
    rules_change(tx, workspace)?;
    for slug in hubs {
        hub_rows::lock(tx, workspace, slug)?;
    }
    Ok(())
}

fn prints(conn: &mut DbConn, workspace: WorkspaceId, touched: &[Touched]) -> Result<Vec<Fingerprint>, StoreError> {
    touched
        .iter()
        .map(|one| {
            let (groups, users) = one.subjects();
            fingerprint::of_hub(conn, workspace, one.hub.id, &groups, &users)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::base::nudge::Nudge;
    use crate::domain::catalog::Catalog;
    use crate::service::hub_whatif::{self, HubWish};
    use crate::service::{hubs, workspaces};
    use crate::store::Store;

    /// A database with one hub, and the wish to rename it as long as something else may move it.
    async fn stage() -> (tempfile::TempDir, Context, Scribe) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}", folder.path().join("t.db").display())).unwrap();
        let now = store.clock().now();
        workspaces::ensure_default(&store, now).await.unwrap();
        let context = Context::new(store, Arc::new(Catalog::builtin().unwrap()), Nudge::default(), "");
        let caller = workspaces::local_caller(&context, "default").await.unwrap();
        let new = serde_json::json!({"id": "wiki", "app": "manual", "mode": "observe"});
        hubs::create(&context, &caller, serde_json::from_value(new).unwrap()).await.unwrap();
        let scribe = Scribe::new(&context, &caller);
        (folder, context, scribe)
    }

    /// The wish to activate, disturbed after every look: `disturb` runs in a transaction of its own
    /// once the read has its moment of the database.
    fn disturbed(
        context: &Context,
        scribe: &Scribe,
        calls: Arc<AtomicUsize>,
        disturb: fn(&mut Tx<'_>, WorkspaceId) -> Result<(), StoreError>,
    ) -> impl Make + use<> {
        let wish = HubWish::Now;
        let make = hub_whatif::maker(context, scribe, "wiki", wish);
        let (store, workspace) = (context.store.clone(), scribe.workspace);
        move |conn| {
            let diff = make(conn)?;
            // The first, third, fifth call is a look; the one after it is inside the write.
            if calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) && calls.load(Ordering::Relaxed) < 2 * ROUNDS {
                let store = store.clone();
                let there = std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                    runtime.block_on(store.write(move |tx| disturb(tx, workspace)))
                });
                there.join().unwrap()?;
            }
            Ok(diff)
        }
    }

    fn relabel(tx: &mut Tx<'_>, workspace: WorkspaceId) -> Result<(), StoreError> {
        let mut hub = hub_rows::by_slug(tx, workspace, "wiki")?;
        hub.label.push('!');
        hub_rows::update(tx, workspace, &hub, crate::base::clock::Micros(1))
    }

    fn only_rewritten(tx: &mut Tx<'_>, workspace: WorkspaceId) -> Result<(), StoreError> {
        let hub = hub_rows::by_slug(tx, workspace, "wiki")?;
        hub_rows::update(tx, workspace, &hub, crate::base::clock::Micros(1))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_moves_between_the_look_and_the_write_is_refused() {
        let (_folder, context, scribe) = stage().await;
        let calls = Arc::new(AtomicUsize::new(0));
        let shown = show(&context, &scribe, hub_whatif::maker(&context, &scribe, "wiki", HubWish::Now)).await.unwrap();
        let expect = shown.digest.parse().unwrap();
        let make = disturbed(&context, &scribe, Arc::clone(&calls), relabel);
        let carried = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&carried);
        let done = change(&context, &scribe, vec![String::from("wiki")], Some(expect), make, move |_, _, _| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        let Err(ServiceError::Moved(now)) = done.await else { panic!("done although it moved") };
        assert_ne!(now.digest, shown.digest);
        assert_eq!(carried.load(Ordering::Relaxed), 0);
        assert_eq!(calls.load(Ordering::Relaxed), 3, "a look, a write that saw it, a look that refused");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_world_that_never_rests_and_means_the_same_is_looked_at_inside_at_last() {
        let (_folder, context, scribe) = stage().await;
        let calls = Arc::new(AtomicUsize::new(0));
        let shown = show(&context, &scribe, hub_whatif::maker(&context, &scribe, "wiki", HubWish::Now)).await.unwrap();
        let expect = shown.digest.parse().unwrap();
        let make = disturbed(&context, &scribe, Arc::clone(&calls), only_rewritten);
        let carried = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&carried);
        change(&context, &scribe, vec![String::from("wiki")], Some(expect), make, move |_, _, _| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(carried.load(Ordering::Relaxed), 1);
        assert_eq!(calls.load(Ordering::Relaxed), 2 * ROUNDS + 1, "every round, then once inside");
    }
}
