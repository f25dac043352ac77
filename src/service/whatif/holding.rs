//! What the guard would hold of a change as things are now. It is asked as the planner asks it, a
//! batch after the other in the order of keys, each batch meeting what the ones before let out.

use std::collections::HashSet;

use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};
use crate::domain::decide::Ground;
use crate::domain::guard::{self, Around, Change, Passes, Ruling};
use crate::domain::guarding;
use crate::domain::whatif::Judged;
use crate::store::{DbConn, StoreError, around, facts, hub_members, passes};

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
}

impl Window {
    pub(super) const fn new(workspace: WorkspaceId, now: Micros) -> Self {
        Self { workspace, now, people: None }
    }

    pub(super) const fn hub(&mut self, hub: HubId, most: usize) -> HubGuard<'_> {
        HubGuard { window: self, hub, most, met: None }
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
        let asked = guarding::questions(ground, batch.iter().map(|one| (&one.facts, &one.verdict)));
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
            if let (Ruling::Held(reason), Some(effect)) =
                (ruling, batch.get_mut(place).and_then(|one| one.effect.as_mut()))
            {
                effect.held = Some(reason.as_str().to_owned());
            }
        }
        Ok(())
    }
}
