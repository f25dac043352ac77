//! Roles in an attribute of the user: reading the one held, and the edit that gives another. Of an app
//! without ranks several are held, and only those that are ours are given and taken.

use serde_json::{Value, json};

use super::person::{at, attribute, is_true};
use super::{Object, RoleCarrier, Session, Settings};
use crate::domain::permissions::{JOINT, Permissions};
use crate::domain::task::Effect;
use crate::engine::connector::RemoteMember;
use crate::scim::fold;

impl Settings {
    /// The role an account holds, in the manifest's spelling where it knows the role.
    pub(super) fn role_of(&self, resource: &Object) -> Option<String> {
        if self.flat {
            let held = match &self.role {
                RoleCarrier::Roles => self.permissions(resource, "roles"),
                RoleCarrier::Entitlements => self.permissions(resource, "entitlements"),
                RoleCarrier::Attribute(_) | RoleCarrier::Groups | RoleCarrier::None => return None,
            };
            return (!held.is_empty()).then(|| held.to_string());
        }
        let held = match &self.role {
            RoleCarrier::Roles => self.element(resource, "roles"),
            RoleCarrier::Entitlements => self.element(resource, "entitlements"),
            RoleCarrier::Attribute(path) => at(resource, path).and_then(Value::as_str),
            RoleCarrier::Groups | RoleCarrier::None => None,
        }?;
        let held = held.trim();
        (!held.is_empty()).then(|| self.spelled(held))
    }

    /// The manifest's spelling of a role.
    pub(super) fn spelled(&self, role: &str) -> String {
        self.roles.iter().find(|known| known.eq_ignore_ascii_case(role)).map_or(role, String::as_str).to_owned()
    }

    /// The permissions of ours that an account holds.
    fn permissions(&self, resource: &Object, list: &str) -> Permissions {
        let elements = attribute(resource, list).and_then(Value::as_array).into_iter().flatten();
        elements.filter_map(|element| self.permission(element)).collect()
    }

    /// Which permission of ours an element is, in the manifest's spelling.
    fn permission(&self, element: &Value) -> Option<String> {
        let value = element.as_str().or_else(|| element.get("value").and_then(Value::as_str))?.trim();
        let known = self.open_roles || self.roles.iter().any(|role| role.eq_ignore_ascii_case(value));
        (self.is_ours(element) && known && !value.is_empty() && !value.contains(JOINT)).then(|| self.spelled(value))
    }

    /// Ours among the elements of a list: of our type, the primary one, else the first.
    fn element<'r>(&self, resource: &'r Object, list: &str) -> Option<&'r str> {
        let list = attribute(resource, list)?.as_array()?;
        let ours: Vec<&Value> = list.iter().filter(|element| self.is_ours(element)).collect();
        let primary = ours.iter().find(|element| element.get("primary").is_some_and(is_true));
        let chosen = primary.or_else(|| ours.first())?;
        // A few apps list roles as plain strings.
        chosen.as_str().or_else(|| chosen.get("value").and_then(Value::as_str))
    }

    fn is_ours(&self, element: &Value) -> bool {
        match &self.role_type {
            Some(wanted) => element.get("type").and_then(Value::as_str).is_some_and(|t| t.eq_ignore_ascii_case(wanted)),
            None => true,
        }
    }

    /// The attribute and value that give `role`; elements of other types stay. `None` where the
    /// role is not in an attribute.
    pub(super) fn role_edit(&self, resource: &Object, role: &str) -> Option<(String, Value)> {
        match &self.role {
            RoleCarrier::Roles => Some((String::from("roles"), self.list_with(resource, "roles", role))),
            RoleCarrier::Entitlements => {
                Some((String::from("entitlements"), self.list_with(resource, "entitlements", role)))
            }
            RoleCarrier::Attribute(path) => Some((path.clone(), Value::String(role.to_owned()))),
            RoleCarrier::Groups | RoleCarrier::None => None,
        }
    }

    /// The list with these permissions of ours and no others of ours. What is there already and what is
    /// not ours stays as it is.
    fn list_of(&self, resource: &Object, list: &str, wanted: &Permissions) -> Value {
        let present = attribute(resource, list).and_then(Value::as_array).into_iter().flatten();
        let stays = |element: &&Value| self.permission(element).is_none_or(|id| wanted.holds(&id));
        let mut after: Vec<Value> = present.filter(stays).cloned().collect();
        for element in after.iter_mut().filter_map(Value::as_object_mut) {
            element.retain(|_, value| !value.is_null());
        }
        let held = self.permissions(resource, list);
        for id in wanted.ids().filter(|id| !held.holds(id)) {
            let mut ours = json!({ "value": id });
            if let (Some(kind), Some(map)) = (&self.role_type, ours.as_object_mut()) {
                map.insert(String::from("type"), Value::String(kind.clone()));
            }
            after.push(ours);
        }
        Value::Array(after)
    }

    fn list_with(&self, resource: &Object, list: &str, role: &str) -> Value {
        if self.flat {
            return self.list_of(resource, list, &Permissions::read(role));
        }
        let mut ours = json!({"value": role, "primary": true});
        if let (Some(kind), Some(map)) = (&self.role_type, ours.as_object_mut()) {
            map.insert(String::from("type"), Value::String(kind.clone()));
        }
        let others = attribute(resource, list).and_then(Value::as_array).into_iter().flatten();
        let mut kept: Vec<Value> = others.filter(|element| !self.is_ours(element)).cloned().collect();
        for element in &mut kept {
            // At most one element of a list is primary (RFC 7643 section 2.4).
            if let Some(map) = element.as_object_mut() {
                map.shift_remove("primary");
                map.retain(|_, value| !value.is_null());
            }
        }
        kept.push(ours);
        Value::Array(kept)
    }
}

impl Session<'_> {
    /// Whether the account holds the wanted role; where there are no roles, every account does.
    pub(super) fn has_role(&self, member: &RemoteMember, effect: &Effect) -> bool {
        match (&self.settings.role, &effect.role) {
            (RoleCarrier::None, _) | (_, None) => true,
            (_, Some(wanted)) if self.settings.flat => {
                Permissions::read(&fold::text(member.role.as_deref().unwrap_or_default()))
                    == Permissions::read(&fold::text(wanted))
            }
            (_, Some(wanted)) => member.role.as_ref().is_some_and(|held| held.eq_ignore_ascii_case(wanted)),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::connectors::scim::Invitation;
    use crate::net::Target;

    pub(in crate::connectors::scim) fn settings(role: RoleCarrier, role_type: Option<&str>) -> Settings {
        Settings {
            base: Target::parse("https://app.example/scim").unwrap(),
            token: None,
            role,
            role_type: role_type.map(String::from),
            roles: vec![String::from("admin"), String::from("viewer")],
            flat: false,
            open_roles: false,
            email_as_user_name: false,
            removal_deactivates: false,
            invitation: Invitation::default(),
            create_fields: std::collections::BTreeMap::new(),
            assets: None,
        }
    }

    fn object(value: &Value) -> Object {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn the_role_is_read_from_its_carrier() {
        let person = object(&json!({
            "roles": [{"value": "x", "type": "team"}, {"value": "Viewer"}, {"value": "ADMIN", "primary": "True"}],
            "userType": " viewer ",
            "urn:x:2.0:User": {"Seat": "full"},
        }));
        let attribute = |path: &str| RoleCarrier::Attribute(path.to_owned());
        for (carrier, kind, role) in [
            (RoleCarrier::Roles, None, Some("admin")),
            (RoleCarrier::Roles, Some("team"), Some("x")),
            (RoleCarrier::Entitlements, None, None),
            (attribute("userType"), None, Some("viewer")),
            (attribute("urn:x:2.0:User:seat"), None, Some("full")),
            (RoleCarrier::None, None, None),
        ] {
            assert_eq!(settings(carrier.clone(), kind).role_of(&person).as_deref(), role, "{carrier:?}");
        }
        assert_eq!(
            settings(RoleCarrier::Roles, None).role_of(&object(&json!({"roles": ["Viewer"]}))).as_deref(),
            Some("viewer")
        );
    }

    #[test]
    fn only_our_permissions_are_given_and_taken() {
        let flat = Settings { flat: true, ..settings(RoleCarrier::Entitlements, None) };
        let person = object(&json!({"entitlements": [
            {"value": "theirs", "primary": true}, {"value": "ADMIN", "display": "Boss"}, {"value": "admin+x"}
        ]}));
        assert_eq!(flat.role_of(&person).as_deref(), Some("admin"));
        let edited = |role: &str| flat.role_edit(&person, role).unwrap().1;
        let (theirs, boss) =
            (json!({"value": "theirs", "primary": true}), json!({"value": "ADMIN", "display": "Boss"}));
        let odd = json!({"value": "admin+x"});
        assert_eq!(edited("admin+viewer"), json!([theirs, boss, odd, {"value": "viewer"}]));
        assert_eq!(edited("viewer"), json!([theirs, odd, {"value": "viewer"}]));
        assert_eq!(flat.role_of(&object(&json!({"entitlements": [{"value": "theirs"}]}))), None);
    }

    #[test]
    fn elements_of_other_types_stay() {
        let person = object(&json!({"roles": [
            {"value": "old", "type": "seat", "primary": true}, {"value": "y", "type": "team", "primary": true, "display": null}
        ]}));
        let (path, value) = settings(RoleCarrier::Roles, Some("seat")).role_edit(&person, "new").unwrap();
        assert_eq!(path, "roles");
        assert_eq!(value, json!([{"value": "y", "type": "team"}, {"value": "new", "primary": true, "type": "seat"}]));
    }
}
