//! Whatever happens in whatever order, applying the plan reaches the target, and nobody who must not
//! be touched is touched.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::world::*;
use crate::base::clock::Micros;
use crate::domain::decide::Ground;
use crate::domain::drift;
use crate::domain::entitlement::Regain;
use crate::domain::guard::{Around, HoldReason, Passes, Ruling, judge};
use crate::domain::guarding::questions;
use crate::domain::member::{Bucket, Presence};
use crate::domain::plan::{Step, Verdict, Why};
use crate::domain::protection::Protection;
use crate::domain::task::TaskKind;

/// Something that happens to a person, or a moment in which planner and worker get their turn.
#[derive(Clone, Copy, Debug)]
enum Event {
    Join(u8),
    Leave(u8),
    Plan,
    Work,
    Pass,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (1u8..=3).prop_map(Event::Join),
        (1u8..=3).prop_map(Event::Leave),
        Just(Event::Plan),
        Just(Event::Work),
        Just(Event::Pass),
    ]
}

fn play(world: &mut World, events: &[Event]) {
    for event in events {
        match event {
            Event::Join(rank) => world.join(*rank),
            Event::Leave(rank) => world.leave(*rank),
            Event::Plan => drop(world.plan()),
            Event::Work => world.work(),
            Event::Pass => world.now = world.now.plus(SETTLE),
        }
    }
}

fn presence() -> impl Strategy<Value = Presence> {
    prop_oneof![Just(Presence::Absent), Just(Presence::Pending), Just(Presence::Active), Just(Presence::Suspended)]
}

proptest! {
    /// Any history, then any final memberships told in any order and any number of times: the app
    /// ends with the highest of the final roles, and the history leaves no trace.
    #[test]
    fn applying_the_plan_reaches_the_target_whatever_happened_before(
        history in prop::collection::vec(event(), 0..25),
        wanted in prop::collection::btree_set(1u8..=3, 0..=3),
        order in Just(vec![1u8, 2, 3, 1, 2, 3]).prop_shuffle(),
        between in prop::collection::vec(event(), 0..6),
    ) {
        let mut world = World::new(Regain::WhenConfirmed);
        play(&mut world, &history);
        for (rank, turn) in order.iter().zip(between.iter().map(Some).chain(std::iter::repeat(None))) {
            if wanted.contains(rank) { world.join(*rank) } else { world.leave(*rank) }
            if let Some(turn @ (Event::Plan | Event::Work | Event::Pass)) = turn {
                play(&mut world, &[*turn]);
            }
        }
        world.settle();
        prop_assert_eq!(world.known_role(), wanted.last().map(|rank| role(*rank)));
        // And it stays so: nothing is planned twice (R5.15).
        let pushed = world.pushed.len();
        world.settle();
        prop_assert_eq!(world.pushed.len(), pushed);
        prop_assert_eq!(world.drift(), None);
    }

    /// What somebody changes in the app is drift as long as, and only as long as, the planner would
    /// put it right.
    #[test]
    fn drift_is_what_a_look_of_the_planner_would_put_right(
        groups in prop::collection::btree_set(1u8..=3, 0..=3),
        found in prop::option::of(1u8..=3),
        known in presence(),
        active: bool,
    ) {
        let groups: Vec<u8> = groups.into_iter().collect();
        let mut world = World::new(Regain::ByItself).in_groups(&groups);
        world.settle();
        world.activate(active);
        world.facts.member = Some(member(known, found.map(role)));
        world.now = world.settle_until;
        let acts = matches!(world.decide().step, Step::Act(_));
        prop_assert_eq!(world.drift().is_some_and(|found| found.standing == drift::Standing::Open), acts);
        // Another role waits until an invitation is accepted; all else can come to rest.
        if world.plan_waits() {
            prop_assert_eq!(world.drift().map(|found| found.standing), Some(drift::Standing::UnderWay));
        } else {
            world.settle();
            prop_assert_eq!(world.drift(), None);
        }
    }

    /// Moving between groups is one update in either order, with any number of looks between.
    #[test]
    fn a_move_between_groups_is_one_update(
        from in 1u8..=3, to in 1u8..=3, leave_first: bool, looks in 0usize..3, repeats in 1usize..3,
    ) {
        prop_assume!(from != to);
        let mut world = World::new(Regain::ByItself).in_groups(&[from]);
        world.settle();
        world.pushed.clear();
        for _ in 0..repeats {
            if leave_first { world.leave(from) } else { world.join(to) }
            for _ in 0..looks { world.plan(); }
            if leave_first { world.join(to) } else { world.leave(from) }
        }
        world.settle();
        prop_assert_eq!(&world.pushed, &[format!("UPDATE {}", role(to))]);
    }

    /// T-08: exempted and protected accounts are in no plan; unmanaged ones only to be adopted by
    /// a mapping that reaches them, never to be removed.
    #[test]
    fn nobody_is_touched_who_must_not_be(
        groups in prop::collection::btree_set(1u8..=3, 0..=3),
        held in prop::option::of(1u8..=3),
        known in presence(),
        active: bool,
        gone: bool,
        exempted: bool,
        protected: bool,
        by_person: bool,
        settled: bool,
    ) {
        let groups: BTreeSet<u8> = groups;
        let mut world = World::new(Regain::WhenConfirmed).in_groups(&groups.iter().copied().collect::<Vec<_>>());
        let mut row = member(known, held.map(role));
        row.protected = protected;
        row.managed = exempted || protected;
        if exempted { row.bucket = Bucket::Exempted; }
        world.facts.member = Some(row.clone());
        if !active { world.activate(false); }
        if gone { world.facts.person = None; }
        if settled { world.now = world.settle_until; }
        let verdict = world.decide();
        if protected && by_person && !exempted {
            // Planned, so that it is seen, and held by the guard, whatever it is.
            world.facts.protection = Some(Protection {
                reason: "kept".into(), by: "cli".into(), since: Micros(0), until: None,
            });
            let verdict = world.decide();
            let ground = Ground { app: &world.app, policy: &world.policy, rules: &world.rules };
            let asked = questions(&ground, [(&world.facts, &verdict)], Micros(0));
            if matches!(verdict.step, Step::Act(_)) {
                let [(0, change)] = &asked[..] else { panic!("{asked:?}") };
                let ruling = judge(&world.policy, &Around::default(), &Passes::new(), &[*change]);
                prop_assert_eq!(ruling, [Ruling::Held(HoldReason::ProtectedMember)]);
            }
        } else if exempted || protected {
            let nothing = matches!(verdict.step, Step::Nothing(Why::Exempted | Why::Protected));
            prop_assert!(nothing && verdict.adopt.is_none(), "{:?}", verdict);
            // The same account found by e-mail only.
            world.facts.member = None;
            world.facts.look_alikes = vec![row];
            let verdict = world.decide();
            prop_assert!(verdict.adopt.is_none());
        } else if known != Presence::Absent && (groups.is_empty() || !active || gone) {
            prop_assert_eq!(verdict, Verdict { adopt: None, step: Step::Nothing(Why::Unmanaged) });
        } else {
            let removes = matches!(&verdict.step, Step::Act(action) if action.effect.kind == TaskKind::Remove);
            prop_assert!(!removes, "{:?}", verdict);
        }
    }
}
