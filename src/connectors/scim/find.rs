//! Finding one person's account. A filter's answer is checked, never trusted: apps ignore
//! filters, refuse them or crash on them (section 6.3), and then all accounts are read.

use std::collections::HashMap;

use serde_json::Value;

use super::discovery::Refuses;
use super::wire::Trouble;
use super::{Object, Session, paging, person};
use crate::domain::task::{Effect, TaskKind};
use crate::engine::connector::{Failure, FailureClass};
use crate::scim::fold;

/// What a search ended with. Failures are not an end: "nobody" is said only when it is sure.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    /// Exactly one account.
    One(Object),
    /// Surely none.
    Nobody,
}

/// What people are looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    UserName,
    /// Our id for the person, which the account carries since we created it.
    ExternalId,
    Email,
}

impl Key {
    fn path(self) -> &'static str {
        match self {
            Self::UserName => "userName",
            Self::ExternalId => "externalId",
            Self::Email => "emails.value",
        }
    }

    /// Our own comparison: without case, but for `externalId` (RFC 7643 section 3.1).
    fn matches(self, resource: &Object, wanted: &str) -> bool {
        match self {
            Self::UserName => person::text(resource, "userName").is_some_and(|name| fold::user_name(name) == wanted),
            Self::ExternalId => person::text(resource, "externalId") == Some(wanted),
            Self::Email => person::emails(resource).any(|email| fold::email(email) == wanted),
        }
    }
}

impl Session<'_> {
    /// The account an effect is about: by the app's stable id, else by userName, else by our id,
    /// which finds who was renamed since.
    pub(super) async fn locate(&self, effect: &Effect) -> Result<Found, Failure> {
        if let Some(id) = &effect.remote_id
            && let Found::One(resource) = self.by_id(id).await?
        {
            return Ok(Found::One(resource));
        }
        // A 404 for an id alone proves nothing: the app may have made the account anew, and some
        // say 404 for "you may not see this". The list has to agree.
        if effect.kind == TaskKind::Remove {
            self.learned.forget_people();
        }
        match (self.by_user_name(self.settings.user_name(effect)).await?, &effect.principal.external_id) {
            (Found::Nobody, Some(id)) => self.by_external_id(id).await,
            (found, _) => Ok(found),
        }
    }

    /// The account that carries our id: only where the app can be asked for it. That nobody has
    /// the userName is known already, so a refusal or an odd answer is "nobody" here.
    async fn by_external_id(&self, id: &str) -> Result<Found, Failure> {
        if !self.features().await?.filter || self.learned.knows(Refuses::ExternalId) {
            return Ok(Found::Nobody);
        }
        if let Some(found) = self.filtered(Key::ExternalId, id, id).await? {
            return Ok(found);
        }
        self.learned.refuses(Refuses::ExternalId);
        Ok(Found::Nobody)
    }

    /// The account with this id; `Nobody` on 404.
    pub(super) async fn by_id(&self, id: &str) -> Result<Found, Failure> {
        match self.wire.get(&["Users", id], &[]).await {
            Ok(Value::Object(resource)) if person::id(&resource).is_some_and(|got| got.eq_ignore_ascii_case(id)) => {
                Ok(Found::One(resource))
            }
            Ok(_) => Err(Failure::new(FailureClass::Transient, "the app answered with another account than asked for")),
            Err(Trouble::Refused(refusal)) if matches!(refusal.status, 404 | 410) => Ok(Found::Nobody),
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// The account with this userName.
    pub(super) async fn by_user_name(&self, user_name: &str) -> Result<Found, Failure> {
        self.find(Key::UserName, user_name).await
    }

    /// The account with this e-mail address: only to adopt what stands in the way of a create.
    pub(super) async fn by_email(&self, email: &str) -> Result<Found, Failure> {
        self.find(Key::Email, email).await
    }

    async fn find(&self, key: Key, wanted: &str) -> Result<Found, Failure> {
        let folded = match key {
            Key::UserName => fold::user_name(wanted),
            Key::ExternalId => wanted.to_owned(),
            Key::Email => fold::email(wanted),
        };
        if self.features().await?.filter
            && let Some(found) = self.filtered(key, wanted, &folded).await?
        {
            return Ok(found);
        }
        self.scanned(key, &folded).await
    }

    /// Ask with a filter; `None` when the app cannot be asked this way.
    async fn filtered(&self, key: Key, wanted: &str, folded: &str) -> Result<Option<Found>, Failure> {
        let filter = format!("{} eq {}", key.path(), Value::String(wanted.to_owned()));
        let count = paging::COUNT.to_string();
        let query = [("filter", filter.as_str()), ("startIndex", "1"), ("count", count.as_str())];
        let body = match self.wire.get(&["Users"], &query).await {
            Ok(body) => body,
            Err(Trouble::Refused(refusal)) => {
                return match refusal.status {
                    // Filters on other attributes are a rarer thing; their refusal says nothing about userName.
                    400 | 405 | 501 if key != Key::UserName => Ok(None),
                    500 if key == Key::ExternalId => Ok(None),
                    400 | 405 | 501 => {
                        self.learned.refuses(Refuses::Filter);
                        Ok(None)
                    }
                    // Some say 404 for "no hit", some for everything: read the list to know.
                    404 => Ok(None),
                    500 if self.learned.filter_crashed() => Ok(None),
                    _ => Err(refusal.failure),
                };
            }
            Err(Trouble::Failed(failure)) => return Err(failure),
        };
        if key == Key::UserName {
            self.learned.filter_works();
        }
        let page = paging::read(body, &paging::Cursor::Index(1))?;
        let rows = page.resources.len();
        let mut hits = page.resources.into_iter().filter(|resource| key.matches(resource, folded));
        let hit = hits.next();
        let another = hits.next().is_some();
        match hit {
            Some(_) if another => Err(several()),
            Some(resource) => {
                if rows > 1 && key == Key::UserName {
                    self.learned.refuses(Refuses::Filter);
                }
                Ok(Some(Found::One(resource)))
            }
            None if rows == 0 && page.total.unwrap_or(0) == 0 => Ok(Some(Found::Nobody)),
            // Other people's rows: the filter was ignored.
            None => {
                if rows > 0 && key == Key::UserName {
                    self.learned.refuses(Refuses::Filter);
                }
                Ok(None)
            }
        }
    }

    /// Read all accounts until the person is found. A complete reading is kept for a minute, so
    /// that a thousand new people do not cost a thousand readings.
    async fn scanned(&self, key: Key, folded: &str) -> Result<Found, Failure> {
        if key == Key::UserName {
            match self.learned.person(folded, self.wire.now()) {
                Some(None) => return Ok(Found::Nobody),
                Some(Some(id)) => {
                    if let Found::One(resource) = self.by_id(&id).await?
                        && key.matches(&resource, folded)
                    {
                        return Ok(Found::One(resource));
                    }
                }
                None => {}
            }
        }
        let mut people = HashMap::new();
        let mut next = Some(self.first_page().await?);
        while let Some(cursor) = next {
            let page = self.page("Users", cursor, paging::COUNT).await.map_err(no_list)?;
            for resource in page.resources {
                if key.matches(&resource, folded) {
                    return Ok(Found::One(resource));
                }
                if let (Some(name), Some(id)) = (person::text(&resource, "userName"), person::id(&resource)) {
                    people.insert(fold::user_name(name), id.to_owned());
                }
            }
            next = page.next;
        }
        self.learned.keep_people(people, self.wire.now());
        Ok(Found::Nobody)
    }
}

/// "Not found" for the list itself is not "nobody there": the address or the credential is wrong,
/// and every leaver would be reported as removed (section 1, rule 4).
fn no_list(failure: Failure) -> Failure {
    if failure.class == FailureClass::NotFound {
        let detail = "the app has no list of users at this base URL, or hides it from this credential";
        return Failure::new(FailureClass::AuthBroken, detail);
    }
    failure
}

fn several() -> Failure {
    Failure::new(FailureClass::Conflict, "the app has several accounts of this person; a person must choose one")
}
