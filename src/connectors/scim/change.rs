//! Making an account as wanted: create or adopt, role, suspend, remove; by PATCH, or by reading,
//! changing and writing the whole account where an app has no PATCH (section 6.3).

use serde_json::{Value, json};

use super::discovery::Refuses;
use super::find::Found;
use super::person::{self, set};
use super::wire::Trouble;
use super::{Object, RoleCarrier, Session, is_active};
use crate::domain::member::Presence;
use crate::domain::task::Effect;
use crate::engine::connector::{Failure, FailureClass, Outcome, RemoteMember};
use crate::net::Method;
use crate::scim::fold;

/// The PATCH message's URN.
pub(super) const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// Whether a way of changing is there at all.
enum Way<T> {
    Done(T),
    NotOffered,
}

/// An attribute path and its new value.
type Edit = (String, Value);

impl Session<'_> {
    /// Give the person a seat: look first, create, or take over what is in the way.
    pub(super) async fn add(&self, effect: &Effect) -> Result<Outcome, Failure> {
        match self.locate(effect).await? {
            Found::One(resource) if self.must_be_sent_again(&self.member(&resource).await?, effect) => {
                self.take_back(&resource, effect).await?;
                self.create(effect).await
            }
            Found::One(resource) => self.existing(&resource, effect).await,
            Found::Nobody => self.create(effect).await,
        }
    }

    /// Give an account another role, other assets, or both.
    pub(super) async fn update_role(&self, effect: &Effect) -> Result<Outcome, Failure> {
        let gone = || Failure::new(FailureClass::NotFound, "the app has no account of this person any more");
        let Found::One(resource) = self.locate(effect).await? else { return Err(gone()) };
        let member = self.member(&resource).await?;
        if self.is_as_wanted(&member, effect) {
            return Ok(Outcome::AlreadyInState(Some(member)));
        }
        match self.set_grant(&resource, effect).await {
            // It went away between look and change, perhaps to come back under another id.
            Err(failure) if failure.class == FailureClass::NotFound => {
                match self.by_user_name(self.settings.user_name(effect)).await? {
                    Found::One(again) => self.set_grant(&again, effect).await.map(|m| Outcome::Applied(Some(m))),
                    Found::Nobody => Err(gone()),
                }
            }
            Err(failure) => Err(failure),
            Ok(member) => Ok(Outcome::Applied(Some(member))),
        }
    }

    /// Block the account and keep it.
    pub(super) async fn suspend(&self, effect: &Effect) -> Result<Outcome, Failure> {
        match self.locate(effect).await? {
            Found::Nobody => Ok(Outcome::AlreadyInState(None)),
            Found::One(resource) => self.deactivate(&resource).await,
        }
    }

    /// Free the seat. Done only when the app took the DELETE or its list has nobody.
    pub(super) async fn remove(&self, effect: &Effect) -> Result<Outcome, Failure> {
        let resource = match self.locate(effect).await? {
            Found::Nobody => return Ok(Outcome::AlreadyInState(None)),
            Found::One(resource) => resource,
        };
        if self.settings.removal_deactivates || self.learned.knows(Refuses::Delete) {
            return self.deactivate(&resource).await;
        }
        let id = required_id(&resource)?.to_owned();
        match self.wire.change(Method::Delete, &["Users", &id], None, None).await {
            Ok(_) => {
                self.learned.note_person(fold::user_name(self.settings.user_name(effect)), None);
                Ok(Outcome::Applied(None))
            }
            Err(Trouble::Refused(refusal)) => match refusal.status {
                404 | 410 => match (self.locate(effect).await?, refusal.scim) {
                    (Found::Nobody, _) => Ok(Outcome::Applied(None)),
                    (Found::One(still), false) => {
                        self.learned.refuses(Refuses::Delete);
                        self.deactivate(&still).await
                    }
                    (Found::One(_), true) => Err(Failure::new(
                        FailureClass::Forbidden,
                        "the app says the account is not there, and shows it: the credential may not remove it",
                    )),
                },
                405 | 501 => {
                    self.learned.refuses(Refuses::Delete);
                    self.deactivate(&resource).await
                }
                _ => Err(refusal.failure),
            },
            Err(Trouble::Failed(failure)) => Err(failure),
        }
    }

    async fn deactivate(&self, resource: &Object) -> Result<Outcome, Failure> {
        // Assets go with the seat (R5.12), also where the app keeps the account.
        let mut edits: Vec<Edit> = self.settings.assets_edit(resource, &[]).into_iter().collect();
        if person::is_active(resource) {
            edits.push((String::from("active"), Value::Bool(false)));
        }
        if edits.is_empty() {
            return Ok(Outcome::AlreadyInState(Some(self.member(resource).await?)));
        }
        let after = self.edit(resource, &edits).await?;
        Ok(Outcome::Applied(Some(self.member(&after).await?)))
    }

    /// An add that meets an account. A role or assets in use are never changed silently; a blocked account,
    /// or one without any of both, is completed.
    async fn existing(&self, resource: &Object, effect: &Effect) -> Result<Outcome, Failure> {
        let member = self.member(resource).await?;
        let has_role = self.has_role(&member, effect);
        let bare = member.role.is_none() && member.assets.as_ref().is_none_or(Vec::is_empty);
        match (is_active(&member), self.is_as_wanted(&member, effect)) {
            (true, true) => Ok(Outcome::AlreadyInState(Some(member))),
            (true, false) if bare => self.set_grant(resource, effect).await.map(|m| Outcome::Applied(Some(m))),
            (true, false) => Ok(Outcome::NeedsRoleChange(member)),
            (false, _) => {
                let mut edits: Vec<Edit> = self.settings.assets_edit(resource, &effect.assets).into_iter().collect();
                if let Some(role) = effect.role.as_ref().filter(|_| !has_role) {
                    edits.extend(self.settings.role_edit(resource, role));
                }
                edits.push((String::from("active"), Value::Bool(true)));
                let after = self.edit(resource, &edits).await?;
                if !has_role && self.settings.role == RoleCarrier::Groups {
                    return self.set_grant(&after, effect).await.map(|m| Outcome::Applied(Some(m)));
                }
                Ok(Outcome::Applied(Some(self.member(&after).await?)))
            }
        }
    }

    async fn create(&self, effect: &Effect) -> Result<Outcome, Failure> {
        let document = self.settings.document(effect);
        let body = Value::Object(document.clone());
        let answer = match self.wire.change(Method::Post, &["Users"], None, Some(&body)).await {
            Ok(answer) => answer,
            Err(Trouble::Refused(refusal)) if refusal.in_the_way() => return self.adopt(effect).await,
            Err(trouble) => {
                // The account may be there now, whatever an earlier look remembered.
                self.learned.forget_people();
                return Err(trouble.into());
            }
        };
        let created = self.created(document, answer, effect).await?;
        let id = required_id(&created)?.to_owned();
        self.learned.note_person(fold::user_name(self.settings.user_name(effect)), Some(&id));
        let member = self.member(&created).await?;
        match (self.is_as_wanted(&member, effect), member.presence) {
            // A role waits for the acceptance (R4.12); the app was told the wanted one all the same.
            (_, Presence::Pending) => return Ok(Outcome::Pending(member)),
            (true, Presence::Active | Presence::Suspended | Presence::Absent) => {
                return Ok(Outcome::Applied(Some(member)));
            }
            (false, Presence::Active | Presence::Suspended | Presence::Absent) => {}
        }
        match self.set_grant(&created, effect).await {
            Ok(member) => Ok(Outcome::Applied(Some(member))),
            Err(failure) => Ok(Outcome::PartiallyApplied {
                remote_id: id,
                remaining: format!("the account is there, its role and assets are not yet: {failure}"),
            }),
        }
    }

    /// The created account: as answered over what was sent, because answers may be partial.
    async fn created(&self, sent: Object, answer: Option<Value>, effect: &Effect) -> Result<Object, Failure> {
        if let Some(Value::Object(answered)) = answer
            && person::id(&answered).is_some()
        {
            let full = person::text(&answered, "userName").is_some();
            return Ok(if full { answered } else { sent.into_iter().chain(answered).collect() });
        }
        // Created without telling the id: the list may know it.
        self.learned.forget_people();
        match self.by_user_name(self.settings.user_name(effect)).await? {
            Found::One(resource) => Ok(resource),
            Found::Nobody => Err(Failure::new(
                FailureClass::Invalid,
                "the app said the account was created but gave no id and does not list it",
            )),
        }
    }

    /// The app says "already there", with or without saying what: find it, exactly.
    async fn adopt(&self, effect: &Effect) -> Result<Outcome, Failure> {
        self.learned.forget_people();
        let found = match self.by_user_name(self.settings.user_name(effect)).await? {
            Found::Nobody if !effect.principal.email.is_empty() => self.by_email(&effect.principal.email).await?,
            found => found,
        };
        match found {
            Found::One(resource) => self.existing(&resource, effect).await,
            Found::Nobody => Err(Failure::new(
                FailureClass::NeedsHuman,
                "the app says this person has an account already but does not show it over SCIM; \
                 remove or link that account in the app",
            )),
        }
    }

    /// Give the wanted role and assets, in one write where the account carries both.
    async fn set_grant(&self, resource: &Object, effect: &Effect) -> Result<RemoteMember, Failure> {
        let mut edits = Vec::new();
        let mut joined = None;
        match &effect.role {
            Some(role) if self.settings.role == RoleCarrier::Groups => joined = Some(self.join(resource, role).await?),
            Some(role) => {
                let now = self.member(resource).await?;
                edits.extend(self.settings.role_edit(resource, role).filter(|_| !self.has_role(&now, effect)));
            }
            None => {}
        }
        edits.extend(self.settings.assets_edit(resource, &effect.assets));
        let member = match (edits.is_empty(), joined) {
            (true, Some(member)) => member,
            (true, None) => self.member(resource).await?,
            (false, joined) => {
                let after = self.member(&self.edit(resource, &edits).await?).await?;
                RemoteMember { role: joined.map_or(after.role, |joined| joined.role), ..after }
            }
        };
        match (self.has_role(&member, effect), self.has_assets(&member, effect)) {
            (true, true) => Ok(member),
            (has_role, _) => {
                let what = match &effect.role {
                    Some(role) if !has_role => format!("the role {role}"),
                    Some(_) | None => String::from("the assets"),
                };
                let why = format!("the app took the change but does not keep {what}");
                Err(Failure::new(FailureClass::Invalid, why))
            }
        }
    }

    /// Change attributes of an account; the account afterwards.
    async fn edit(&self, resource: &Object, edits: &[Edit]) -> Result<Object, Failure> {
        let patch_first = self.features().await?.patch;
        for patch in [patch_first, !patch_first] {
            let way = if patch { self.patch(resource, edits).await? } else { self.put(resource, edits).await? };
            if let Way::Done(after) = way {
                return Ok(after);
            }
        }
        Err(Failure::new(FailureClass::NotSupported, "the app changes accounts neither by PATCH nor by PUT"))
    }

    async fn patch(&self, resource: &Object, edits: &[Edit]) -> Result<Way<Object>, Failure> {
        let id = required_id(resource)?;
        let operations: Vec<Value> =
            edits.iter().map(|(path, value)| json!({"op": "replace", "path": path, "value": value})).collect();
        let body = json!({"schemas": [PATCH], "Operations": operations});
        match self.wire.change(Method::Patch, &["Users", id], None, Some(&body)).await {
            Ok(answer) => Ok(Way::Done(after(resource, edits, answer))),
            Err(Trouble::Refused(refusal)) => match refusal.status {
                405 | 501 => {
                    self.learned.refuses(Refuses::Patch);
                    Ok(Way::NotOffered)
                }
                404 => self.still_there(id, refusal.scim, Refuses::Patch).await,
                _ => Err(refusal.failure),
            },
            Err(Trouble::Failed(failure)) => Err(failure),
        }
    }

    async fn put(&self, resource: &Object, edits: &[Edit]) -> Result<Way<Object>, Failure> {
        if self.learned.knows(Refuses::Put) {
            return Ok(Way::NotOffered);
        }
        let id = required_id(resource)?;
        let etags = self.features().await?.etag;
        let mut reread = true;
        loop {
            // The whole account as it is now: what we do not know of it must survive.
            let Found::One(current) = self.by_id(id).await? else { return Err(gone()) };
            let etag = etags.then(|| version(&current)).flatten();
            let body = Value::Object(writable(&current, edits));
            match self.wire.change(Method::Put, &["Users", id], etag.as_deref(), Some(&body)).await {
                Ok(answer) => return Ok(Way::Done(after(&current, edits, answer))),
                Err(Trouble::Refused(refusal)) => match refusal.status {
                    412 if reread => reread = false,
                    405 | 501 => {
                        self.learned.refuses(Refuses::Put);
                        return Ok(Way::NotOffered);
                    }
                    // Never read as "user gone" by itself: some apps have no PUT route at all.
                    404 => return self.still_there(id, refusal.scim, Refuses::Put).await,
                    _ => return Err(refusal.failure),
                },
                Err(Trouble::Failed(failure)) => return Err(failure),
            }
        }
    }

    /// A change was answered 404: is the account gone, or the way?
    async fn still_there(&self, id: &str, scim_error: bool, way: Refuses) -> Result<Way<Object>, Failure> {
        match self.by_id(id).await? {
            Found::Nobody => Err(gone()),
            Found::One(_) => {
                if !scim_error {
                    self.learned.refuses(way);
                }
                Ok(Way::NotOffered)
            }
        }
    }
}

fn gone() -> Failure {
    Failure::new(FailureClass::NotFound, "the account is not in the app any more")
}

pub(super) fn required_id(resource: &Object) -> Result<&str, Failure> {
    person::id(resource)
        .ok_or_else(|| Failure::new(FailureClass::Invalid, "the app shows an account without a usable id"))
}

/// `meta.version`, as `If-Match` wants it.
pub(super) fn version(resource: &Object) -> Option<String> {
    resource.get("meta")?.get("version")?.as_str().filter(|v| v.is_ascii()).map(String::from)
}

/// What a PUT sends: the account without what only the app writes, without nulls, with the edits.
fn writable(current: &Object, edits: &[Edit]) -> Object {
    let mut body: Object = current
        .iter()
        .filter(|(name, value)| !matches!(name.as_str(), "meta" | "groups" | "password") && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (path, value) in edits {
        set(&mut body, path, value.clone());
    }
    body
}

/// The account after an edit: as answered when that is whole, else as read with the edit applied.
fn after(before: &Object, edits: &[Edit], answer: Option<Value>) -> Object {
    match answer {
        Some(Value::Object(answered))
            if person::id(&answered).is_some() && person::text(&answered, "userName").is_some() =>
        {
            answered
        }
        Some(_) | None => {
            let mut after = before.clone();
            for (path, value) in edits {
                set(&mut after, path, value.clone());
            }
            after
        }
    }
}
