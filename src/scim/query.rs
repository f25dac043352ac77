//! Query parameters of reads and writes: filter, paging, attribute selection (RFC 7644 sections
//! 3.4.2 and 3.9). Unknown parameters are ignored.

use serde_json::{Map, Value};

use super::attr_path::{self, Named, Target};
use super::error::ScimError;
use super::resource::Object;
use super::schema::{Attribute, ResourceKind, Returned, Schema, Schemas};
use crate::base::limits::PAGE;

/// What a list request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// The filter's text.
    pub filter: Option<String>,
    /// 1-based number of the first result.
    pub start_index: u64,
    /// Results wanted, at most [`PAGE`].
    pub count: usize,
    /// Attribute selection.
    pub projection: Projection,
}

impl ListQuery {
    /// Names and JSON types of what [`ListQuery::read`] reads.
    pub const PARAMETERS: [(&'static str, &'static str); 5] = [
        ("filter", "string"),
        ("startIndex", "integer"),
        ("count", "integer"),
        ("attributes", "string"),
        ("excludedAttributes", "string"),
    ];

    /// Read the decoded parameters of a URL.
    ///
    /// # Errors
    /// 400 `invalidValue` for a paging parameter that is no integer, and for both selections at once.
    pub fn read(pairs: &[(String, String)]) -> Result<Self, ScimError> {
        let start_index = integer(pairs, "startIndex")?.map_or(1, |v| u64::try_from(v).unwrap_or(0).max(1));
        let count = integer(pairs, "count")?.map_or(PAGE, |v| usize::try_from(v.max(0)).unwrap_or(PAGE).min(PAGE));
        let filter = parameter(pairs, "filter").map(str::to_owned);
        Ok(Self { filter, start_index, count, projection: Projection::read(pairs)? })
    }
}

fn parameter<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn integer(pairs: &[(String, String)], name: &str) -> Result<Option<i64>, ScimError> {
    let Some(text) = parameter(pairs, name) else { return Ok(None) };
    match text.trim().parse::<i128>() {
        Ok(value) => Ok(Some(i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX }))),
        Err(_) => Err(ScimError::invalid_value(format!("{name} must be an integer."))),
    }
}

/// Which attributes an answer shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    only: Option<Vec<String>>,
    without: Vec<String>,
}

impl Projection {
    /// Names and JSON types of what [`Projection::read`] reads.
    pub const PARAMETERS: [(&'static str, &'static str); 2] =
        [("attributes", "string"), ("excludedAttributes", "string")];

    /// Everything that is returned by default.
    pub fn all() -> Self {
        Self::default()
    }

    /// Read `attributes` or `excludedAttributes`.
    ///
    /// # Errors
    /// 400 `invalidValue` when both are given (R-PROJ-03).
    pub fn read(pairs: &[(String, String)]) -> Result<Self, ScimError> {
        let names = |name: &str| parameter(pairs, name).map(split).filter(|list| !list.is_empty());
        match (names("attributes"), names("excludedAttributes")) {
            (Some(_), Some(_)) => {
                Err(ScimError::invalid_value("attributes and excludedAttributes cannot be used together."))
            }
            (only, without) => Ok(Self { only, without: without.unwrap_or_default() }),
        }
    }

    /// Whether the answer is the whole resource, so that stored text can be served.
    pub fn is_all(&self) -> bool {
        self.only.is_none() && self.without.is_empty()
    }

    /// Whether `attributes` was given: a PATCH of a group answers 200 with a body only then.
    pub fn is_asked(&self) -> bool {
        self.only.is_some()
    }

    /// Whether any part of the top-level attribute is in the answer; members are not loaded otherwise.
    pub fn wants(&self, kind: ResourceKind, attribute: &str) -> bool {
        let Some(Named::Target(wanted)) = attr_path::find(kind, attribute) else { return false };
        match self.selection(kind) {
            Selection::Only(names) => names.iter().any(|n| n.covers(wanted) || n.is_part_of(wanted)),
            Selection::Without(names) => !names.iter().any(|n| n.covers(wanted)),
        }
    }

    /// Cut a whole resource down to what was asked for. `id`, `schemas` and other always-returned
    /// attributes stay, never-returned ones go.
    pub fn apply(&self, kind: ResourceKind, resource: &mut Object) {
        let selection = self.selection(kind);
        let schemas = Schemas::standard().of(kind);
        let whole = std::mem::take(resource);
        for (key, value) in whole {
            if let Some(extension) = schemas.extensions.iter().find(|e| e.id == key) {
                if let Some(kept) = selection.extension(extension, value) {
                    resource.insert(key, kept);
                }
            } else if let Some(attribute) = schemas.core.attribute(&key)
                && let Some(kept) = selection.attribute(None, attribute, value)
            {
                resource.insert(key, kept);
            }
        }
    }

    fn selection(&self, kind: ResourceKind) -> Selection {
        let known = |names: &[String]| names.iter().filter_map(|n| attr_path::find(kind, n).map(Pick)).collect();
        match &self.only {
            Some(names) => Selection::Only(known(names)),
            None => Selection::Without(known(&self.without)),
        }
    }
}

fn split(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned).collect()
}

enum Selection {
    Only(Vec<Pick>),
    Without(Vec<Pick>),
}

struct Pick(Named);

fn same(a: &'static Attribute, b: &Attribute) -> bool {
    std::ptr::eq(a, b)
}

impl Pick {
    /// Whether all of `target` is named.
    fn covers(&self, target: Target) -> bool {
        match self.0 {
            Named::Core => target.extension.is_none(),
            Named::Extension(schema) => target.extension.is_some_and(|e| std::ptr::eq(e, schema)),
            Named::Target(own) => {
                same(own.attribute, target.attribute)
                    && match (own.sub, target.sub) {
                        (None, _) => true,
                        (Some(a), Some(b)) => same(a, b),
                        (Some(_), None) => false,
                    }
            }
        }
    }

    /// Whether a part of `target` is named.
    fn is_part_of(&self, target: Target) -> bool {
        match self.0 {
            Named::Core | Named::Extension(_) => false,
            Named::Target(own) => own.sub.is_some() && target.sub.is_none() && same(own.attribute, target.attribute),
        }
    }
}

impl Selection {
    fn extension(&self, schema: &'static Schema, value: Value) -> Option<Value> {
        let Value::Object(members) = value else { return None };
        let mut kept = Map::new();
        for (key, value) in members {
            if let Some(attribute) = schema.attribute(&key)
                && let Some(value) = self.attribute(Some(schema), attribute, value)
            {
                kept.insert(key, value);
            }
        }
        (!kept.is_empty()).then_some(Value::Object(kept))
    }

    fn attribute(
        &self,
        extension: Option<&'static Schema>,
        attribute: &'static Attribute,
        value: Value,
    ) -> Option<Value> {
        let target = Target { extension, attribute, sub: None };
        match attribute.returned {
            Returned::Never => return None,
            Returned::Always => return Some(value),
            Returned::Default | Returned::Request => {}
        }
        let by_default = attribute.returned == Returned::Default;
        match self {
            Self::Only(names) if names.iter().any(|n| n.covers(target)) => Some(value),
            Self::Only(names) if names.iter().any(|n| n.is_part_of(target)) => self.parts(target, value),
            Self::Only(_) => None,
            Self::Without(names) if names.iter().any(|n| n.covers(target)) => None,
            Self::Without(names) if names.iter().any(|n| n.is_part_of(target)) => self.parts(target, value),
            Self::Without(_) => by_default.then_some(value),
        }
    }

    fn parts(&self, target: Target, value: Value) -> Option<Value> {
        match value {
            Value::Array(items) => {
                let kept: Vec<Value> = items.into_iter().filter_map(|item| self.parts(target, item)).collect();
                (!kept.is_empty()).then_some(Value::Array(kept))
            }
            Value::Object(members) => {
                let kept: Map<String, Value> = members.into_iter().filter(|(key, _)| self.keeps(target, key)).collect();
                (!kept.is_empty()).then_some(Value::Object(kept))
            }
            other => Some(other),
        }
    }

    fn keeps(&self, target: Target, key: &str) -> bool {
        let Some(sub) = target.attribute.sub(key) else { return false };
        let part = Target { sub: Some(sub), ..target };
        match (sub.returned, self) {
            (Returned::Always, _) => true,
            (Returned::Never, _) => false,
            (Returned::Default | Returned::Request, Self::Only(names)) => names.iter().any(|n| n.covers(part)),
            (Returned::Default | Returned::Request, Self::Without(names)) => !names.iter().any(|n| n.covers(part)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::error::ScimType;
    use crate::scim::schema::ENTERPRISE_URN as E;
    use proptest::prelude::*;
    use serde_json::json;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn paging() {
        let read = |list: &[(&str, &str)]| ListQuery::read(&pairs(list)).map(|q| (q.start_index, q.count));
        for (list, wanted) in [
            (&[][..], (1, PAGE)),
            (&[("startIndex", "0"), ("count", "5")], (1, 5)),
            (&[("startIndex", "-5"), ("count", "-1")], (1, 0)),
            (&[("STARTINDEX", "7"), ("Count", "0"), ("foo", "bar"), ("", "")], (7, 0)),
            (&[("count", "100000")], (1, PAGE)),
            (
                &[("count", "99999999999999999999999"), ("startIndex", "99999999999999999999999")],
                (i64::MAX.unsigned_abs(), PAGE),
            ),
        ] {
            assert_eq!(read(list).unwrap(), wanted, "{list:?}");
        }
        for list in [&[("count", "abc")][..], &[("startIndex", "1.5")], &[("count", "")]] {
            assert_eq!(read(list).unwrap_err().scim_type, Some(ScimType::InvalidValue), "{list:?}");
        }
        assert_eq!(ListQuery::read(&pairs(&[("filter", "")])).unwrap().filter.as_deref(), Some(""));
    }

    fn ann() -> Object {
        let user = json!({
            "id": "1", "schemas": ["u", E], "userName": "ann", "password": "secret", "title": "T",
            "name": {"givenName": "A", "familyName": "N"},
            "emails": [{"value": "a@x", "type": "work"}, {"value": "b@x", "type": "home"}],
            "groups": [{"value": "g", "display": "G"}],
            E: {"department": "D", "manager": {"value": "m", "$ref": "r"}},
            "meta": {"version": "1", "location": "l"},
        });
        user.as_object().unwrap().clone()
    }

    fn shown(name: &str, names: &str) -> Value {
        let projection = Projection::read(&pairs(&[(name, names)])).unwrap();
        let mut user = ann();
        projection.apply(ResourceKind::User, &mut user);
        assert!(user.shift_remove("id").is_some() && user.shift_remove("schemas").is_some(), "always returned");
        Value::Object(user)
    }

    #[test]
    fn attributes_show_only_what_is_named() {
        for (names, wanted) in [
            ("userName", json!({"userName": "ann"})),
            ("USERNAME, name.FamilyName", json!({"userName": "ann", "name": {"familyName": "N"}})),
            ("emails.value", json!({"emails": [{"value": "a@x"}, {"value": "b@x"}]})),
            ("name", json!({"name": {"givenName": "A", "familyName": "N"}})),
            (&format!("{E}:department"), json!({E: {"department": "D"}})),
            (&format!("{}:MANAGER.value", E.to_uppercase()), json!({E: {"manager": {"value": "m"}}})),
            (E, json!({E: {"department": "D", "manager": {"value": "m", "$ref": "r"}}})),
            ("urn:ietf:params:scim:schemas:core:2.0:User:title", json!({"title": "T"})),
            ("meta.version", json!({"meta": {"version": "1"}})),
            ("foo", json!({})),
            ("password", json!({})),
            ("id", json!({})),
        ] {
            assert_eq!(shown("attributes", names), wanted, "{names}");
        }
    }

    #[test]
    fn excluded_attributes_go_unless_always_returned() {
        let mut whole = ann();
        for name in ["id", "schemas", "password"] {
            whole.remove(name);
        }
        let without = |names: &[&str]| {
            let mut left = whole.clone();
            for name in names {
                left.remove(*name);
            }
            Value::Object(left)
        };
        assert_eq!(shown("excludedAttributes", "id,schemas,foo"), without(&[]));
        assert_eq!(shown("excludedAttributes", "TITLE , groups"), without(&["title", "groups"]));
        assert_eq!(shown("excludedAttributes", E), without(&[E]));
        assert_eq!(shown("excludedAttributes", "emails.type")["emails"], json!([{"value": "a@x"}, {"value": "b@x"}]));
        assert_eq!(shown("excludedAttributes", &format!("{E}:manager"))[E], json!({"department": "D"}));
        let mut all = ann();
        Projection::all().apply(ResourceKind::User, &mut all);
        assert!(all.contains_key("title") && !all.contains_key("password"));
    }

    #[test]
    fn what_has_to_be_loaded() {
        let wants =
            |list: &[(&str, &str)]| Projection::read(&pairs(list)).unwrap().wants(ResourceKind::Group, "members");
        assert!(wants(&[]));
        assert!(wants(&[("attributes", "members")]));
        assert!(wants(&[("attributes", "displayName,Members.value")]));
        assert!(wants(&[("excludedAttributes", "members.display")]));
        assert!(!wants(&[("attributes", "displayName")]));
        assert!(!wants(&[("excludedAttributes", "MEMBERS")]));
        assert!(!wants(&[("excludedAttributes", "urn:ietf:params:scim:schemas:core:2.0:Group:members")]));
        assert!(Projection::read(&pairs(&[("attributes", "")])).unwrap().is_all());
        let both = Projection::read(&pairs(&[("attributes", "a"), ("excludedAttributes", "b")]));
        assert_eq!(both.unwrap_err().scim_type, Some(ScimType::InvalidValue));
    }

    proptest! {
        #[test]
        fn nothing_secret_and_nothing_new(names in "[a-zA-Z.,:$ ]{0,40}", only in any::<bool>()) {
            let shown = shown(if only { "attributes" } else { "excludedAttributes" }, &names);
            prop_assert!(!shown.to_string().contains("secret"));
            for (name, _) in shown.as_object().unwrap() {
                prop_assert!(ann().contains_key(name));
            }
        }
    }
}
