//! The worked cases of business-hubs.md section 5 as a table, and the properties of deciding:
//! whatever happens in whatever order, applying the plan reaches the target, and nobody who must
//! not be touched is touched. A model in memory plays the planner's and the worker's part.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, MappingId, MemberId, TaskId, UserId, WorkspaceId};
use crate::domain::app::App;
use crate::domain::decide::{Facts, Ground, decide};
use crate::domain::decision::{Decision, DecisionKind, digest};
use crate::domain::drift;
use crate::domain::entitlement::{Membership, Person, Regain, Rule};
use crate::domain::guard::{Around, HoldReason, Passes, Ruling, judge};
use crate::domain::guarding::questions;
use crate::domain::hub::HubPolicy;
use crate::domain::mapping::{Binding, HubRole, Mapping, SubjectName};
use crate::domain::member::{Bucket, Member, MemberStatus, Presence};
use crate::domain::plan::{PRIORITY_LEAVER, Standing, Start, Step, Verdict, Why};
use crate::domain::protection::Protection;
use crate::domain::task::{Effect, Principal, Task, TaskKind, TaskStatus};

const SETTLE: Duration = Duration::from_secs(60);
const VIEWER: u8 = 1;
const EDITOR: u8 = 2;
const ADMIN: u8 = 3;

fn app() -> App {
    toml::from_str(
        "id='x'\nname='X'\nconnector='scim'\nlogins=['sso']\nsettle_seconds=60\n\
         [tasks]\nsync=true\nadd=true\nupdate_role=true\nremove=true\n\
         [[roles]]\nid='viewer'\nlabel='Viewer'\nrank=1\n\
         [[roles]]\nid='editor'\nlabel='Editor'\nrank=2\n\
         [[roles]]\nid='admin'\nlabel='Admin'\nrank=3\nadmin=true\n",
    )
    .unwrap()
}

fn role(rank: u8) -> &'static str {
    match rank {
        VIEWER => "viewer",
        EDITOR => "editor",
        _ => "admin",
    }
}

fn uuid(kind: u8, number: u8) -> Uuid {
    Uuid::from_u128(u128::from(kind) << 64 | u128::from(number))
}

fn ann() -> UserId {
    UserId::from_uuid(uuid(1, 1))
}

fn hub() -> HubId {
    HubId::from_uuid(uuid(9, 1))
}

fn rule(rank: u8, binding: Binding) -> Rule {
    let (kind, subject) = match binding {
        Binding::User(_) => (4, SubjectName::User("ann@x".into())),
        Binding::Group(_) | Binding::Waiting | Binding::Gone => (3, SubjectName::Group(format!("g-{}", role(rank)))),
    };
    let mapping = Mapping {
        id: MappingId::from_uuid(uuid(kind, rank)),
        hub: hub(),
        subject,
        source: None,
        binding,
        scope: None,
        hub_role: HubRole::Collaborator,
        app_role: role(rank).into(),
        seat: true,
        assets: Vec::new(),
        owner: None,
        file_ref: None,
        confirmed_at: Micros(1),
    };
    Rule::new(mapping, None)
}

fn group(rank: u8) -> GroupId {
    GroupId::from_uuid(uuid(2, rank))
}

/// One person and one hub, with a clock; plans like the planner and finishes like a worker.
struct World {
    app: App,
    policy: HubPolicy,
    rules: Vec<Rule>,
    facts: Facts,
    now: Micros,
    settle_until: Micros,
    /// What was pushed.
    pushed: Vec<String>,
}

impl World {
    fn new(regain: Regain) -> Self {
        let mut rules: Vec<Rule> = [VIEWER, EDITOR, ADMIN].map(|r| rule(r, Binding::Group(group(r)))).into();
        rules.reverse();
        let now = Micros(1_000_000_000);
        Self {
            app: app(),
            policy: HubPolicy::default(),
            rules,
            facts: Facts {
                user: ann(),
                person: Some(Person {
                    id: ann(),
                    active: true,
                    deactivated_at: None,
                    regain,
                    document: serde_json::Map::new(),
                    memberships: Vec::new(),
                }),
                principal: Principal { user_name: "ann@x".into(), email: "ann@x".into(), ..Principal::default() },
                email_keys: vec!["ann@x".into()],
                member: None,
                look_alikes: Vec::new(),
                email_shared: false,
                open: None,
                decision: None,
                given: std::collections::BTreeMap::new(),
                protection: None,
            },
            now,
            settle_until: now,
            pushed: Vec::new(),
        }
    }

    fn share(mut self, rank: u8) -> Self {
        self.rules.push(rule(rank, Binding::User(ann())));
        self
    }

    fn in_groups(mut self, ranks: &[u8]) -> Self {
        for rank in ranks {
            self.join(*rank);
        }
        self
    }

    fn touched(&mut self) {
        self.now = self.now.plus(Duration::from_micros(1));
        self.settle_until = self.now.plus(SETTLE);
    }

    fn person(&mut self) -> &mut Person {
        self.facts.person.as_mut().unwrap()
    }

    fn join(&mut self, rank: u8) {
        self.touched();
        let confirmed_at = self.now;
        let person = self.person();
        person.memberships.retain(|m| m.group != group(rank));
        person.memberships.push(Membership { group: group(rank), confirmed_at });
    }

    fn leave(&mut self, rank: u8) {
        self.touched();
        self.person().memberships.retain(|m| m.group != group(rank));
    }

    fn activate(&mut self, active: bool) {
        self.touched();
        let now = self.now;
        let person = self.person();
        if person.active && !active {
            person.deactivated_at = Some(now);
        }
        person.active = active;
    }

    fn decide(&self) -> Verdict {
        let ground = Ground { app: &self.app, policy: &self.policy, rules: &self.rules };
        decide(&ground, &self.facts, self.now, self.settle_until).1
    }

    fn drift(&self) -> Option<drift::Finding> {
        let ground = Ground { app: &self.app, policy: &self.policy, rules: &self.rules };
        drift::of(&ground, &self.facts, self.now)
    }

    /// Plan once; whether what was planned waits for an acceptance.
    fn plan_waits(&mut self) -> bool {
        self.plan();
        self.facts.open.as_ref().is_some_and(|open| open.status == TaskStatus::Waiting)
    }

    /// Plan once: an action becomes the open task.
    fn plan(&mut self) -> Verdict {
        let verdict = self.decide();
        if let Some(id) = verdict.adopt {
            let mut account =
                self.facts.look_alikes.iter().find(|m| m.id == id).or(self.facts.member.as_ref()).unwrap().clone();
            account.user = Some(ann());
            account.managed = true;
            account.bucket = Bucket::Onboarded;
            self.facts.look_alikes.clear();
            self.facts.member = Some(account);
        }
        match &verdict.step {
            Step::Nothing(why) if why.withdraws() => self.facts.open = None,
            Step::Wait { withdraw: true, .. } => self.facts.open = None,
            Step::Nothing(_) | Step::Wait { .. } => {}
            Step::Act(action) => {
                let status = match action.start {
                    Start::Queued => TaskStatus::Queued,
                    Start::AfterAcceptance | Start::NeedsData => TaskStatus::Waiting,
                    Start::ByHand => TaskStatus::Manual,
                    Start::StaysHeld => TaskStatus::Held,
                };
                self.facts.open = Some(task(status, action.effect.clone(), action.priority));
            }
        }
        verdict
    }

    /// Finish the queued task as the app would.
    fn work(&mut self) {
        let Some(open) = self.facts.open.take_if(|open| open.status == TaskStatus::Queued) else { return };
        self.pushed.push(match open.effect.kind {
            TaskKind::Remove => "REMOVE".into(),
            TaskKind::Add => format!("ADD {}", open.effect.role.as_deref().unwrap_or_default()),
            TaskKind::UpdateRole => format!("UPDATE {}", open.effect.role.as_deref().unwrap_or_default()),
            TaskKind::Sync => "SYNC".into(),
        });
        let known = if open.effect.kind == TaskKind::Remove { Presence::Absent } else { Presence::Active };
        let mut row = self.facts.member.take().unwrap_or_else(|| member(known, None));
        row.known = known;
        row.known_role = open.effect.role.filter(|_| known == Presence::Active);
        self.facts.member = Some(row);
    }

    /// Plan and push until nothing is left to do, waiting out the settle time.
    fn settle(&mut self) {
        for _ in 0..10 {
            if let Step::Wait { until, .. } = self.plan().step {
                self.now = until;
                continue;
            }
            if self.facts.open.is_none() {
                return;
            }
            self.work();
        }
        panic!("does not come to rest: {:?}", self.facts);
    }

    fn known_role(&self) -> Option<&str> {
        self.facts.member.as_ref().filter(|m| m.known != Presence::Absent).and_then(|m| m.known_role.as_deref())
    }
}

fn task(status: TaskStatus, effect: Effect, priority: i32) -> Task {
    Task {
        workspace: WorkspaceId(1),
        id: TaskId::from_uuid(uuid(5, 1)),
        hub: hub(),
        subject: format!("user:{}", ann()),
        user: Some(ann()),
        member: None,
        status,
        cause: "group_membership".into(),
        request_id: None,
        effect,
        reasons: Vec::new(),
        priority,
        not_before: Micros(0),
        attempts: 0,
        crashes: 0,
        verify_first: false,
        lease_boot: None,
        lease_epoch: 0,
        hold: None,
        superseded_by: None,
        error_class: None,
        error_detail: None,
        instructions: None,
        created_at: Micros(0),
        modified_at: Micros(0),
        finished_at: None,
        closing: None,
        parent: None,
        due_at: None,
    }
}

fn member(known: Presence, role: Option<&str>) -> Member {
    Member {
        id: MemberId::from_uuid(uuid(6, 1)),
        hub: hub(),
        user: Some(ann()),
        remote_id: Some("r-1".into()),
        email_key: Some("ann@x".into()),
        display: "Ann".into(),
        bucket: Bucket::Onboarded,
        managed: true,
        protected: false,
        status: MemberStatus::Settled,
        hub_role: None,
        known,
        known_role: role.map(str::to_owned),
        known_assets: Vec::new(),
        known_at: Micros(0),
        reasons: Vec::new(),
    }
}

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
    assert_eq!(world.decide().step, Step::Wait { until: world.settle_until, withdraw: false });
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
            let asked = questions(&ground, [(&world.facts, &verdict)]);
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
