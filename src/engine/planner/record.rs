//! A verdict as rows: the task, what it replaces, the member's row, the decision that ended.

use crate::base::clock::Micros;
use crate::base::ids::{HoldId, MemberId, TaskId, WorkspaceId};
use crate::base::random::Ids;
use crate::domain::app::App;
use crate::domain::create_fields;
use crate::domain::entitlement::Person;
use crate::domain::guard::{HoldReason, Ruling};
use crate::domain::hub::Hub;
use crate::domain::instructions;
use crate::domain::member::{Bucket, Member, MemberStatus, Presence};
use crate::domain::occasion;
use crate::domain::plan::{Action, PRIORITY_LEAVER, Start, Step, Why, may_be_replaced};
use crate::domain::principal;
use crate::domain::problem::Cause;
use crate::domain::task::{Task, TaskKind, TaskStatus};
use crate::store::activity::{self, Entry};
use crate::store::waits::Wait;
use crate::store::{
    StoreError, Tx, decisions, facts, given_fields, holds, hub_members, managers, parents, problems, status,
    task_moves, tasks, waits,
};

use super::PlannerStep;
use super::batch::Planned;
use super::guarding::PassHolds;
use super::nesting::{self, Causes, Nest};

/// Never by time: a waiting task that waits for an acceptance is replaced when that is seen.
const UNTIL_ACCEPTED: Micros = Micros(i64::MAX);

/// What becomes of the mark.
pub(super) enum Settled {
    /// Nothing more to look at.
    Done,
    /// Look again then.
    Until(Micros),
    /// Look again once the attempt that is under way for this task has ended.
    AfterAttempt(TaskId),
}

/// Writes the verdicts of one batch.
pub(super) struct Recorder<'a, 'tx> {
    pub(super) tx: &'a mut Tx<'tx>,
    pub(super) workspace: WorkspaceId,
    pub(super) hub: &'a Hub,
    pub(super) app: &'a App,
    pub(super) ids: &'a Ids,
    pub(super) now: Micros,
    /// The batches that passes of the guard were given with.
    pub(super) passes: PassHolds,
    pub(super) step: PlannerStep,
    /// The app's waiting rule, while it lasts.
    pub(super) wait: Option<Wait>,
    pub(super) new: New,
    /// Additions of the batch that wait for data.
    pub(super) lacking: usize,
}

/// New rows, written together at the end of the batch: a batch is about each person once, so that
/// nothing in it looks at what it made.
#[derive(Default)]
pub(super) struct New {
    members: Vec<Member>,
    tasks: Vec<Task>,
}

/// How a task starts its life, after the guard.
struct Begin {
    status: TaskStatus,
    hold: Option<HoldId>,
}

impl Recorder<'_, '_> {
    /// Write one verdict.
    pub(super) fn record(&mut self, pair: &Planned) -> Result<Settled, StoreError> {
        let mut member = pair.facts.member.clone();
        if let Some(id) = pair.verdict.adopt {
            member = self.adopt(pair, id)?;
        }
        match &pair.verdict.step {
            Step::Nothing(why) => self.nothing(pair, member, *why),
            Step::Wait { until, withdraw, .. } => {
                if let Some(open) = pair.facts.open.as_ref().filter(|open| !may_be_replaced(open)) {
                    return Ok(Settled::AfterAttempt(open.id));
                }
                if *withdraw {
                    if let Some(taken) = self.supersede(pair, None)? {
                        return Ok(Settled::AfterAttempt(taken));
                    }
                    self.rest(member)?;
                }
                Ok(Settled::Until(*until))
            }
            Step::Act(action) => self.act(pair, member, action),
        }
    }

    /// Write the new rows, and tell the log what the batch did.
    pub(super) fn finish(mut self, causes: &Causes, whole: bool) -> Result<PlannerStep, StoreError> {
        hub_members::insert_all(self.tx, self.workspace, &self.new.members, "planner", self.now)?;
        let nest = Nest { workspace: self.workspace, hub: self.hub.id, whole, ids: self.ids, now: self.now };
        let joined = nesting::nest(self.tx, &nest, causes, &mut self.new.tasks)?;
        tasks::insert_all(self.tx, &self.new.tasks)?;
        for parent in joined {
            parents::tried_again(self.tx, self.workspace, parent)?;
        }
        self.tell_of_lacking_data()?;
        let has_owner = match self.step.tasks {
            0 => managers::any_owner(self.tx, self.workspace, self.hub.id)?,
            _ => status::batch_planned(self.tx, self.workspace, self.hub.id, self.now)?,
        };
        if has_owner {
            managers::show_owners(self.tx, self.workspace, self.hub.id)?;
        }
        if self.step.tasks > 0 || self.step.superseded > 0 {
            activity::record(
                self.tx,
                self.workspace,
                &Entry {
                    id: self.ids.next(),
                    at: self.now,
                    kind: "tasks.planned",
                    actor: "planner",
                    target: &format!("hub:{}", self.hub.slug),
                    hub: Some(self.hub.id),
                    user: None,
                    task: None,
                    request_id: None,
                    detail: serde_json::json!({
                        "tasks": self.step.tasks,
                        "held": self.step.held,
                        "superseded": self.step.superseded,
                    }),
                    personal: None,
                },
            )?;
        }
        Ok(self.step)
    }

    /// One problem for a hub, whatever the number of people (DESIGN.md section 2.13); over with the last.
    fn tell_of_lacking_data(&mut self) -> Result<(), StoreError> {
        let touched = self.lacking > 0 || self.step.superseded > 0;
        if self.app.create_fields.is_empty() || !touched {
            return Ok(());
        }
        match given_fields::waiting(self.tx, self.workspace, self.hub.id)? {
            0 => problems::close(self.tx, self.workspace, self.hub.id, Some(Cause::NeedsData), self.now).map(|_| ()),
            // Fewer wait than did: that is no news of it.
            _ if self.lacking == 0 => Ok(()),
            _ => {
                let all = create_fields::sentence(self.app, &std::collections::BTreeMap::new());
                let message = format!("{all}; each task says what of it is missing");
                problems::report(self.tx, self.workspace, self.hub.id, Cause::NeedsData, &message, self.now)
            }
        }
    }

    fn nothing(&mut self, pair: &Planned, member: Option<Member>, why: Why) -> Result<Settled, StoreError> {
        if why.withdraws()
            && let Some(taken) = self.supersede(pair, None)?
        {
            return Ok(Settled::AfterAttempt(taken));
        }
        if why == Why::Planned {
            self.hurry(pair)?;
        }
        match why {
            Why::AsWanted | Why::NotThere => {
                self.end_decision(pair)?;
                self.as_wanted(pair, member)?;
            }
            Why::Decided => self.rest(member)?,
            Why::Planned | Why::Exempted | Why::Unmanaged | Why::Protected | Why::Conflict => {}
        }
        Ok(Settled::Done)
    }

    /// Somebody left while their removal waited, held or in line: it is a leaver's from now on, first
    /// in both. The same task, so that the guard does not count it twice.
    fn hurry(&mut self, pair: &Planned) -> Result<(), StoreError> {
        let left = pair.facts.person.as_ref().is_none_or(|person| !person.active);
        let Some(open) = pair.facts.open.as_ref().filter(|open| left && open.effect.kind == TaskKind::Remove) else {
            return Ok(());
        };
        if open.priority > PRIORITY_LEAVER {
            let cause = occasion::of_leaver(&pair.mark.cause, pair.facts.person.is_some());
            task_moves::hurry(self.tx, self.workspace, open.id, PRIORITY_LEAVER, cause, self.now)?;
        }
        Ok(())
    }

    /// Known is as wanted: the row says why, and no status of ours is left on it.
    fn as_wanted(&mut self, pair: &Planned, member: Option<Member>) -> Result<(), StoreError> {
        let grant = pair.entitled.grant.as_ref();
        let Some(before) = member else {
            // A hub role without a seat is a row without an account.
            if let Some(grant) = grant {
                let mut member = self.blank(pair);
                member.hub_role = Some(grant.hub_role);
                member.reasons = pair.entitled.reasons.clone();
                self.new.members.push(member);
            }
            return Ok(());
        };
        let mut after = before.clone();
        if after.status.is_under_way() || after.status.is_failure() {
            after.status = MemberStatus::Settled;
        }
        if grant.is_some() || after.known == Presence::Absent {
            after.hub_role = grant.map(|grant| grant.hub_role);
            after.reasons = pair.entitled.reasons.clone();
        }
        self.keep(&before, &after)
    }

    /// The open task is gone: so is the status it gave.
    fn rest(&mut self, member: Option<Member>) -> Result<(), StoreError> {
        let Some(before) = member.filter(|member| member.status.is_under_way()) else { return Ok(()) };
        let mut after = before.clone();
        after.status = MemberStatus::Settled;
        self.keep(&before, &after)
    }

    fn act(&mut self, pair: &Planned, member: Option<Member>, action: &Action) -> Result<Settled, StoreError> {
        let Begin { status, hold } = self.begin(pair, action)?;
        let rule = self.wait.as_ref().filter(|wait| wait.kinds.contains(&action.effect.kind) && goes_out(status));
        let rule = rule.map(|wait| (wait.until, wait.reason.clone()));
        let status = if rule.is_some() { TaskStatus::Waiting } else { status };
        if let (Some((until, _)), Some(open)) = (&rule, &pair.facts.open)
            && waits::is_waiting(open)
            && (open.not_before, &open.effect) == (*until, &action.effect)
        {
            return Ok(Settled::Done);
        }
        if status == TaskStatus::Held && pair.facts.open.as_ref().is_some_and(|open| rests(open, action, hold)) {
            return Ok(Settled::Done);
        }
        let id = TaskId::from_uuid(self.ids.next());
        if let Some(taken) = self.supersede(pair, Some(id))? {
            return Ok(Settled::AfterAttempt(taken));
        }
        self.end_decision(pair)?;
        let member = self.member_for(pair, member, action, status)?;
        self.lacking += usize::from(action.start == Start::NeedsData);
        let instructions = (status == TaskStatus::Manual || action.start == Start::ByHand)
            .then(|| instructions::write(self.app, &self.hub.label, &action.effect));
        let task = Task {
            workspace: self.workspace,
            id,
            hub: self.hub.id,
            subject: facts::subject(pair.facts.user),
            user: Some(pair.facts.user),
            member: Some(member),
            status,
            cause: match action.priority {
                PRIORITY_LEAVER => occasion::of_leaver(&pair.mark.cause, pair.facts.person.is_some()).to_owned(),
                _ => pair.mark.cause.clone(),
            },
            request_id: pair.mark.request_id.clone(),
            effect: action.effect.clone(),
            reasons: action.reasons.clone(),
            priority: action.priority,
            not_before: match &rule {
                Some((until, _)) => *until,
                None if status == TaskStatus::Waiting => UNTIL_ACCEPTED,
                None => self.now,
            },
            attempts: 0,
            crashes: 0,
            verify_first: false,
            lease_boot: None,
            lease_epoch: 0,
            hold,
            superseded_by: None,
            error_class: match (&rule, action.start) {
                (Some(_), _) => Some(waits::WAITING_RULE.to_owned()),
                (None, Start::NeedsData) => Some(Cause::NeedsData.as_str().to_owned()),
                (None, Start::Queued | Start::AfterAcceptance | Start::ByHand | Start::StaysHeld) => None,
            },
            error_detail: match action.start {
                Start::NeedsData => Some(create_fields::sentence(self.app, &action.effect.extra)),
                Start::Queued | Start::AfterAcceptance | Start::ByHand | Start::StaysHeld => rule.map(|(_, why)| why),
            },
            instructions,
            created_at: self.now,
            modified_at: self.now,
            finished_at: None,
            closing: None,
            parent: None,
            due_at: (status == TaskStatus::Manual).then(|| self.now.plus(self.hub.policy.manual_due())),
        };
        self.new.tasks.push(task);
        self.step.tasks += 1;
        self.step.held += usize::from(status == TaskStatus::Held);
        Ok(Settled::Done)
    }

    /// How the task starts: held where the guard said so or where the one it replaces was. What a
    /// person let pass beforehand carries their batch, by which the guard does not count it.
    fn begin(&mut self, pair: &Planned, action: &Action) -> Result<Begin, StoreError> {
        if action.start == Start::NeedsData {
            return Ok(Begin { status: TaskStatus::Waiting, hold: None });
        }
        if action.start == Start::StaysHeld {
            let hold = pair.facts.open.as_ref().and_then(|open| open.hold);
            return Ok(Begin { status: TaskStatus::Held, hold });
        }
        let hold = match pair.ruling {
            Ruling::Held(reason) => {
                let id = HoldId::from_uuid(self.ids.next());
                let hold = holds::open(self.tx, self.workspace, self.hub.id, reason.as_str(), id, self.now)?;
                return Ok(Begin { status: TaskStatus::Held, hold: Some(hold) });
            }
            Ruling::Passed(reason) => self.passes.get(&reason).copied(),
            Ruling::Out => match self.still_to_decide(pair, action)? {
                Some(hold) => return Ok(Begin { status: TaskStatus::Held, hold: Some(hold) }),
                None => None,
            },
        };
        let status = match action.start {
            Start::AfterAcceptance | Start::NeedsData => TaskStatus::Waiting,
            Start::ByHand => TaskStatus::Manual,
            Start::Queued | Start::StaysHeld => TaskStatus::Queued,
        };
        Ok(Begin { status, hold })
    }

    /// An addition that was held goes out by itself once a seat is free, and for no other reason:
    /// a burst is a person's to judge, also when its ten minutes are over.
    fn still_to_decide(&mut self, pair: &Planned, action: &Action) -> Result<Option<HoldId>, StoreError> {
        let Some(open) = pair.facts.open.as_ref().filter(|open| open.status == TaskStatus::Held) else {
            return Ok(None);
        };
        let Some(hold) = open.hold.filter(|_| open.effect.kind == TaskKind::Add && !action.takes_away) else {
            return Ok(None);
        };
        let reason = holds::load(self.tx, self.workspace, hold)?.reason;
        Ok((reason != HoldReason::MaxSeats.as_str()).then_some(hold))
    }

    /// The member's row of a task: made where there was none. Reasons change only with what
    /// gives; what takes away needs the old ones until it is done.
    fn member_for(
        &mut self,
        pair: &Planned,
        member: Option<Member>,
        action: &Action,
        status: TaskStatus,
    ) -> Result<MemberId, StoreError> {
        let before = member.clone();
        let mut after = member.unwrap_or_else(|| self.blank(pair));
        let moving = match status {
            TaskStatus::Queued | TaskStatus::Manual => true,
            TaskStatus::Held
            | TaskStatus::Waiting
            | TaskStatus::Started
            | TaskStatus::Running
            | TaskStatus::Retrying
            | TaskStatus::Completed
            | TaskStatus::NotCompleted
            | TaskStatus::Superseded
            | TaskStatus::Cancelled => false,
        };
        if moving {
            after.status = MemberStatus::under_way(action.effect.kind);
        } else if action.start == Start::NeedsData {
            after.status = MemberStatus::NeedsData;
        } else if after.status.is_under_way() {
            after.status = MemberStatus::Settled;
        }
        if !action.takes_away {
            after.managed = true;
            after.reasons = action.reasons.clone();
            after.hub_role = action.effect.hub_role;
            after.email_key = pair.facts.email_keys.first().cloned().or(after.email_key);
            after.display = principal::display(&action.effect.principal);
        }
        let id = after.id;
        match before {
            Some(before) => self.keep(&before, &after)?,
            None => self.new.members.push(after),
        }
        Ok(id)
    }

    /// R4.6: the account in the app is this person's; it is managed from now on.
    fn adopt(&mut self, pair: &Planned, id: MemberId) -> Result<Option<Member>, StoreError> {
        let own = pair.facts.member.as_ref();
        let found = own.filter(|own| own.id == id).or_else(|| pair.facts.look_alikes.iter().find(|one| one.id == id));
        let Some(found) = found else { return Ok(own.cloned()) };
        if let Some(own) = own.filter(|own| own.id != id) {
            // A row of ours without an account gives way to the account's own row.
            hub_members::forget(self.tx, self.workspace, own.id, found.id)?;
        }
        let mut member = found.clone();
        member.user = Some(pair.facts.user);
        member.managed = true;
        member.bucket = Bucket::Onboarded;
        member.hub_role = pair.entitled.grant.as_ref().map(|grant| grant.hub_role);
        member.reasons = pair.entitled.reasons.clone();
        self.keep(found, &member)?;
        activity::record(
            self.tx,
            self.workspace,
            &Entry {
                id: self.ids.next(),
                at: self.now,
                kind: "member.matched",
                actor: "planner",
                target: &format!("member:{id}"),
                hub: Some(self.hub.id),
                user: Some(pair.facts.user),
                task: None,
                request_id: pair.mark.request_id.as_deref(),
                detail: serde_json::json!({ "by": "email", "cause": pair.mark.cause }),
                personal: None,
            },
        )?;
        Ok(Some(member))
    }

    fn blank(&self, pair: &Planned) -> Member {
        Member {
            id: MemberId::from_uuid(self.ids.next()),
            hub: self.hub.id,
            user: Some(pair.facts.user),
            remote_id: None,
            email_key: pair.facts.email_keys.first().cloned(),
            display: principal::display(&pair.facts.principal),
            bucket: match pair.facts.person.as_ref().is_some_and(Person::is_guest) {
                true => Bucket::Guest,
                false => Bucket::Onboarded,
            },
            managed: true,
            protected: false,
            status: MemberStatus::Settled,
            hub_role: None,
            known: Presence::Absent,
            known_role: None,
            known_assets: Vec::new(),
            known_at: self.now,
            reasons: Vec::new(),
        }
    }

    fn keep(&mut self, before: &Member, after: &Member) -> Result<(), StoreError> {
        if before == after {
            return Ok(());
        }
        hub_members::set_plan(self.tx, self.workspace, after, self.now)
    }

    fn end_decision(&mut self, pair: &Planned) -> Result<(), StoreError> {
        if pair.facts.decision.is_none() {
            return Ok(());
        }
        decisions::end(self.tx, self.workspace, self.hub.id, &facts::subject(pair.facts.user))
    }

    /// Replace or withdraw the open task, where there is one; answers it when a worker took it meanwhile.
    fn supersede(&mut self, pair: &Planned, by: Option<TaskId>) -> Result<Option<TaskId>, StoreError> {
        let Some(open) = &pair.facts.open else { return Ok(None) };
        let gone = task_moves::supersede(self.tx, self.workspace, open.id, by, self.now)?;
        self.step.superseded += usize::from(gone);
        Ok((!gone).then_some(open.id))
    }
}

/// Whether a task that starts so is for the app or a person now.
const fn goes_out(status: TaskStatus) -> bool {
    match status {
        TaskStatus::Queued | TaskStatus::Manual => true,
        TaskStatus::Held
        | TaskStatus::Waiting
        | TaskStatus::Started
        | TaskStatus::Running
        | TaskStatus::Retrying
        | TaskStatus::Completed
        | TaskStatus::NotCompleted
        | TaskStatus::Superseded
        | TaskStatus::Cancelled => false,
    }
}

/// Whether an open task is held for this very thing already: looked at again in vain, it stays.
fn rests(open: &Task, action: &Action, hold: Option<HoldId>) -> bool {
    open.status == TaskStatus::Held && open.hold == hold && open.effect == action.effect
}
