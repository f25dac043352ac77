//! What a hub that stops pushing leaves undone for one person, through all that can be open.

use crate::domain::decide::Ground;
use crate::domain::entitlement::Regain;
use crate::domain::member::{Bucket, Presence};
use crate::domain::task::TaskStatus;
use crate::domain::whatif::stopping::{Stop, left_undone};
use crate::domain::whatif::{Outcome, PersonEffect};

use super::world::*;

fn left(world: &World, stop: Stop, pushes: bool) -> Option<PersonEffect> {
    let ground = Ground { app: &world.app, policy: &world.policy, rules: &world.rules };
    left_undone(&world.app, &ground, stop, pushes, &world.facts, world.now)
}

/// An editor who left; their removal is planned.
fn leaver() -> World {
    let mut world = World::new(Regain::ByItself).in_groups(&[EDITOR]);
    world.settle();
    world.activate(false);
    world.plan();
    world
}

#[test]
fn a_leavers_removal_is_withdrawn_with_their_name_however_it_stands_unless_it_runs() {
    for stop in [Stop::Observes, Stop::Removed] {
        for status in TaskStatus::ALL.into_iter().filter(|status| status.is_open()) {
            let mut world = leaver();
            world.facts.open.as_mut().unwrap().status = status;
            let found = left(&world, stop, true);
            if matches!(status, TaskStatus::Started | TaskStatus::Running) {
                assert_eq!(found, None, "{stop:?} {status:?}");
                continue;
            }
            let found = found.unwrap();
            assert_eq!((found.user.as_str(), found.change, found.leaver), ("ann@x", Outcome::Withdraw, true));
            assert_eq!((found.from.as_deref(), found.to.as_deref()), (Some("editor"), None), "{stop:?} {status:?}");
            assert_eq!(found.task.as_deref(), Some(status.as_str()));
        }
    }
}

#[test]
fn what_may_have_been_sent_is_left_to_its_end_by_observing_and_cancelled_with_the_hub() {
    let mut world = leaver();
    let open = world.facts.open.as_mut().unwrap();
    (open.status, open.verify_first) = (TaskStatus::Retrying, true);
    assert_eq!(left(&world, Stop::Observes, true), None);
    assert_eq!(left(&world, Stop::Removed, true).unwrap().change, Outcome::Withdraw);
}

#[test]
fn what_was_due_without_a_task_counts_where_the_hub_pushes() {
    let mut world = leaver();
    world.facts.open = None;
    let due = left(&world, Stop::Observes, true).unwrap();
    assert_eq!((due.change, due.leaver, due.task), (Outcome::Withdraw, true, None));
    assert_eq!(left(&world, Stop::Observes, false), None, "an observing hub has nothing due");
    // Somebody who stays, and settles: due, and no leaver.
    let mut world = World::new(Regain::ByItself).in_groups(&[EDITOR]);
    world.settle();
    world.leave(EDITOR);
    let due = left(&world, Stop::Removed, true).unwrap();
    assert_eq!((due.change, due.leaver), (Outcome::Withdraw, false));
    assert_eq!(left(&world, Stop::Removed, false), None, "an account that stays, like every other");
}

/// Whatever kept their account: with the hub goes the last who could take it away.
#[test]
fn of_a_removed_hub_everybody_who_left_and_is_there_is_told() {
    let kept = |known: Presence, bucket: Bucket| {
        let mut world = leaver();
        world.facts.open = None;
        let member = world.facts.member.as_mut().unwrap();
        (member.known, member.bucket, member.managed) = (known, bucket, false);
        left(&world, Stop::Removed, true)
    };
    for known in [Presence::Active, Presence::Pending] {
        let found = kept(known, Bucket::Onboarded).unwrap();
        assert_eq!((found.change, found.leaver), (Outcome::Keep, true), "{known:?}");
    }
    assert_eq!(kept(Presence::Absent, Bucket::Onboarded), None);
    assert_eq!(kept(Presence::Suspended, Bucket::Onboarded), None, "opens nothing");
    assert_eq!(kept(Presence::Active, Bucket::Exempted), None, "on a person's word");
    // Somebody who was deleted is as gone as somebody deactivated.
    let mut world = leaver();
    world.facts.person = None;
    assert!(left(&world, Stop::Removed, true).unwrap().leaver);
}
