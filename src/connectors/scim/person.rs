//! A person as SCIM has them: what we send, and what is read from an app's answer.

use serde_json::{Map, Value, json};

use super::{Object, RoleCarrier, Session, Settings};
use crate::domain::member::Presence;
use crate::domain::task::Effect;
use crate::engine::connector::{Failure, FailureClass, RemoteMember};

/// The core user's URN.
pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// Longer texts of an app are cut, longer ids refused (threat T-33).
const TEXT: usize = 1_024;

impl Settings {
    /// The userName this app knows the person by.
    pub(super) fn user_name<'e>(&self, effect: &'e Effect) -> &'e str {
        let person = &effect.principal;
        if self.email_as_user_name && !person.email.is_empty() { &person.email } else { &person.user_name }
    }

    /// The body of a create: no nulls, real booleans, the role where the app keeps it.
    pub(super) fn document(&self, effect: &Effect) -> Object {
        let person = &effect.principal;
        let mut document = Map::new();
        document.insert(String::from("schemas"), json!([USER]));
        if let Some(id) = &person.external_id {
            document.insert(String::from("externalId"), Value::String(id.clone()));
        }
        document.insert(String::from("userName"), Value::String(self.user_name(effect).to_owned()));
        let mut name = Map::new();
        for (part, value) in [("givenName", &person.given_name), ("familyName", &person.family_name)] {
            if let Some(value) = value {
                name.insert(part.to_owned(), Value::String(value.clone()));
            }
        }
        if !name.is_empty() {
            document.insert(String::from("name"), Value::Object(name));
        }
        if let Some(display) = &person.display_name {
            document.insert(String::from("displayName"), Value::String(display.clone()));
        }
        if !person.email.is_empty() {
            let email = json!([{"value": person.email, "type": "work", "primary": true}]);
            document.insert(String::from("emails"), email);
        }
        document.insert(String::from("active"), Value::Bool(true));
        for (name, value) in &effect.extra {
            if let Some(target) = self.create_fields.get(name) {
                set(&mut document, target, Value::String(value.clone()));
            }
        }
        if let Some(role) = &effect.role
            && let Some((path, value)) = self.role_edit(&Map::new(), role)
        {
            set(&mut document, &path, value);
        }
        if let Some((path, value)) = self.assets_edit(&Map::new(), &effect.assets) {
            set(&mut document, &path, value);
        }
        document
    }
}

/// Put a value at an attribute path, perhaps of an extension, whose URN is then declared.
pub(super) fn set(document: &mut Object, path: &str, value: Value) {
    match path.rsplit_once(':') {
        None => {
            document.insert(path.to_owned(), value);
        }
        Some((urn, name)) => {
            if let Some(Value::Array(schemas)) = document.get_mut("schemas")
                && !schemas.iter().any(|s| s.as_str() == Some(urn))
            {
                schemas.push(Value::String(urn.to_owned()));
            }
            let extension = document.entry(urn).or_insert_with(|| Value::Object(Map::new()));
            if let Some(extension) = extension.as_object_mut() {
                extension.insert(name.to_owned(), value);
            }
        }
    }
}

/// A text attribute; the name is compared without case, as RFC 7643 section 2.1 has it.
pub(super) fn text<'r>(resource: &'r Object, name: &str) -> Option<&'r str> {
    attribute(resource, name).and_then(Value::as_str)
}

/// Any attribute; the name is compared without case.
pub(super) fn attribute<'r>(resource: &'r Object, name: &str) -> Option<&'r Value> {
    resource.get(name).or_else(|| resource.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// The value at an attribute path, perhaps of an extension.
pub(super) fn at<'r>(resource: &'r Object, path: &str) -> Option<&'r Value> {
    match path.rsplit_once(':') {
        Some((urn, name)) => attribute(attribute(resource, urn)?.as_object()?, name),
        None => attribute(resource, path),
    }
}

/// The app's stable id; `None` when it is missing or no id we could send back.
pub(super) fn id(resource: &Object) -> Option<&str> {
    text(resource, "id").filter(|id| !id.is_empty() && id.len() <= TEXT && !id.chars().any(char::is_control))
}

/// All e-mail addresses, as shown.
pub(super) fn emails(resource: &Object) -> impl Iterator<Item = &str> {
    let list = attribute(resource, "emails").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|email| email.get("value").and_then(Value::as_str))
}

/// The primary address, else the first.
fn email(resource: &Object) -> Option<&str> {
    let list = attribute(resource, "emails").and_then(Value::as_array)?;
    let primary = list.iter().find(|email| email.get("primary").is_some_and(is_true));
    primary.or_else(|| list.first())?.get("value")?.as_str()
}

/// `true`, also as text.
pub(super) fn is_true(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true")))
}

/// Whether the account is usable; an app that says nothing about it means yes.
pub(super) fn is_active(resource: &Object) -> bool {
    attribute(resource, "active").is_none_or(|value| value.is_null() || is_true(value))
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT).collect()
}

fn display(resource: &Object) -> Option<String> {
    if let Some(name) = text(resource, "displayName").filter(|name| !name.is_empty()) {
        return Some(shown(name));
    }
    let name = attribute(resource, "name")?.as_object()?;
    if let Some(formatted) = text(name, "formatted").filter(|name| !name.is_empty()) {
        return Some(shown(formatted));
    }
    let parts: Vec<&str> = [text(name, "givenName"), text(name, "familyName")].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| shown(&parts.join(" ")))
}

impl Session<'_> {
    /// An account as the engine knows accounts.
    pub(super) async fn member(&self, resource: &Object) -> Result<RemoteMember, Failure> {
        let Some(id) = id(resource) else {
            return Err(Failure::new(FailureClass::Invalid, "the app shows an account without a usable id"));
        };
        let role = match self.settings.role {
            RoleCarrier::Groups => self.role_by_group(resource, id).await?,
            RoleCarrier::Roles | RoleCarrier::Entitlements | RoleCarrier::Attribute(_) | RoleCarrier::None => {
                self.settings.role_of(resource)
            }
        };
        Ok(RemoteMember {
            remote_id: id.to_owned(),
            user_name: text(resource, "userName").map(shown),
            email: email(resource).map(shown),
            name: display(resource),
            role: role.map(|role| shown(&role)),
            assets: self.settings.assets_of(resource)?,
            presence: match (is_active(resource), self.settings.is_invited(resource)) {
                (false, _) => Presence::Suspended,
                (true, true) => Presence::Pending,
                (true, false) => Presence::Active,
            },
            expires_at: self.settings.invitation_ends(resource),
        })
    }
}
