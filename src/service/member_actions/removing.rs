//! Taking somebody out by hand: an unmatched account (R4.4), or a person in one of two modes (R5.11).
//! Such a removal is a person's word: the guard does not count it, and the planner leaves it alone.

use serde_json::json;

use super::{Desk, RemovalMode};
use crate::base::ids::{TaskId, UserId};
use crate::domain::hub::Deprovision;
use crate::domain::hub_rules as rules;
use crate::domain::instructions;
use crate::domain::mapping::Mapping;
use crate::domain::member::{MemberStatus, Presence};
use crate::domain::occasion::BY_HAND;
use crate::domain::permissions::canonical;
use crate::domain::plan::{PRIORITY_REDUCE, may_be_removed};
use crate::domain::principal;
use crate::domain::sync;
use crate::domain::task::{Before, Effect, Principal, Task, TaskKind, TaskStatus};
use crate::service::tasks as task_views;
use crate::service::whatif::steps::Step;
use crate::service::{ServiceError, leavers};
use crate::store::{decisions, facts, tasks};

/// A note, as the record keeps it.
fn said(note: Option<&str>) -> Option<serde_json::Value> {
    note.map(|note| json!({ "note": note }))
}

impl Desk<'_, '_> {
    /// Remove; the task, where the app has something to lose.
    pub(super) fn remove(&mut self, mode: RemovalMode, note: Option<String>) -> Result<Option<TaskId>, ServiceError> {
        let note = task_views::note(note)?;
        self.not_exempted()?;
        self.not_protected("removed")?;
        let shown = [self.member.email_key.as_deref(), Some(&*self.member.display), self.member.remote_id.as_deref()];
        if sync::is_service(self.hub, shown.into_iter().flatten()) {
            return Err(ServiceError::Conflict(String::from(
                "this is the account that the hub works with; name another in the hub's connection first",
            )));
        }
        match (self.member.user, mode) {
            (None, RemovalMode::HubAndApp) => {
                self.there()?;
                let principal = principal::of_leaver(&self.member, None);
                self.task(principal, false, note.as_deref()).map(Some)
            }
            (None, RemovalMode::HubOnly) => Err(ServiceError::Conflict(String::from(
                "mode: an unmatched account is no one's in this hub; it can only be removed from the app",
            ))),
            (Some(user), mode) => self.remove_person(user, mode, note.as_deref()),
        }
    }

    fn remove_person(
        &mut self,
        user: UserId,
        mode: RemovalMode,
        note: Option<&str>,
    ) -> Result<Option<TaskId>, ServiceError> {
        let (facts, entitled, giving) = self.entitled(user)?;
        self.not_through_a_group(&entitled, &giving, "removed")?;
        let shares = self.shares(user)?;
        if shares.is_empty() {
            self.there()?;
        }
        match mode {
            RemovalMode::HubOnly => self.leave_the_account(user, &shares, note),
            RemovalMode::HubAndApp => {
                let suspend = match self.hub.policy.deprovision {
                    Deprovision::Remove => false,
                    Deprovision::Suspend => true,
                };
                if suspend && self.member.known == Presence::Suspended {
                    return Err(ServiceError::Conflict(String::from(
                        "this account is suspended already, which is what this hub does instead of removing",
                    )));
                }
                if self.member.known == Presence::Absent {
                    // The share goes, and with it the wish that was not carried out yet.
                    self.unshare(&shares)?;
                    self.tell("member.removed", json!({ "mode": mode }), said(note), None)?;
                    return Ok(None);
                }
                let task = self.task(facts.principal, suspend, note)?;
                self.unshare(&shares)?;
                Ok(Some(task))
            }
        }
    }

    /// The account stays in the app, and is nobody's business here any more.
    fn leave_the_account(
        &mut self,
        user: UserId,
        shares: &[Mapping],
        note: Option<&str>,
    ) -> Result<Option<TaskId>, ServiceError> {
        leavers::demand_note_for(self.tx, self.scribe.workspace, &self.member, note)?;
        match self.member.known {
            Presence::Active | Presence::Suspended => {}
            Presence::Pending | Presence::Absent => {
                return Err(ServiceError::Conflict(String::from(
                    "mode: hub_only is possible once the person has accepted the invitation; hub_and_app takes it back",
                )));
            }
        }
        self.withdraw(&facts::subject(user), None)?;
        self.unshare(shares)?;
        let mut member = self.member.clone();
        member.managed = false;
        member.hub_role = None;
        member.reasons = Vec::new();
        member.status = MemberStatus::Settled;
        self.keep(&member)?;
        self.tell("member.removed", json!({ "mode": RemovalMode::HubOnly }), said(note), None)?;
        Ok(None)
    }

    fn unshare(&mut self, shares: &[Mapping]) -> Result<(), ServiceError> {
        for share in shares {
            self.carry(&Step::RemoveMapping(self.hub.clone(), share.clone()))?;
        }
        Ok(())
    }

    /// The removal, in the words in which the planner would plan it: it then finds its wish planned.
    fn task(&mut self, principal: Principal, suspend: bool, note: Option<&str>) -> Result<TaskId, ServiceError> {
        self.pushes()?;
        let subject = self.subject().ok_or_else(|| {
            ServiceError::Conflict(String::from("the app's id of this account is not known: sync the hub first"))
        })?;
        let id = TaskId::from_uuid(self.ids.next());
        self.withdraw(&subject, Some(id))?;
        decisions::end(self.tx, self.scribe.workspace, self.hub.id, &subject)?;
        let effect = Effect {
            kind: TaskKind::Remove,
            principal,
            remote_id: self.member.remote_id.clone(),
            role: self.member.known_role.clone(),
            assets: Vec::new(),
            hub_role: None,
            suspend,
            again: false,
            extra: std::collections::BTreeMap::new(),
            before: Before::of(&self.member),
        };
        let by_machine = self.app.tasks.remove && may_be_removed(self.app, &self.member);
        let task = Task {
            workspace: self.scribe.workspace,
            id,
            hub: self.hub.id,
            subject,
            user: self.member.user,
            member: Some(self.member.id),
            status: if by_machine { TaskStatus::Queued } else { TaskStatus::Manual },
            cause: BY_HAND.to_owned(),
            request_id: Some(self.scribe.request_id().to_owned()),
            instructions: (!by_machine).then(|| instructions::write(self.app, &self.hub.label, &effect)),
            effect,
            reasons: self.member.reasons.clone(),
            priority: PRIORITY_REDUCE,
            not_before: self.scribe.now,
            attempts: 0,
            crashes: 0,
            verify_first: false,
            lease_boot: None,
            lease_epoch: 0,
            hold: None,
            superseded_by: None,
            error_class: None,
            error_detail: None,
            created_at: self.scribe.now,
            modified_at: self.scribe.now,
            finished_at: None,
            closing: None,
            parent: None,
            due_at: None,
        };
        tasks::insert(self.tx, &task)?;
        let mut member = self.member.clone();
        member.status = MemberStatus::under_way(TaskKind::Remove);
        self.keep(&member)?;
        self.tell("member.removed", json!({ "mode": RemovalMode::HubAndApp }), said(note), Some(id))?;
        Ok(id)
    }

    /// Another role for somebody who has an individual share; through a group it is the group's (R5.8).
    pub(super) fn role(&mut self, app_role: &str) -> Result<(), ServiceError> {
        self.not_exempted()?;
        self.not_protected("given another role")?;
        rules::role(self.app, app_role).map_err(|why| ServiceError::Invalid(format!("app_role: {why}")))?;
        let Some(user) = self.member.user else {
            return Err(ServiceError::Conflict(String::from("match this account to a user first")));
        };
        let (_, entitled, giving) = self.entitled(user)?;
        self.not_through_a_group(&entitled, &giving, "given another role")?;
        let share = self.shares(user)?.into_iter().find(|share| share.seat && share.scope.is_none());
        let Some(before) = share else {
            return Err(ServiceError::Conflict(String::from(
                "no individual share gives this person a seat: adopt the account, or share the hub with them",
            )));
        };
        let app_role = canonical(self.app, app_role);
        let after =
            Mapping { app_role: app_role.clone(), confirmed_at: self.scribe.now, file_ref: None, ..before.clone() };
        let was = before.app_role.clone();
        let hub = self.hub.clone();
        self.carry(&Step::ChangeMapping { hub, before: Box::new(before), after: Box::new(after) })?;
        self.tell("member.role_changed", json!({ "from": was, "to": app_role }), None, None)
    }
}
