//! What the guard would hold of a change as things are now. It is asked as the planner asks it, a
//! batch after the other in the order of keys, each batch meeting what the ones before let out.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};

use crate::base::clock::Micros;
use crate::base::ids::{HoldId, HubId, WorkspaceId};
use crate::domain::decide::Ground;
use crate::domain::guard::{self, Around, Change, HoldReason, Passes, Ruling};
use crate::domain::guarding;
use crate::domain::plan::Step;
use crate::domain::task::TaskStatus;
use crate::domain::whatif::Judged;
use crate::store::{DbConn, StoreError, around, facts, holds, hub_members, passes};

/// The window of a workspace, as one plan over several hubs would leave it.
#[derive(Debug)]
pub(super) struct Window {
    workspace: WorkspaceId,
    now: Micros,
    /// Whose access it has seen shrink; read when somebody first asks.
    people: Option<HashSet<String>>,
}

/// The guard of one hub, and what it has let out.
#[derive(Debug)]
pub(super) struct HubGuard<'a> {
    window: &'a mut Window,
    hub: HubId,
    /// The most people it may be asked about.
    most: usize,
    met: Option<(Around, Passes)>,
    /// The reasons of the batches that were met.
    batches: BTreeMap<HoldId, String>,
}

impl Window {
    pub(super) const fn new(workspace: WorkspaceId, now: Micros) -> Self {
        Self { workspace, now, people: None }
    }

    pub(super) const fn hub(&mut self, hub: HubId, most: usize) -> HubGuard<'_> {
        HubGuard { window: self, hub, most, met: None, batches: BTreeMap::new() }
    }
}

impl HubGuard<'_> {
    /// Write into the effects of a batch why the guard would hold them.
    ///
    /// What would happen without the change too is judged with the rest, because it counts, and is
    /// shown nowhere.
    ///
    /// # Errors
    /// [`StoreError`] of the counting.
    pub(super) fn judge(
        &mut self,
        conn: &mut DbConn,
        ground: &Ground<'_>,
        batch: &mut [Judged],
    ) -> Result<(), StoreError> {
        let asked = guarding::questions(ground, batch.iter().map(|one| (&one.facts, &one.verdict)), self.window.now);
        if asked.is_empty() {
            return Ok(());
        }
        let (places, mut changes): (Vec<usize>, Vec<Change>) = asked.into_iter().unzip();
        let Window { workspace, now, people } = &mut *self.window;
        if people.is_none() {
            *people = Some(around::seen_taken_from(conn, *workspace, *now)?);
        }
        let people = people.get_or_insert_default();
        let (around, passes) = match self.met.take() {
            Some(met) => met,
            None => {
                let roles = hub_members::admin_texts(conn, *workspace, self.hub, ground.app)?;
                let around = around::of_batch(conn, *workspace, self.hub, &roles, people.len(), self.most, *now)?;
                let given = passes::of_hub(conn, *workspace, self.hub, *now)?;
                (around, given.iter().map(|pass| pass.reason).collect())
            }
        };
        let subject = |place: &usize| batch.get(*place).map(|one| facts::subject(one.facts.user));
        for (place, change) in places.iter().zip(&mut changes) {
            change.person_counted = subject(place).is_some_and(|subject| people.contains(&subject));
        }
        let rulings = guard::judge(ground.policy, &around, &passes, &changes);
        for ((place, change), ruling) in places.iter().zip(&changes).zip(&rulings) {
            if *ruling == Ruling::Out && change.takes_away {
                people.extend(subject(place));
            }
        }
        self.met = Some((around.followed_by(&changes, &rulings), passes));
        for (place, ruling) in places.into_iter().zip(rulings) {
            let (Ruling::Held(reason), Some(one)) = (ruling, batch.get_mut(place)) else { continue };
            if self.rests(conn, one, reason)? {
                one.effect = None;
            } else if let Some(effect) = one.effect.as_mut() {
                effect.held = Some(reason.as_str().to_owned());
            }
        }
        Ok(())
    }

    /// Whether the person's open task is this very thing, held for this reason already: the planner
    /// leaves it as it is. What takes away rests before the guard is asked; what gives is asked about
    /// again, because it may go out now.
    fn rests(&mut self, conn: &mut DbConn, one: &Judged, reason: HoldReason) -> Result<bool, StoreError> {
        let (Step::Act(action), Some(open)) = (&one.verdict.step, &one.facts.open) else { return Ok(false) };
        let held = open.hold.filter(|_| open.status == TaskStatus::Held && open.effect == action.effect);
        let Some(held) = held else { return Ok(false) };
        let word = match self.batches.entry(held) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(place) => place.insert(holds::load(conn, self.window.workspace, held)?.reason),
        };
        Ok(word == reason.as_str())
    }
}
