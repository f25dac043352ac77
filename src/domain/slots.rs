//! Who may use how many of the places for attempts that a process has. A workspace may hold three
//! times what it leaves free: one alone gets three quarters, two get three sevenths each, and
//! something is left for whoever comes next. Pure; the worker counts.

use std::collections::BTreeMap;

use crate::base::ids::WorkspaceId;

/// What a workspace may hold for each place that stays free.
const SHARE: usize = 3;

/// The free places of a process, and who holds the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    free: usize,
    held: Option<BTreeMap<WorkspaceId, usize>>,
}

impl Slots {
    /// `free` places for whoever is next in line.
    pub const fn all(free: usize) -> Self {
        Self { free, held: None }
    }

    /// `free` places beside those that workspaces hold.
    pub const fn shared(free: usize, held: BTreeMap<WorkspaceId, usize>) -> Self {
        Self { free, held: Some(held) }
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.free == 0
    }

    /// How many more this workspace may take. The first one is never refused while any is free.
    pub fn left_for(&self, workspace: WorkspaceId) -> usize {
        let Some(held) = &self.held else { return self.free };
        let own = held.get(&workspace).copied().unwrap_or(0);
        let fair = self.free.saturating_mul(SHARE).saturating_sub(own) / (SHARE + 1);
        if own == 0 { fair.max(1).min(self.free) } else { fair }
    }

    /// Workspaces that must wait for their own attempts to end.
    pub fn crowded(&self) -> Vec<WorkspaceId> {
        let held = self.held.iter().flatten();
        held.map(|(workspace, _)| *workspace).filter(|workspace| self.left_for(*workspace) == 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLACES: usize = 96;

    /// Let each of these ask again and again, until none gets more.
    fn grown(order: &[i64]) -> (usize, BTreeMap<WorkspaceId, usize>) {
        let (mut free, mut held) = (PLACES, BTreeMap::new());
        let mut moved = true;
        while moved {
            moved = false;
            for workspace in order {
                let workspace = WorkspaceId(*workspace);
                let more = Slots::shared(free, held.clone()).left_for(workspace).min(4);
                *held.entry(workspace).or_default() += more;
                free -= more;
                moved |= more > 0;
            }
        }
        (free, held)
    }

    #[test]
    fn one_alone_leaves_a_quarter_and_two_share() {
        let (free, held) = grown(&[1]);
        assert_eq!((free, held[&WorkspaceId(1)]), (24, 72));
        let (free, held) = grown(&[1, 2]);
        assert!(free >= 12 && held.values().all(|own| *own >= 36), "{free} {held:?}");
    }

    #[test]
    fn a_crowded_workspace_waits_and_a_new_one_does_not() {
        let slots = Slots::shared(24, BTreeMap::from([(WorkspaceId(1), 72)]));
        assert_eq!(slots.crowded(), [WorkspaceId(1)]);
        assert_eq!(slots.left_for(WorkspaceId(2)), 18);
        assert_eq!(Slots::shared(1, BTreeMap::from([(WorkspaceId(1), 95)])).left_for(WorkspaceId(2)), 1);
        assert_eq!(Slots::all(7).left_for(WorkspaceId(1)), 7);
    }

    proptest! {
        #[test]
        fn nobody_takes_more_than_is_free(free in 0_usize..200, own in 0_usize..200) {
            let slots = Slots::shared(free, BTreeMap::from([(WorkspaceId(1), own)]));
            for workspace in [1, 2] {
                prop_assert!(slots.left_for(WorkspaceId(workspace)) <= free);
            }
            prop_assert!(free == 0 || slots.left_for(WorkspaceId(2)) > 0);
        }
    }
}
