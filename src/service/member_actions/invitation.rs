//! An invitation that went nowhere is sent again (business-hubs.md section 4.3, R6.6).

use serde_json::json;

use super::Desk;
use crate::domain::member::{MemberStatus, Presence};
use crate::domain::occasion;
use crate::service::ServiceError;
use crate::store::{decisions, facts, hub_members, marks};

impl Desk<'_, '_> {
    /// What is known of the account goes back to "not there", and the planner invites anew: with the
    /// role that is wanted now, through the guard and the app's own rules like any other addition.
    pub(super) fn resend(&mut self) -> Result<(), ServiceError> {
        self.not_exempted()?;
        self.pushes()?;
        let again = match self.member.known {
            Presence::Pending => true,
            Presence::Absent => match self.member.status {
                MemberStatus::InviteFailed | MemberStatus::InviteExpired => true,
                MemberStatus::Settled
                | MemberStatus::UnmatchedUser
                | MemberStatus::Exempted
                | MemberStatus::PendingUserClaim
                | MemberStatus::NeedsData
                | MemberStatus::Inviting
                | MemberStatus::PendingInviteClaim
                | MemberStatus::AwaitingUserLogin
                | MemberStatus::AwaitingUpdate
                | MemberStatus::UpdateFailed
                | MemberStatus::AwaitingDeprovisioning
                | MemberStatus::DeprovisioningFailed
                | MemberStatus::SyncFailed
                | MemberStatus::Removed => false,
            },
            Presence::Active | Presence::Suspended => false,
        };
        let Some(user) = self.member.user.filter(|_| again) else {
            return Err(ServiceError::Conflict(String::from("no invitation of this account is open or failed")));
        };
        let (_, entitled, _) = self.entitled(user)?;
        if entitled.seat().is_none() {
            return Err(ServiceError::Conflict(String::from("no mapping gives this person a seat any more")));
        }
        let subject = facts::subject(user);
        self.withdraw(&subject, None)?;
        decisions::end(self.tx, self.scribe.workspace, self.hub.id, &subject)?;
        let mut member = self.member.clone();
        member.known = Presence::Absent;
        member.known_at = self.scribe.now;
        member.status = MemberStatus::Settled;
        hub_members::update(self.tx, self.scribe.workspace, &member, "resend", self.scribe.now)?;
        hub_members::invited(self.tx, self.scribe.workspace, member.id, self.scribe.now, None)?;
        marks::asked(self.tx, self.scribe.workspace, self.hub.id, user, &self.scribe.change(occasion::RESEND))?;
        self.tell("member.invited_again", json!({}), None, None)
    }
}
