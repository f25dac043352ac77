//! Whose account it is: matching by hand, claiming, and adopting what was found.

use serde_json::json;

use super::Desk;
use crate::base::ids::UserId;
use crate::domain::hub_rules as rules;
use crate::domain::mapping::{HubRole, Mapping};
use crate::domain::member::{Bucket, MemberStatus, Presence};
use crate::domain::occasion;
use crate::service::ServiceError;
use crate::service::whatif::steps::Step;
use crate::store::{facts, hub_members, intervals, marks};

impl Desk<'_, '_> {
    /// Bind the account to a person (R4.2, R4.3). It is not managed by that alone: a mapping that
    /// reaches the person takes it over, without an invitation (R4.6).
    ///
    /// An owner is one by a standing share without a seat (R4.9), so that no later plan forgets it.
    pub(super) fn bind(&mut self, user: &str, hub_role: HubRole, kind: &str) -> Result<(), ServiceError> {
        self.not_exempted()?;
        self.there()?;
        if let Some(owner) = self.member.user {
            return Err(ServiceError::Conflict(format!("this account is matched to user {owner} already")));
        }
        let (user, user_name) = self.user(user)?;
        self.make_room(user)?;
        let mut member = self.member.clone();
        member.user = Some(user);
        member.bucket = Bucket::Onboarded;
        member.hub_role = Some(hub_role);
        member.status = match member.known {
            Presence::Pending => MemberStatus::PendingInviteClaim,
            Presence::Absent | Presence::Active | Presence::Suspended => MemberStatus::Settled,
        };
        self.keep(&member)?;
        match hub_role {
            HubRole::Owner | HubRole::Manager => self.run(user, &user_name, hub_role)?,
            HubRole::Collaborator => {}
        }
        marks::asked(self.tx, self.scribe.workspace, self.hub.id, user, &self.scribe.change(occasion::MATCH))?;
        self.tell(kind, json!({ "by": "hand", "hub_role": hub_role }), None, None)
    }

    /// One person, one account (R4.11): a row of theirs without an account gives way.
    fn make_room(&mut self, user: UserId) -> Result<(), ServiceError> {
        let Some(own) = hub_members::by_user(self.tx, self.scribe.workspace, self.hub.id, user)? else { return Ok(()) };
        if own.known != Presence::Absent {
            return Err(ServiceError::Conflict(format!(
                "user {user} has another account in this hub already: member {} ({})",
                own.id, own.display
            )));
        }
        self.withdraw(&facts::subject(user), None)?;
        intervals::move_member(self.tx, self.scribe.workspace, own.id, self.member.id)?;
        Ok(hub_members::forget(self.tx, self.scribe.workspace, own.id, self.member.id)?)
    }

    fn run(&mut self, user: UserId, user_name: &str, role: HubRole) -> Result<(), ServiceError> {
        let plain = |mapping: &Mapping| mapping.scope.is_none();
        match self.shares(user)?.into_iter().find(plain) {
            Some(share) if share.hub_role >= role => Ok(()),
            Some(share) => {
                let after = Mapping { hub_role: role, confirmed_at: self.scribe.now, file_ref: None, ..share.clone() };
                let hub = self.hub.clone();
                self.carry(&Step::ChangeMapping { hub, before: Box::new(share), after: Box::new(after) })
            }
            None => {
                let share = self.share(user, user_name, role, "", false);
                self.carry(&Step::AddMapping(self.hub.clone(), share))
            }
        }
    }

    /// A found account is ours from now on. Where no mapping gives it, it becomes an individual share
    /// of what the person holds: adopting must not be what removes them.
    pub(super) fn adopt(&mut self) -> Result<(), ServiceError> {
        self.not_exempted()?;
        self.there()?;
        if self.member.managed {
            return Err(ServiceError::Conflict(String::from("this account is managed already")));
        }
        let Some(user) = self.member.user else {
            return Err(ServiceError::Conflict(String::from(
                "nobody here is known to have this account: match it to a user first",
            )));
        };
        let (_, entitled, _) = self.entitled(user)?;
        let mut given = true;
        if entitled.seat().is_none() {
            let (_, user_name) = self.user(&user.to_string())?;
            let role = self.member.known_role.clone().unwrap_or_default();
            if !self.app.roles.is_empty() {
                rules::role(self.app, &role).map_err(|why| {
                    ServiceError::Conflict(format!("the account's role cannot be kept by a share: {why}"))
                })?;
            }
            let hub_role = self.member.hub_role.unwrap_or(HubRole::Collaborator);
            let share = self.share(user, &user_name, hub_role, &role, true);
            match self.shares(user)?.into_iter().find(|one| one.scope.is_none()) {
                Some(before) => {
                    let after = Mapping {
                        seat: true,
                        app_role: role,
                        confirmed_at: self.scribe.now,
                        file_ref: None,
                        ..before.clone()
                    };
                    let hub = self.hub.clone();
                    self.carry(&Step::ChangeMapping { hub, before: Box::new(before), after: Box::new(after) })?;
                }
                None => self.carry(&Step::AddMapping(self.hub.clone(), share))?,
            }
            given = false;
        }
        let mut member = self.member.clone();
        member.managed = true;
        self.keep(&member)?;
        marks::asked(self.tx, self.scribe.workspace, self.hub.id, user, &self.scribe.change(occasion::ADOPT))?;
        self.tell("member.adopted", json!({ "role": member.known_role, "by_mapping": given }), None, None)
    }
}
