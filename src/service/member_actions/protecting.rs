//! Protected from automation (T-08): what is wanted of the account is planned and held, and whoever
//! may protect lets one such change through; the protection stays until a person or its time ends it.

use serde::Deserialize;
use serde_json::json;

use super::Desk;
use crate::base::clock::Micros;
use crate::domain::member::MemberStatus;
use crate::domain::occasion;
use crate::domain::protection::Protection;
use crate::domain::sync;
use crate::service::ServiceError;
use crate::service::tasks as task_views;
use crate::store::{marks, protections};

/// Why an account is protected, and for how long.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtectBody {
    /// For whoever wonders why nothing happens to it; not blank.
    #[serde(default)]
    pub reason: String,
    /// RFC 3339; without it the protection does not end by itself.
    pub until: Option<String>,
}

impl ProtectBody {
    fn until(&self, now: Micros) -> Result<Option<Micros>, ServiceError> {
        let Some(text) = self.until.as_deref() else { return Ok(None) };
        let wrong = |why: &str| Err(ServiceError::Invalid(format!("until: {why}")));
        match Micros::parse_rfc3339(text) {
            None => wrong("a time such as 2026-11-26T18:00:00Z; leave it out for no end"),
            Some(at) if at <= now => wrong("that time has passed"),
            Some(at) => Ok(Some(at)),
        }
    }
}

/// Why it is not protected any more.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnprotectBody {
    /// In a person's words.
    pub note: Option<String>,
}

impl Desk<'_, '_> {
    /// Protect, or change why and until when.
    pub(super) fn protect(&mut self, body: &ProtectBody) -> Result<(), ServiceError> {
        let reason = Self::reason(&body.reason)?;
        let until = body.until(self.scribe.now)?;
        self.not_exempted()?;
        self.there()?;
        self.not_the_hubs_own()?;
        if !self.member.protected
            && let Some(subject) = self.subject()
        {
            // What was under way is planned anew and held, whatever batch it sat in.
            self.withdraw(&subject, None)?;
            if self.member.status.is_under_way() {
                let mut member = self.member.clone();
                member.status = MemberStatus::Settled;
                self.keep(&member)?;
            }
        }
        let given = Protection { reason: reason.clone(), by: self.scribe.actor.clone(), since: self.scribe.now, until };
        protections::put(self.tx, self.scribe.workspace, &self.member, &given)?;
        if let Some(user) = self.member.user {
            marks::asked(self.tx, self.scribe.workspace, self.hub.id, user, &self.scribe.change(occasion::PROTECT))?;
        }
        let detail = json!({ "until": until.map(Micros::to_rfc3339) });
        self.tell("member.protected", detail, Some(json!({ "reason": reason })), None)
    }

    /// One of the others again: what was held because of the protection is planned anew.
    pub(super) fn unprotect(&mut self, body: &UnprotectBody) -> Result<(), ServiceError> {
        let note = task_views::note(body.note.clone())?;
        if !protections::end(self.tx, self.scribe.workspace, self.member.id)? {
            self.not_the_hubs_own()?;
            return Err(ServiceError::Conflict(String::from("this account is not protected")));
        }
        if let Some(user) = self.member.user {
            let change = self.scribe.change(occasion::UNPROTECT);
            protections::look_again(self.tx, self.scribe.workspace, self.hub.id, user, &change)?;
        }
        let personal = note.map(|note| json!({ "note": note }));
        self.tell("member.unprotected", json!({ "by": "hand" }), personal, None)
    }

    /// A person changes a protected account once the protection is ended, or by releasing the one
    /// change that automation wants.
    pub(super) fn not_protected(&mut self, what: &str) -> Result<(), ServiceError> {
        let found = protections::of_members(self.tx, self.scribe.workspace, [&self.member])?;
        let Some(given) = found.get(&self.member.id) else { return Ok(()) };
        Err(ServiceError::Conflict(format!(
            "this account is protected (\u{201c}{}\u{201d}, by {}) and is not {what}: unprotect it first",
            given.reason, given.by
        )))
    }

    /// The account that the hub works with is never touched anyhow (R4.8).
    fn not_the_hubs_own(&self) -> Result<(), ServiceError> {
        let shown = [self.member.email_key.as_deref(), Some(&*self.member.display), self.member.remote_id.as_deref()];
        if !sync::is_service(self.hub, shown.into_iter().flatten()) {
            return Ok(());
        }
        Err(ServiceError::Conflict(String::from(
            "this is the account that the hub works with: nothing of ours ever changes it",
        )))
    }
}
