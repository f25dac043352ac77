//! Kept on purpose: an exempted account is in no task of ours (R4.5).

use serde_json::json;

use super::Desk;
use crate::domain::member::{Bucket, MemberStatus};
use crate::domain::occasion;
use crate::service::ServiceError;
use crate::store::{hub_members, marks, people, reading};

/// Most people that one e-mail address can stand for before somebody must look themselves.
const BEARERS: i64 = 100;

impl Desk<'_, '_> {
    pub(super) fn exempt(&mut self, reason: &str) -> Result<(), ServiceError> {
        let reason = Self::reason(reason)?;
        self.not_exempted()?;
        self.there()?;
        if let Some(subject) = self.subject() {
            self.withdraw(&subject, None)?;
        }
        let mut member = self.member.clone();
        member.bucket = Bucket::Exempted;
        member.status = MemberStatus::Exempted;
        self.keep(&member)?;
        hub_members::set_exempt_reason(self.tx, self.scribe.workspace, member.id, Some(&reason))?;
        self.tell("member.exempted", json!({}), Some(json!({ "reason": reason })), None)
    }

    pub(super) fn unexempt(&mut self) -> Result<(), ServiceError> {
        if self.member.bucket != Bucket::Exempted {
            return Err(ServiceError::Conflict(String::from("this account is not exempted")));
        }
        let mut member = self.member.clone();
        // Whose it was known to be stays known; nobody's is to be matched again.
        (member.bucket, member.status) = match member.user {
            Some(_) => (Bucket::Onboarded, MemberStatus::Settled),
            None => (Bucket::Unmatched, MemberStatus::UnmatchedUser),
        };
        self.keep(&member)?;
        hub_members::set_exempt_reason(self.tx, self.scribe.workspace, member.id, None)?;
        for user in self.bearers()? {
            marks::asked(self.tx, self.scribe.workspace, self.hub.id, user, &self.scribe.change(occasion::UNEXEMPT))?;
        }
        self.tell("member.unexempted", json!({}), None, None)
    }

    /// Whose wish may have rested because of the exemption.
    fn bearers(&mut self) -> Result<Vec<crate::base::ids::UserId>, ServiceError> {
        let mut found: Vec<_> = self.member.user.into_iter().collect();
        if let Some(key) = self.member.email_key.clone().filter(|_| found.is_empty()) {
            found.extend(people::by_email(self.tx, self.scribe.workspace, &key, BEARERS)?);
            found.extend(reading::user_by_name(self.tx, self.scribe.workspace, &key)?);
            found.sort();
            found.dedup();
        }
        Ok(found)
    }
}
