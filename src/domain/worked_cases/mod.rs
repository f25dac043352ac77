//! The worked cases of business-hubs.md section 5 as a table and further ones by themselves; the
//! properties of deciding are beside them.

mod properties;
mod stopping;
mod world;

use std::time::Duration;

use crate::domain::decision::{Decision, DecisionKind, digest};
use crate::domain::entitlement::Regain;
use crate::domain::member::{Bucket, Presence};
use crate::domain::plan::{Awaits, PRIORITY_LEAVER, Standing, Start, Step, Vacating, Verdict, Why};
use crate::domain::task::{TaskKind, TaskStatus};

use world::*;

/// Groups before, individual share, what happens, what is pushed.
type Case = (&'static str, &'static [u8], Option<u8>, fn(&mut World), &'static [&'static str]);

#[test]
fn the_worked_cases_of_business_hubs_section_5() {
    let cases: &[Case] = &[
        ("none, join G-Editor", &[], None, |w| w.join(EDITOR), &["ADD editor"]),
        ("G-Viewer, join G-Admin", &[VIEWER], None, |w| w.join(ADMIN), &["UPDATE admin"]),
        ("G-Viewer and G-Admin, leave G-Admin", &[VIEWER, ADMIN], None, |w| w.leave(ADMIN), &["UPDATE viewer"]),
        ("G-Admin, join G-Viewer", &[ADMIN], None, |w| w.join(VIEWER), &[]),
        ("G-Admin and G-Viewer, leave G-Viewer", &[ADMIN, VIEWER], None, |w| w.leave(VIEWER), &[]),
        ("G-Admin and a share, leave G-Admin", &[ADMIN], Some(EDITOR), |w| w.leave(ADMIN), &["UPDATE editor"]),
        (
            "G-Editor, leave it and join G-Admin inside the settle time",
            &[EDITOR],
            None,
            |w| {
                w.leave(EDITOR);
                assert!(matches!(w.plan().step, Step::Wait { .. }));
                w.join(ADMIN);
            },
            &["UPDATE admin"],
        ),
        (
            "G-Editor, leave it, and join G-Admin after the settle time",
            &[EDITOR],
            None,
            |w| {
                w.leave(EDITOR);
                w.settle();
                w.join(ADMIN);
            },
            &["REMOVE", "ADD admin"],
        ),
        ("G-Editor and a share, deactivated", &[EDITOR], Some(VIEWER), |w| w.activate(false), &["REMOVE"]),
        (
            "exempted, leave G-Editor",
            &[EDITOR],
            None,
            |w| {
                w.facts.member.as_mut().unwrap().bucket = Bucket::Exempted;
                w.leave(EDITOR);
            },
            &[],
        ),
    ];
    for (name, groups, share, event, wanted) in cases {
        let mut world = World::new(Regain::WhenConfirmed).in_groups(groups);
        if let Some(rank) = share {
            world = world.share(*rank);
        }
        world.settle();
        world.pushed.clear();
        event(&mut world);
        world.settle();
        assert_eq!(world.pushed, *wanted, "{name}");
    }
}

#[test]
fn upgrades_and_leavers_do_not_wait_and_downgrades_do() {
    let mut world = World::new(Regain::WhenConfirmed).in_groups(&[VIEWER]);
    world.settle();
    world.join(ADMIN);
    assert!(matches!(world.decide().step, Step::Act(_)), "an upgrade goes at once");
    world.settle();
    world.leave(ADMIN);
    assert_eq!(
        world.decide().step,
        Step::Wait { until: world.settle_until, withdraw: false, awaits: Awaits::Settling }
    );
    world.activate(false);
    let Step::Act(action) = world.decide().step else { panic!("a leaver goes at once") };
    assert_eq!((action.effect.kind, action.priority), (TaskKind::Remove, 0));
    // Deleted: the row that is left is enough.
    world.facts.person = None;
    assert!(matches!(world.decide().step, Step::Act(_)));
}

#[test]
fn a_role_change_of_a_pending_invitation_is_remembered_until_it_is_accepted() {
    let mut world = World::new(Regain::WhenConfirmed).in_groups(&[EDITOR]);
    world.facts.member = Some(member(Presence::Pending, Some("editor")));
    world.join(ADMIN);
    let Step::Act(action) = world.plan().step else { panic!("remembered as a task") };
    assert_eq!(action.start, Start::AfterAcceptance);
    assert_eq!(world.plan().step, Step::Nothing(Why::Planned), "and once only");
    world.facts.member.as_mut().unwrap().known = Presence::Active;
    world.settle();
    assert_eq!(world.pushed, ["UPDATE admin"]);
}

#[test]
fn an_unmatched_account_with_the_same_email_is_matched_and_not_invited() {
    let mut account = member(Presence::Active, Some("viewer"));
    account.user = None;
    account.managed = false;
    account.bucket = Bucket::Unmatched;
    let mut world = World::new(Regain::WhenConfirmed).in_groups(&[EDITOR]);
    world.facts.look_alikes = vec![account.clone()];
    assert_eq!(world.decide().adopt, Some(account.id));
    world.settle();
    assert_eq!(world.pushed, ["UPDATE editor"]);

    // Two accounts, or two people, or an account disabled in the app: no guess.
    let mut world = World::new(Regain::WhenConfirmed).in_groups(&[EDITOR]);
    world.facts.look_alikes = vec![account.clone(), account.clone()];
    assert_eq!(world.decide(), Verdict { adopt: None, step: Step::Nothing(Why::Conflict) });
    world.facts.look_alikes = vec![account.clone()];
    world.facts.email_shared = true;
    assert_eq!(world.decide().step, Step::Nothing(Why::Conflict));
    world.facts.email_shared = false;
    account.known = Presence::Suspended;
    world.facts.look_alikes = vec![account];
    assert_eq!(world.decide().adopt, None);
}

#[test]
fn an_account_is_made_when_the_one_with_its_address_has_gone() {
    for (vacating, seconds) in [(Vacating::Soon, 1), (Vacating::Later, 5)] {
        let mut world = World::new(Regain::WhenConfirmed).in_groups(&[EDITOR]);
        world.facts.vacating = Some(vacating);
        let until = world.now.plus(Duration::from_secs(seconds));
        let wait = Step::Wait { until, withdraw: true, awaits: Awaits::Room(vacating) };
        assert_eq!(world.decide().step, wait, "two at once would be taken for one");
        // It concerns nobody who has an account, and nobody who wants none.
        world.facts.member = Some(member(Presence::Active, Some("viewer")));
        assert!(matches!(world.decide().step, Step::Act(action) if action.effect.kind == TaskKind::UpdateRole));
        world.leave(EDITOR);
        world.facts.member = None;
        assert_eq!(world.decide().step, Step::Nothing(Why::NotThere));
        world.join(EDITOR);
        world.facts.vacating = None;
        world.settle();
        assert_eq!(world.pushed, ["ADD editor"]);
    }
}

#[test]
fn what_a_reactivation_gives_back_depends_on_the_preset() {
    for (regain, regained) in [(Regain::ByItself, Some("editor")), (Regain::WhenConfirmed, None)] {
        let mut world = World::new(regain).in_groups(&[EDITOR]).share(ADMIN);
        world.settle();
        assert_eq!(world.known_role(), Some("admin"));
        world.activate(false);
        world.settle();
        assert_eq!(world.known_role(), None);
        world.activate(true);
        world.settle();
        // The individual share never comes back by itself.
        assert_eq!(world.known_role(), regained, "{regain:?}");
        world.join(EDITOR);
        world.settle();
        assert_eq!(world.known_role(), Some("editor"), "named again by the IdP");
        world.rules.last_mut().unwrap().mapping.confirmed_at = world.now;
        world.settle();
        assert_eq!(world.known_role(), Some("admin"), "confirmed by a person");
    }
}

#[test]
fn what_the_app_cannot_do_by_machine_is_done_by_hand() {
    let mut world = World::new(Regain::WhenConfirmed).in_groups(&[EDITOR]);
    world.app.tasks.add = false;
    let Step::Act(action) = world.plan().step else { panic!("an item for a person") };
    assert_eq!(action.start, Start::ByHand);
    assert_eq!(world.plan().step, Step::Nothing(Why::Planned));
}

#[test]
fn a_held_removal_stays_held_whatever_happens_around_it() {
    let mut world = World::new(Regain::WhenConfirmed).in_groups(&[EDITOR]);
    world.settle();
    world.leave(EDITOR);
    world.now = world.settle_until;
    world.plan();
    world.facts.open.as_mut().unwrap().status = TaskStatus::Held;
    assert_eq!(world.plan().step, Step::Nothing(Why::Planned));
    world.facts.principal.display_name = Some("Ann B.".into());
    let Step::Act(action) = world.plan().step else { panic!("replaced by a fresh snapshot") };
    assert_eq!(action.start, Start::StaysHeld);
    world.join(EDITOR);
    assert_eq!(world.plan().step, Step::Nothing(Why::AsWanted));
    assert!(world.facts.open.is_none(), "withdrawn: the person is back");
}

#[test]
fn a_decision_sticks_until_something_changes() {
    let mut world = World::new(Regain::WhenConfirmed).in_groups(&[EDITOR]);
    let Step::Act(action) = world.decide().step else { panic!("an addition") };
    world.facts.decision = Some(Decision {
        digest: digest(&action.effect, &action.reasons, None, Standing::Stays),
        kind: DecisionKind::Cancelled,
        decided_by: "token:1".into(),
        note: None,
    });
    assert_eq!(world.decide().step, Step::Nothing(Why::Decided));
    world.facts.principal.display_name = Some("Ann B.".into());
    assert_eq!(world.decide().step, Step::Nothing(Why::Decided), "a new name is no new wish");
    world.join(ADMIN);
    assert!(matches!(world.decide().step, Step::Act(_)), "a new role is");
}

/// "Keep her" was said while she was here; when she leaves, the removal is wanted anew.
#[test]
fn a_rejected_removal_comes_back_when_its_person_leaves() {
    let mut world = World::new(Regain::WhenConfirmed).in_groups(&[EDITOR]);
    world.plan();
    world.work();
    world.leave(EDITOR);
    world.settle_until = world.now;
    let Step::Act(action) = world.decide().step else { panic!("a removal") };
    world.facts.decision = Some(Decision {
        digest: digest(&action.effect, &action.reasons, world.facts.member.as_ref(), Standing::Stays),
        kind: DecisionKind::Rejected,
        decided_by: "token:1".into(),
        note: Some("keep her".into()),
    });
    assert_eq!(world.decide().step, Step::Nothing(Why::Decided));
    world.facts.person.as_mut().unwrap().active = false;
    let Step::Act(action) = world.decide().step else { panic!("she left") };
    assert_eq!(action.priority, PRIORITY_LEAVER);
}

#[test]
fn a_task_that_may_be_at_the_app_is_not_replaced() {
    let mut world = World::new(Regain::WhenConfirmed).in_groups(&[EDITOR]);
    world.plan();
    for status in TaskStatus::ALL.into_iter().filter(|status| status.is_open()) {
        world.facts.open.as_mut().unwrap().status = status;
        world.facts.open.as_mut().unwrap().verify_first = true;
        let mut moved =
            World { facts: world.facts.clone(), pushed: Vec::new(), app: app(), ..World::new(Regain::ByItself) };
        moved.leave(EDITOR);
        let waits = matches!(moved.decide().step, Step::Wait { .. });
        let idle = matches!(status, TaskStatus::Held | TaskStatus::Waiting | TaskStatus::Manual);
        assert_eq!(waits, !idle, "{status:?}");
    }
}

/// An invitation that got stuck after it may have gone out, and then the person leaves.
#[test]
fn an_add_in_doubt_is_undone_when_nobody_wants_it_any_more() {
    let mut world = World::new(Regain::WhenConfirmed).in_groups(&[EDITOR]);
    world.plan();
    world.facts.member = Some(member(Presence::Absent, None));
    let open = world.facts.open.as_mut().unwrap();
    open.status = TaskStatus::Manual;
    world.leave(EDITOR);
    assert_eq!(world.decide().step, Step::Nothing(Why::NotThere), "nothing was sent");
    world.facts.open.as_mut().unwrap().verify_first = true;
    let Step::Act(action) = world.decide().step else { panic!("not undone") };
    assert_eq!((action.effect.kind, action.takes_away), (TaskKind::Remove, true));
}
