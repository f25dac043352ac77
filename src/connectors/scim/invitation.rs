//! People who are invited and have not joined, where an app shows that on their account: SCIM itself
//! has no word for it, so the manifest or the hub names the attributes.

use serde_json::Value;

use super::change::{required_id, version};
use super::person::at;
use super::wire::Trouble;
use super::{Object, Session, Settings};
use crate::base::clock::Micros;
use crate::domain::member::Presence;
use crate::domain::task::Effect;
use crate::engine::connector::{Failure, FailureClass, RemoteMember};
use crate::net::Method;
use crate::scim::fold;

impl Settings {
    /// Whether the account's person has not joined yet.
    pub(super) fn is_invited(&self, resource: &Object) -> bool {
        let state = self.invitation.state.as_ref().and_then(|path| at(resource, path)).and_then(Value::as_str);
        state.is_some_and(|state| {
            ["pending", "invited", "expired"].iter().any(|word| word.eq_ignore_ascii_case(state.trim()))
        })
    }

    /// When the invitation runs out, where the app says it.
    pub(super) fn invitation_ends(&self, resource: &Object) -> Option<Micros> {
        let ends = self.invitation.expires.as_ref().and_then(|path| at(resource, path)).and_then(Value::as_str)?;
        Micros::parse_rfc3339(ends.trim())
    }
}

impl Session<'_> {
    /// Whether this invitation is not the wanted one: it ran out, or it is the one after which a person
    /// asked for another (R6.6). One under another id is the answer to that.
    pub(super) fn must_be_sent_again(&self, member: &RemoteMember, effect: &Effect) -> bool {
        let ran_out = member.expires_at.is_some_and(|at| at <= self.wire.today());
        let asked = effect.again && effect.remote_id.as_deref() == Some(member.remote_id.as_str());
        member.presence == Presence::Pending && (ran_out || asked)
    }

    /// SCIM sends no second invitation for one account: the old one is taken back before. Told with the
    /// version that was read, so that who accepts in this moment keeps their account.
    pub(super) async fn take_back(&self, resource: &Object, effect: &Effect) -> Result<(), Failure> {
        let id = required_id(resource)?.to_owned();
        let etag = if self.features().await?.etag { version(resource) } else { None };
        match self.wire.change(Method::Delete, &["Users", &id], etag.as_deref(), None).await {
            Ok(_) => {}
            Err(Trouble::Refused(refusal)) => match refusal.status {
                404 | 410 => {}
                412 => {
                    let why = "the account changed while its invitation was sent again";
                    return Err(Failure::new(FailureClass::Transient, why));
                }
                405 | 501 => {
                    let why = "this app takes no invitation back: send it again in the app";
                    return Err(Failure::new(FailureClass::NeedsHuman, why));
                }
                _ => return Err(refusal.failure),
            },
            Err(Trouble::Failed(failure)) => return Err(failure),
        }
        self.learned.note_person(fold::user_name(self.settings.user_name(effect)), None);
        Ok(())
    }
}
