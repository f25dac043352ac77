//! Roles as membership in a group of that name. One person is one small PATCH; the group is
//! never written whole unless the app has no PATCH, and writes go one after the other.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::change::{PATCH, version};
use super::discovery::Refuses;
use super::find::Found;
use super::paging::{self, Cursor};
use super::person::{self, attribute, text};
use super::wire::Trouble;
use super::{Object, Session};
use crate::domain::permissions::Permissions;
use crate::engine::connector::{Failure, FailureClass, RemoteMember};
use crate::net::Method;
use crate::scim::fold;

/// What to do with one membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Membership {
    In,
    Out,
}

impl Session<'_> {
    /// Put the person into the group of `role` and out of the other roles' groups, in this order:
    /// two roles for a moment, never none.
    pub(super) async fn join(&self, resource: &Object, role: &str) -> Result<RemoteMember, Failure> {
        let id = person::id(resource)
            .ok_or_else(|| Failure::new(FailureClass::Invalid, "the app shows an account without a usable id"))?;
        let _one_at_a_time = self.learned.group_writes.lock().await;
        let held = self.role_groups(resource, id).await?;
        let wanted = if self.settings.flat {
            Permissions::read(role).ids().map(String::from).collect()
        } else {
            vec![role.to_owned()]
        };
        let among = |names: &[String], name: &str| names.iter().any(|one| one.eq_ignore_ascii_case(name));
        for role in wanted.iter().filter(|role| !among(&held, role)) {
            let group = self
                .group(role)
                .await?
                .ok_or_else(|| Failure::new(FailureClass::Invalid, format!("the app has no group called '{role}'")))?;
            self.write_membership(&group, id, Membership::In).await?;
        }
        for other in held.iter().filter(|name| !among(&wanted, name)) {
            if let Some(group) = self.group(other).await? {
                self.write_membership(&group, id, Membership::Out).await?;
            }
        }
        let Found::One(fresh) = self.by_id(id).await? else {
            return Err(Failure::new(FailureClass::NotFound, "the account is not in the app any more"));
        };
        let mut member = self.member(&fresh).await?;
        member.role = Some(if self.settings.flat { role.to_owned() } else { self.settings.spelled(role) });
        Ok(member)
    }

    /// The best role among the groups a person is in; of permissions that add up all of them.
    pub(super) async fn role_by_group(&self, resource: &Object, id: &str) -> Result<Option<String>, Failure> {
        let held = self.role_groups(resource, id).await?;
        if self.settings.flat {
            return Ok((!held.is_empty()).then(|| Permissions::from_iter(held).to_string()));
        }
        let best = self.settings.roles.iter().find(|role| held.iter().any(|name| name.eq_ignore_ascii_case(role)));
        Ok(best.cloned().or_else(|| held.into_iter().next()))
    }

    /// The role groups a person is in: from the account where the app shows groups there, else
    /// from the groups themselves. Groups that are no roles of the manifest are not ours.
    async fn role_groups(&self, resource: &Object, id: &str) -> Result<Vec<String>, Failure> {
        if let Some(Value::Array(groups)) = attribute(resource, "groups")
            && groups.iter().all(|group| group.get("display").is_some_and(Value::is_string))
        {
            let names = groups.iter().filter_map(|group| group.get("display").and_then(Value::as_str));
            return Ok(names.filter(|name| self.is_role(name)).map(|name| self.settings.spelled(name)).collect());
        }
        let mut held = Vec::new();
        for role in &self.settings.roles {
            if let Some(group) = self.group(role).await?
                && self.members_of(&group).await?.contains(id)
            {
                held.push(role.clone());
            }
        }
        Ok(held)
    }

    fn is_role(&self, name: &str) -> bool {
        self.settings.roles.is_empty() || self.settings.roles.iter().any(|role| role.eq_ignore_ascii_case(name))
    }

    async fn members_of(&self, group: &str) -> Result<HashSet<String>, Failure> {
        match self.wire.get(&["Groups", group], &[]).await {
            Ok(body) => Ok(members(&body).filter_map(|m| m.get("value")?.as_str().map(String::from)).collect()),
            Err(Trouble::Refused(refusal)) if refusal.status == 404 => Ok(HashSet::new()),
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// The id of the group with this name.
    async fn group(&self, name: &str) -> Result<Option<String>, Failure> {
        if let Some(id) = self.learned.group(name) {
            return Ok(Some(id));
        }
        let wanted = fold::text(name);
        let hit = |list: Vec<Object>| {
            let hit = list.iter().find(|g| text(g, "displayName").is_some_and(|n| fold::text(n) == wanted));
            hit.and_then(person::id).map(String::from)
        };
        let mut found = None;
        if self.features().await?.filter {
            let filter = format!("displayName eq {}", Value::String(name.to_owned()));
            let query = [("filter", filter.as_str()), ("excludedAttributes", "members")];
            match self.wire.get(&["Groups"], &query).await {
                Ok(body) => found = hit(paging::read(body, &Cursor::Index(1))?.resources),
                Err(Trouble::Refused(refusal)) if matches!(refusal.status, 400 | 404 | 405 | 500 | 501) => {}
                Err(trouble) => return Err(trouble.into()),
            }
        }
        let mut next = if found.is_none() { Some(self.first_page().await?) } else { None };
        while let (None, Some(cursor)) = (&found, next) {
            let page = self.page("Groups", cursor, paging::COUNT).await?;
            found = hit(page.resources);
            next = page.next;
        }
        self.learned.note_group(name, found.as_deref());
        Ok(found)
    }

    async fn write_membership(&self, group: &str, id: &str, wanted: Membership) -> Result<(), Failure> {
        if !self.features().await?.patch {
            return self.rewrite(group, id, wanted).await;
        }
        let by_value = json!({"op": "remove", "path": "members", "value": [{"value": id}]});
        let operation = match wanted {
            Membership::In => json!({"op": "add", "path": "members", "value": [{"value": id}]}),
            Membership::Out if self.learned.knows(Refuses::ValuePath) => by_value.clone(),
            Membership::Out => {
                json!({"op": "remove", "path": format!("members[value eq {}]", Value::String(id.to_owned()))})
            }
        };
        match self.patch_group(group, &operation).await {
            Ok(()) => Ok(()),
            Err(Trouble::Refused(refusal)) => match (wanted, refusal.status) {
                (_, 405) | (Membership::In, 501) => {
                    self.learned.refuses(Refuses::Patch);
                    self.rewrite(group, id, wanted).await
                }
                // Some apps take no filters in paths (section 6.2).
                (Membership::Out, 400 | 501) if !self.learned.knows(Refuses::ValuePath) => {
                    self.patch_group(group, &by_value).await?;
                    self.learned.refuses(Refuses::ValuePath);
                    Ok(())
                }
                // Out of a group that is gone, or that the person is not in any more.
                (Membership::Out, 404) => Ok(()),
                (Membership::In, 404) => Err(Failure::new(
                    FailureClass::Transient,
                    "the group or the account went away; it will be looked up again",
                )),
                _ => Err(refusal.failure),
            },
            Err(trouble) => Err(trouble.into()),
        }
    }

    async fn patch_group(&self, group: &str, operation: &Value) -> Result<(), Trouble> {
        let body = json!({"schemas": [PATCH], "Operations": [operation]});
        let done = self.wire.change(Method::Patch, &["Groups", group], None, Some(&body)).await;
        if matches!(&done, Err(Trouble::Refused(refusal)) if refusal.status == 404) {
            for role in &self.settings.roles {
                self.learned.note_group(role, None);
            }
        }
        done.map(|_| ())
    }

    /// No PATCH: read the group, change the list, write it whole.
    async fn rewrite(&self, group: &str, id: &str, wanted: Membership) -> Result<(), Failure> {
        let current = self.wire.get(&["Groups", group], &[]).await?;
        let mut list: Vec<Value> = members(&current).cloned().collect();
        list.retain(|member| member.get("value").and_then(Value::as_str) != Some(id));
        if wanted == Membership::In {
            list.push(json!({"value": id}));
        }
        let Value::Object(mut body) = current else {
            return Err(Failure::new(FailureClass::Transient, "the app answered with something that is not a group"));
        };
        // Somebody else's member must not be lost between reading and writing.
        let etag = if self.features().await?.etag { version(&body) } else { None };
        body.retain(|name, value| name != "meta" && !value.is_null());
        body.insert(String::from("members"), Value::Array(list));
        self.wire.change(Method::Put, &["Groups", group], etag.as_deref(), Some(&Value::Object(body))).await?;
        Ok(())
    }
}

fn members(group: &Value) -> impl Iterator<Item = &Value> {
    group.get("members").and_then(Value::as_array).into_iter().flatten()
}
