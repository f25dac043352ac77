//! What is said of the present, most of it of people who lack access.

use uuid::Uuid;

use super::Code;
use super::present::{Seen, Trouble, causes};
use super::rules::words;
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, HubSlug, MappingId, MemberId, UserId};
use crate::domain::app::App;
use crate::domain::decide::{Facts, Ground, decide};
use crate::domain::decision::{Decision, DecisionKind, digest};
use crate::domain::entitlement::{Membership, Person, Regain, Rule};
use crate::domain::hub::{Hub, HubMode, HubPolicy, Login};
use crate::domain::mapping::{Binding, HubRole, Mapping, SubjectName};
use crate::domain::member::{Bucket, Member, MemberStatus, Presence};
use crate::domain::plan::Step;
use crate::domain::problem;
use crate::domain::protection::Protection;
use crate::domain::task::Principal;

fn id(number: u64) -> Uuid {
    Uuid::from_u128(u128::from(number))
}

fn rule(number: u64, name: &str, role: &str, binding: Binding) -> Rule {
    let mapping = Mapping {
        id: MappingId::from_uuid(id(number)),
        hub: HubId::from_uuid(id(9)),
        subject: SubjectName::Group(name.into()),
        source: None,
        binding,
        scope: None,
        hub_role: HubRole::Collaborator,
        app_role: role.into(),
        seat: true,
        assets: Vec::new(),
        owner: None,
        file_ref: None,
        confirmed_at: Micros(1),
    };
    Rule::new(mapping, None)
}

struct Case {
    app: App,
    hub: Hub,
    facts: Facts,
    rules: Vec<Rule>,
    paused: Option<&'static str>,
    troubles: Vec<Trouble>,
    missing_secrets: Vec<String>,
}

impl Case {
    /// Somebody in no group of a hub with two.
    fn new() -> Self {
        let app = toml::from_str(
            "id='x'\nname='X'\nconnector='scim'\nlogins=['sso']\nsettle_seconds=60\n\
             [tasks]\nsync=true\nadd=true\nupdate_role=true\nremove=true\n\
             [[roles]]\nid='viewer'\nlabel='V'\nrank=1\n[[roles]]\nid='editor'\nlabel='E'\nrank=2\n",
        )
        .unwrap();
        let hub = Hub {
            id: HubId::from_uuid(id(9)),
            slug: "box".parse::<HubSlug>().unwrap(),
            app: "x".into(),
            label: "Box".into(),
            login: Login::Sso,
            mode: HubMode::Active,
            paused: false,
            settle: std::time::Duration::from_secs(60),
            connection: std::collections::BTreeMap::new(),
            policy: HubPolicy::default(),
            owner: None,
            file_ref: None,
            revision: 1,
        };
        let facts = Facts {
            user: UserId::from_uuid(id(1)),
            person: Some(Person {
                id: UserId::from_uuid(id(1)),
                active: true,
                deactivated_at: None,
                regain: Regain::WhenConfirmed,
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
        };
        let rules = vec![
            rule(21, "editors", "editor", Binding::Group(GroupId::from_uuid(id(31)))),
            rule(22, "viewers", "viewer", Binding::Group(GroupId::from_uuid(id(32)))),
        ];
        Self { app, hub, facts, rules, paused: None, troubles: Vec::new(), missing_secrets: Vec::new() }
    }

    fn joined(mut self) -> Self {
        let membership = Membership { group: GroupId::from_uuid(id(31)), confirmed_at: Micros(5) };
        self.facts.person.as_mut().unwrap().memberships.push(membership);
        self
    }

    fn member(mut self, known: Presence, bucket: Bucket) -> Self {
        self.facts.member = Some(Member {
            id: MemberId::from_uuid(id(41)),
            hub: self.hub.id,
            user: Some(self.facts.user),
            remote_id: Some("r".into()),
            email_key: None,
            display: "Ann".into(),
            bucket,
            managed: bucket == Bucket::Onboarded,
            protected: false,
            status: MemberStatus::Settled,
            hub_role: None,
            known,
            known_role: Some("editor".into()),
            known_assets: Vec::new(),
            known_at: Micros(7),
            reasons: Vec::new(),
        });
        self
    }

    fn said(&self) -> Vec<(Code, String)> {
        let now = Micros(1_000_000);
        let ground = Ground { app: &self.app, policy: &self.hub.policy, rules: &self.rules };
        let (entitled, verdict) = decide(&ground, &self.facts, now, now);
        let words = words(&self.rules, &self.facts, &entitled);
        let told = causes(&Seen {
            hub: &self.hub,
            app: &self.app,
            facts: &self.facts,
            entitled: &entitled,
            rules: &words,
            step: &verdict.step,
            paused: self.paused,
            held: None,
            last: None,
            decided_by: self.facts.decision.as_ref().map(|_| "ben@x"),
            troubles: &self.troubles,
            missing_secrets: &self.missing_secrets,
            now,
        });
        told.into_iter().map(|cause| (cause.code, cause.text)).collect()
    }

    fn codes(&self) -> Vec<Code> {
        self.said().into_iter().map(|(code, _)| code).collect()
    }
}

#[test]
fn who_is_in_no_mapped_group_reads_which_groups_would_give_access() {
    let said = Case::new().said();
    assert_eq!(said[0], (Code::NoMapping, "no mapping of this hub gives this person access".into()));
    let groups = "it would come with group editors (editor) and group viewers (viewer): the user is in none of them";
    assert_eq!(said[1], (Code::NotInMappedGroup, groups.into()));
    assert_eq!(said[2].0, Code::NotThere);

    let mut case = Case::new();
    case.rules = vec![rule(23, "late", "viewer", Binding::Waiting), rule(24, "old", "viewer", Binding::Gone)];
    assert_eq!(case.codes(), [Code::NoMapping, Code::SubjectMissing, Code::GroupGone, Code::NotThere]);
    case.rules.clear();
    assert_eq!(case.codes(), [Code::NoMapping, Code::HubWithoutMappings, Code::NotThere]);
}

#[test]
fn who_left_reads_that_and_no_groups() {
    let mut case = Case::new().joined();
    case.facts.person.as_mut().unwrap().active = false;
    assert_eq!(case.codes(), [Code::UserInactive, Code::NotThere]);
    case.facts.person = None;
    assert_eq!(case.codes(), [Code::UserDeleted, Code::NotThere]);
}

#[test]
fn a_refused_membership_is_told_with_its_reason() {
    let mut case = Case::new().joined();
    case.facts.person.as_mut().unwrap().deactivated_at = Some(Micros(6));
    let said = case.said();
    assert_eq!(said[0].0, Code::MappingRefused);
    assert!(said[0].1.contains("waiting until the identity provider names the membership again"), "{said:?}");
    assert_eq!(said[1].0, Code::NotInMappedGroup, "the other group would still give it");

    let mut case = Case::new().joined();
    case.rules[0].mapping.seat = false;
    assert_eq!(case.codes(), [Code::NoSeat, Code::NotInMappedGroup, Code::NotThere]);
}

#[test]
fn what_keeps_a_wish_is_told() {
    let mut case = Case::new().joined();
    assert_eq!(case.codes(), [Code::Wanted, Code::Next]);
    case.hub.paused = true;
    assert_eq!(case.codes(), [Code::Wanted, Code::Paused]);
    case.hub.paused = false;
    case.paused = Some("the workspace");
    assert!(case.said()[1].1.ends_with("when the workspace is resumed"));
    case.hub.mode = HubMode::Observe;
    assert_eq!(case.codes(), [Code::Wanted, Code::HubObserves]);
}

#[test]
fn an_account_that_cannot_be_used_yet_or_any_more_is_told() {
    let pending = Case::new().joined().member(Presence::Pending, Bucket::Onboarded);
    assert_eq!(pending.codes(), [Code::Wanted, Code::InvitationPending, Code::AsWanted]);
    let suspended = Case::new().joined().member(Presence::Suspended, Bucket::Onboarded);
    assert_eq!(suspended.codes(), [Code::Wanted, Code::Suspended, Code::Next]);
    let exempted = Case::new().joined().member(Presence::Absent, Bucket::Exempted);
    assert_eq!(exempted.codes(), [Code::Wanted, Code::Exempted]);
}

#[test]
fn who_declined_and_what_failed_is_told() {
    for (kind, code) in [(DecisionKind::Cancelled, Code::Declined), (DecisionKind::Failed, Code::Failed)] {
        let mut case = Case::new().joined();
        case.facts.decision =
            Some(Decision { digest: Vec::new(), kind, decided_by: "token:1".into(), note: Some("not her".into()) });
        let said = case.said();
        let (last, text) = said.last().unwrap();
        assert_eq!(*last, code);
        assert!(text.contains("by ben@x before: \u{201c}not her\u{201d}"), "{text}");
    }
}

impl Case {
    /// Who left, with an account that is still there.
    fn leaver(bucket: Bucket) -> Self {
        let mut case = Self::new().joined().member(Presence::Active, bucket);
        case.facts.person.as_mut().unwrap().active = false;
        case
    }

    /// A removal that was decided against, on the state as it is now.
    fn decided(mut self, kind: DecisionKind, note: Option<&str>) -> Self {
        let now = Micros(1_000_000);
        let ground = Ground { app: &self.app, policy: &self.hub.policy, rules: &self.rules };
        let (_, verdict) = decide(&ground, &self.facts, now, now);
        let Step::Act(action) = verdict.step else { panic!("{verdict:?}") };
        let standing = self.facts.standing();
        let digest = digest(&action.effect, &action.reasons, self.facts.member.as_ref(), standing);
        let note = note.map(str::to_owned);
        self.facts.decision = Some(Decision { digest, kind, decided_by: "user:7".into(), note });
        self
    }
}

#[test]
fn who_left_and_is_still_there_is_told_with_what_lets_them_stay() {
    const STILL: &str = "the person left and is still in the app";
    let told = |case: &Case| case.said().into_iter().find(|(_, text)| text.starts_with(STILL));
    let present = |why: &str| Some((Code::LeaverPresent, format!("{STILL}{why}")));

    let mut case = Case::leaver(Bucket::Onboarded);
    assert_eq!(case.codes(), [Code::UserInactive, Code::LeaverPresent, Code::Next]);
    assert_eq!(told(&case), present(""));
    case.facts.person = None;
    assert_eq!(case.codes(), [Code::UserDeleted, Code::LeaverPresent, Code::Next]);

    assert_eq!(
        told(&Case::leaver(Bucket::Guest)),
        present(": the account is not managed, so no automation removes it")
    );
    assert_eq!(told(&Case::leaver(Bucket::Exempted)), present(": the account is exempted, so no task touches it"));
    let mut protected = Case::leaver(Bucket::Onboarded);
    protected.facts.member.as_mut().unwrap().protected = true;
    let works = format!("{STILL}, because the hub works with this account: name another in the hub's connection");
    assert_eq!(told(&protected), Some((Code::LeaverProtected, works)));
    let reason = String::from("runs the ads");
    protected.facts.protection = Some(Protection { reason, by: "user:7".into(), since: Micros(1), until: None });
    let because = format!("{STILL}, because the account is protected");
    assert_eq!(told(&protected), Some((Code::LeaverProtected, because)));

    for (kind, word) in [(DecisionKind::Cancelled, "cancelled"), (DecisionKind::Rejected, "rejected")] {
        let kept = Case::leaver(Bucket::Onboarded).decided(kind, Some("until Friday"));
        let text = format!("{STILL}: removal was {word} by ben@x: \u{201c}until Friday\u{201d}");
        assert_eq!(told(&kept), Some((Code::LeaverKept, text)));
    }
    let failed = Case::leaver(Bucket::Onboarded).decided(DecisionKind::Failed, None);
    assert_eq!(told(&failed), present(": removal failed for good"));
    // What was decided of another state holds no more: the removal is planned again.
    let mut moved = Case::leaver(Bucket::Onboarded).decided(DecisionKind::Cancelled, Some("until Friday"));
    moved.facts.member.as_mut().unwrap().known_role = Some("viewer".into());
    assert_eq!(told(&moved), present(""));

    for known in [Presence::Suspended, Presence::Absent] {
        let mut out = Case::leaver(Bucket::Onboarded);
        out.facts.member.as_mut().unwrap().known = known;
        assert_eq!(told(&out), None, "{known:?}");
    }
    assert_eq!(told(&Case::new().member(Presence::Active, Bucket::Onboarded)), None, "who is with us");
}

#[test]
fn a_problem_of_the_hub_is_told_where_something_waits_behind_it() {
    let trouble = |cause| Trouble { cause, message: "the app says 401".into() };
    let mut case = Case::leaver(Bucket::Onboarded);
    case.troubles = vec![
        trouble(problem::Cause::LeaverPresent),
        trouble(problem::Cause::SeatLimit),
        trouble(problem::Cause::AuthBroken),
    ];
    let said = case.said();
    let (code, text) = said.last().unwrap();
    assert_eq!(*code, Code::HubProblem, "{said:?}");
    assert!(text.starts_with("what keeps it is a problem of the hub, auth broken: the app says 401"), "{text}");
    assert!(text.contains("`scimhub secret set box NAME`"), "{text}");
    let of_hub = |case: &Case| case.codes().into_iter().filter(|code| *code == Code::HubProblem).count();
    assert_eq!(of_hub(&case), 1, "a removal needs no seat: {said:?}");
    // It is told once, whether a task has met it or not.
    case.missing_secrets = vec!["TOKEN".into()];
    assert_eq!(of_hub(&case), 1);
    case.troubles.clear();
    let said = case.said();
    assert!(said.last().unwrap().1.contains("no value is stored for TOKEN"), "{said:?}");

    // Nothing waits: who is as wanted, and whose removal a person did not want.
    case.troubles = vec![trouble(problem::Cause::AuthBroken)];
    assert_eq!(of_hub(&case.decided(DecisionKind::Cancelled, None)), 0);
    let mut fine = Case::new().joined().member(Presence::Active, Bucket::Onboarded);
    fine.troubles = vec![trouble(problem::Cause::AuthBroken)];
    assert_eq!(of_hub(&fine), 0);
    // Who is to be added waits for a seat too.
    let mut new = Case::new().joined();
    new.troubles = vec![trouble(problem::Cause::SeatLimit)];
    assert_eq!(of_hub(&new), 1);
}
