//! A model in memory that plays the planner's and the worker's part for one person in one hub.

use std::time::Duration;

use uuid::Uuid;

use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, MappingId, MemberId, TaskId, UserId, WorkspaceId};
use crate::domain::app::App;
use crate::domain::decide::{Facts, Ground, decide};
use crate::domain::drift;
use crate::domain::entitlement::{Membership, Person, Regain, Rule};
use crate::domain::hub::HubPolicy;
use crate::domain::mapping::{Binding, HubRole, Mapping, SubjectName};
use crate::domain::member::{Bucket, Member, MemberStatus, Presence};
use crate::domain::plan::{Start, Step, Verdict};
use crate::domain::task::{Effect, Principal, Task, TaskKind, TaskStatus};

pub(super) const SETTLE: Duration = Duration::from_secs(60);
pub(super) const VIEWER: u8 = 1;
pub(super) const EDITOR: u8 = 2;
pub(super) const ADMIN: u8 = 3;

pub(super) fn app() -> App {
    toml::from_str(
        "id='x'\nname='X'\nconnector='scim'\nlogins=['sso']\nsettle_seconds=60\n\
         [tasks]\nsync=true\nadd=true\nupdate_role=true\nremove=true\n\
         [[roles]]\nid='viewer'\nlabel='Viewer'\nrank=1\n\
         [[roles]]\nid='editor'\nlabel='Editor'\nrank=2\n\
         [[roles]]\nid='admin'\nlabel='Admin'\nrank=3\nadmin=true\n",
    )
    .unwrap()
}

pub(super) fn role(rank: u8) -> &'static str {
    match rank {
        VIEWER => "viewer",
        EDITOR => "editor",
        _ => "admin",
    }
}

pub(super) fn uuid(kind: u8, number: u8) -> Uuid {
    Uuid::from_u128(u128::from(kind) << 64 | u128::from(number))
}

pub(super) fn ann() -> UserId {
    UserId::from_uuid(uuid(1, 1))
}

pub(super) fn hub() -> HubId {
    HubId::from_uuid(uuid(9, 1))
}

pub(super) fn rule(rank: u8, binding: Binding) -> Rule {
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

pub(super) fn group(rank: u8) -> GroupId {
    GroupId::from_uuid(uuid(2, rank))
}

/// One person and one hub, with a clock; plans like the planner and finishes like a worker.
pub(super) struct World {
    pub(super) app: App,
    pub(super) policy: HubPolicy,
    pub(super) rules: Vec<Rule>,
    pub(super) facts: Facts,
    pub(super) now: Micros,
    pub(super) settle_until: Micros,
    /// What was pushed.
    pub(super) pushed: Vec<String>,
}

impl World {
    pub(super) fn new(regain: Regain) -> Self {
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
                vacating: None,
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

    pub(super) fn share(mut self, rank: u8) -> Self {
        self.rules.push(rule(rank, Binding::User(ann())));
        self
    }

    pub(super) fn in_groups(mut self, ranks: &[u8]) -> Self {
        for rank in ranks {
            self.join(*rank);
        }
        self
    }

    pub(super) fn touched(&mut self) {
        self.now = self.now.plus(Duration::from_micros(1));
        self.settle_until = self.now.plus(SETTLE);
    }

    pub(super) fn person(&mut self) -> &mut Person {
        self.facts.person.as_mut().unwrap()
    }

    pub(super) fn join(&mut self, rank: u8) {
        self.touched();
        let confirmed_at = self.now;
        let person = self.person();
        person.memberships.retain(|m| m.group != group(rank));
        person.memberships.push(Membership { group: group(rank), confirmed_at });
    }

    pub(super) fn leave(&mut self, rank: u8) {
        self.touched();
        self.person().memberships.retain(|m| m.group != group(rank));
    }

    pub(super) fn activate(&mut self, active: bool) {
        self.touched();
        let now = self.now;
        let person = self.person();
        if person.active && !active {
            person.deactivated_at = Some(now);
        }
        person.active = active;
    }

    pub(super) fn decide(&self) -> Verdict {
        let ground = Ground { app: &self.app, policy: &self.policy, rules: &self.rules };
        decide(&ground, &self.facts, self.now, self.settle_until).1
    }

    pub(super) fn drift(&self) -> Option<drift::Finding> {
        let ground = Ground { app: &self.app, policy: &self.policy, rules: &self.rules };
        drift::of(&ground, &self.facts, self.now)
    }

    /// Plan once; whether what was planned waits for an acceptance.
    pub(super) fn plan_waits(&mut self) -> bool {
        self.plan();
        self.facts.open.as_ref().is_some_and(|open| open.status == TaskStatus::Waiting)
    }

    /// Plan once: an action becomes the open task.
    pub(super) fn plan(&mut self) -> Verdict {
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
    pub(super) fn work(&mut self) {
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
    pub(super) fn settle(&mut self) {
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

    pub(super) fn known_role(&self) -> Option<&str> {
        self.facts.member.as_ref().filter(|m| m.known != Presence::Absent).and_then(|m| m.known_role.as_deref())
    }
}

pub(super) fn task(status: TaskStatus, effect: Effect, priority: i32) -> Task {
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

pub(super) fn member(known: Presence, role: Option<&str>) -> Member {
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
