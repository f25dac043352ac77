//! Reading the body of POST and PUT into the form that is stored: canonical names, checked types,
//! nothing read-only, nothing unknown. The same document always comes out as the same bytes.

use serde_json::{Map, Value};

use super::attr_path::{self, Named, Target};
use super::dialect::Dialect;
use super::error::ScimError;
use super::member::read_members;
use super::schema::{self, Attribute, Mutability, ResourceKind, Returned, Schema, Schemas, UrnOf};
use super::value::{Reader, identifier};

pub use super::member::MemberValue;

/// A JSON object, in the order it is shown.
pub type Object = Map<String, Value>;

/// A body, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// What is stored: without `id`, `meta`, `groups`, `members`; `schemas` first. A user always
    /// has `active`: left out, it means true.
    pub document: Object,
    /// Groups only; `None` when the body does not name `members`.
    pub members: Option<Vec<MemberValue>>,
    /// Names the server does not know, as sent, for the count in the log.
    pub ignored: Vec<String>,
}

/// Read a resource sent with POST or PUT.
///
/// # Errors
/// 400 `invalidSyntax` for a wrong structure, 400 `invalidValue` for a missing or ill-typed value.
pub fn read(kind: ResourceKind, body: Value, dialect: Dialect) -> Result<Incoming, ScimError> {
    let Value::Object(body) = body else {
        return Err(ScimError::invalid_syntax("The body must be a JSON object."));
    };
    let mut reader = Reader::new(dialect);
    check_schemas(kind, &body, &mut reader)?;
    let mut document = Object::new();
    let mut members = None;
    for (name, value) in body {
        match attr_path::find(kind, &name) {
            Some(Named::Core) => match value {
                Value::Null => {}
                Value::Object(inner) => {
                    for (name, value) in inner {
                        match attr_path::find(kind, &name) {
                            Some(Named::Target(target)) if target.extension.is_none() => {
                                top(target, value, &mut document, &mut members, &mut reader)?;
                            }
                            _ => reader.unknown(&name)?,
                        }
                    }
                }
                _ => return Err(ScimError::invalid_value(format!("{} must be an object.", kind.urn()))),
            },
            Some(Named::Extension(extension)) => read_extension(extension, value, &mut document, &mut reader)?,
            Some(Named::Target(target)) => top(target, value, &mut document, &mut members, &mut reader)?,
            None => reader.unknown(&name)?,
        }
    }
    let document = finish(kind, document)?;
    Ok(Incoming { document, members, ignored: reader.ignored })
}

/// `schemas` must be there; it may name what the server does not know (Entra's ADSCIM group URN).
fn check_schemas(kind: ResourceKind, body: &Object, reader: &mut Reader) -> Result<(), ScimError> {
    let given = body.iter().find(|(name, _)| name.eq_ignore_ascii_case("schemas")).map(|(_, value)| value);
    let urns = match given {
        Some(Value::Array(urns)) if !urns.is_empty() => urns.as_slice(),
        Some(urn @ Value::String(_)) if !reader.dialect.strict => std::slice::from_ref(urn),
        _ => return Err(ScimError::invalid_syntax("schemas must be a list of at least one URN.")),
    };
    let mut has_core = false;
    for urn in urns {
        let Value::String(urn) = urn else {
            return Err(ScimError::invalid_syntax("schemas must be a list of URNs."));
        };
        match schema::by_urn(kind, urn) {
            Some(UrnOf::Core) => has_core = true,
            Some(UrnOf::Extension(_)) => {}
            None => reader.unknown(urn)?,
        }
    }
    if reader.dialect.strict && !has_core {
        return Err(ScimError::invalid_syntax(format!("schemas must hold {}.", kind.urn())));
    }
    Ok(())
}

fn read_extension(
    extension: &'static Schema,
    value: Value,
    document: &mut Object,
    reader: &mut Reader,
) -> Result<(), ScimError> {
    match value {
        Value::Null => Ok(()),
        Value::Object(inner) => {
            for (name, value) in inner {
                match extension.attribute(&name) {
                    Some(attribute) => {
                        let target = Target { extension: Some(extension), attribute, sub: None };
                        put(target, value, document, reader)?;
                    }
                    None => reader.unknown(&format!("{}:{name}", extension.id))?,
                }
            }
            Ok(())
        }
        _ => Err(ScimError::invalid_value(format!("{} must be an object.", extension.id))),
    }
}

/// One attribute of the body's top level.
fn top(
    target: Target,
    value: Value,
    document: &mut Object,
    members: &mut Option<Vec<MemberValue>>,
    reader: &mut Reader,
) -> Result<(), ScimError> {
    if target.is("schemas", None) {
        return Ok(());
    }
    if target.is("members", None) {
        *members = Some(read_members(value, reader.dialect)?);
        return Ok(());
    }
    put(target, value, document, reader)
}

/// Whether a client's value is dropped: set by the server, or never kept (`password`).
pub(super) fn dropped(attribute: &Attribute) -> bool {
    attribute.mutability == Mutability::ReadOnly || attribute.returned == Returned::Never
}

/// Store one value; a name with a dot (`name.givenName`) joins its object.
fn put(target: Target, value: Value, document: &mut Object, reader: &mut Reader) -> Result<(), ScimError> {
    if dropped(target.attribute) || target.sub.is_some_and(dropped) {
        return Ok(());
    }
    if target.sub.is_some() && (reader.dialect.strict || target.attribute.multi_valued) {
        return reader.unknown(&target.name());
    }
    let Some(value) = reader.value(target.leaf(), value)? else { return Ok(()) };
    let twice = || ScimError::invalid_syntax(format!("{} is given twice.", target.name()));
    let holder = match target.extension {
        None => document,
        Some(extension) => inner_object(document, &extension.id).ok_or_else(twice)?,
    };
    let name = &target.attribute.name;
    let (holder, name) = match target.sub {
        None => (holder, name),
        Some(sub) => (inner_object(holder, name).ok_or_else(twice)?, &sub.name),
    };
    match holder.get_mut(name) {
        None => {
            holder.insert(name.clone(), value);
            Ok(())
        }
        // `name.givenName` came before `name`.
        Some(Value::Object(there)) if target.sub.is_none() => {
            if let Value::Object(more) = value {
                there.extend(more);
            }
            Ok(())
        }
        Some(_) => Err(twice()),
    }
}

/// The object at that name, made if there is none.
pub(super) fn inner_object<'a>(holder: &'a mut Object, name: &str) -> Option<&'a mut Object> {
    holder.entry(name).or_insert_with(|| Value::Object(Object::new())).as_object_mut()
}

/// Bring a document into its stored form: required attributes there, identifiers bounded, `schemas`
/// as its content says, attributes in the schema's order.
pub(super) fn finish(kind: ResourceKind, mut document: Object) -> Result<Object, ScimError> {
    let schemas = Schemas::standard().of(kind);
    document.remove("schemas");
    if kind == ResourceKind::User {
        // Filters, answers and the indexed column agree because the value is always there.
        document.entry("active").or_insert(Value::Bool(true));
    }
    for attribute in &schemas.core.attributes {
        if attribute.required && attribute.name != "schemas" {
            let blank = match document.get(&attribute.name) {
                None | Some(Value::Null) => true,
                Some(Value::String(text)) => text.trim().is_empty(),
                Some(_) => false,
            };
            if blank {
                return Err(ScimError::invalid_value(format!("{} is required.", attribute.name)));
            }
        }
    }
    for name in ["userName", "externalId"] {
        if let Some(Value::String(text)) = document.get(name) {
            identifier(name, text)?;
        }
    }
    let mut urns = vec![Value::from(kind.urn())];
    let mut extensions = Vec::new();
    for extension in &schemas.extensions {
        if let Some(Value::Object(inner)) = document.swap_remove(&extension.id)
            && !inner.is_empty()
        {
            urns.push(Value::from(extension.id.as_str()));
            extensions.push((extension.id.clone(), Value::Object(ordered(&extension.attributes, inner))));
        }
    }
    let mut stored = Object::new();
    stored.insert("schemas".into(), Value::Array(urns));
    stored.extend(ordered(&schemas.core.attributes, document));
    stored.extend(extensions);
    Ok(stored)
}

fn ordered(attributes: &[Attribute], mut object: Object) -> Object {
    let mut sorted = Object::new();
    for attribute in attributes {
        if let Some(value) = object.swap_remove(&attribute.name) {
            let value = match value {
                Value::Object(inner) if attribute.is_complex() => Value::Object(ordered(&attribute.subs, inner)),
                other => other,
            };
            sorted.insert(attribute.name.clone(), value);
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::error::ScimType;
    use crate::scim::schema::{ENTERPRISE_URN, USER_URN};
    use proptest::prelude::*;
    use serde_json::json;

    fn user(mut body: Value) -> Result<Incoming, ScimError> {
        body.as_object_mut().unwrap().entry("schemas").or_insert(json!([USER_URN]));
        read(ResourceKind::User, body, Dialect::tolerant())
    }

    #[test]
    fn an_okta_body() {
        let read = user(json!({
            "schemas": [USER_URN, USER_URN], "USERNAME": "Ann", "password": "x", "groups": [], "id": "7", "meta": {"version": "1"},
            "emails": [{"primary": true, "value": "a@x", "type": "work"}, {"primary": true, "value": "a@x", "type": "work"}],
            "name": {"GIVENNAME": "A", "middleName": null}, "title": null, "nickName": "", "roles": [],
        }))
        .unwrap();
        assert_eq!(
            Value::Object(read.document),
            json!({"schemas": [USER_URN], "userName": "Ann", "name": {"givenName": "A"}, "active": true,
                "emails": [{"primary": true, "value": "a@x", "type": "work"}]})
        );
        assert_eq!((read.members, read.ignored), (None, vec![]));
    }

    #[test]
    fn a_onelogin_body() {
        let read = user(json!({
            "schemas": ["urn:scim:schemas:core:2.0", "urn:scim:schemas:extension:enterprise:2.0"],
            "userName": "o", "active": "false", "emails": {"value": "o@x"}, "id": null, "prefferedLanguage": "en",
            "addresses": [{"city": "B", "locality": "B"}],
            "urn:scim:schemas:extension:enterprise:2.0": {"department": "D", "manager": {"managerId": "1"}},
        }))
        .unwrap();
        assert_eq!(
            Value::Object(read.document),
            json!({"schemas": [USER_URN, ENTERPRISE_URN], "userName": "o", "active": false,
                "emails": [{"value": "o@x"}], "addresses": [{"locality": "B"}], ENTERPRISE_URN: {"department": "D"}})
        );
        assert_eq!(read.ignored, ["prefferedLanguage", "addresses.city", "manager.managerId"]);
    }

    #[test]
    fn enterprise_attributes_in_every_spelling() {
        let wanted = json!({"department": "D", "manager": {"value": "m"}});
        for body in [
            json!({ENTERPRISE_URN: {"department": "D", "manager": "m"}}),
            json!({ENTERPRISE_URN: {"department": "D", "manager": [{"value": "m", "$ref": null}]}}),
            json!({format!("{ENTERPRISE_URN}:department"): "D", format!("{ENTERPRISE_URN}:manager"): {"value": "m", "displayName": "M"}}),
            json!({format!("{ENTERPRISE_URN}.department"): "D", format!("{ENTERPRISE_URN}:manager.value"): "m"}),
        ] {
            let mut body = body;
            body["userName"] = "u".into();
            let read = user(body).unwrap();
            assert_eq!(read.document[ENTERPRISE_URN], wanted);
            assert_eq!(read.document["schemas"], json!([USER_URN, ENTERPRISE_URN]));
        }
    }

    #[test]
    fn dotted_names_join_their_object() {
        let read = user(json!({"userName": "u", "name.givenName": "G", "name": {"familyName": "F"}})).unwrap();
        assert_eq!(read.document["name"], json!({"givenName": "G", "familyName": "F"}));
    }

    #[test]
    fn what_is_refused() {
        for (body, kind) in [
            (json!({"userName": "u", "active": "yes"}), ScimType::InvalidValue),
            (json!({"userName": 5}), ScimType::InvalidValue),
            (json!({"userName": ["u"]}), ScimType::InvalidValue),
            (json!({"userName": "  "}), ScimType::InvalidValue),
            (json!({"displayName": "x"}), ScimType::InvalidValue),
            (json!({"userName": "u", "emails": "a@x"}), ScimType::InvalidValue),
            (json!({"userName": "u", "name": "x"}), ScimType::InvalidValue),
            (json!({"userName": "u", "name": [{"givenName": "x"}]}), ScimType::InvalidValue),
            (json!({"userName": "u", "emails": [{"value": 1}]}), ScimType::InvalidValue),
            (
                json!({"userName": "u", "emails": [{"value": "a", "primary": true}, {"value": "b", "primary": "True"}]}),
                ScimType::InvalidValue,
            ),
            (json!({"userName": "u", "x509Certificates": [{"value": "*"}]}), ScimType::InvalidValue),
            (json!({"userName": "u", ENTERPRISE_URN: "x"}), ScimType::InvalidValue),
            (json!({"userName": "u", "externalId": "x".repeat(2000)}), ScimType::InvalidValue),
            (json!({"userName": "u", "USERNAME": "v"}), ScimType::InvalidSyntax),
            (json!({"schemas": [], "userName": "u"}), ScimType::InvalidSyntax),
            (json!({"schemas": [1], "userName": "u"}), ScimType::InvalidSyntax),
        ] {
            let error = user(body.clone()).unwrap_err();
            assert_eq!((error.status, error.scim_type), (400, Some(kind)), "{body}: {error}");
        }
        assert!(read(ResourceKind::User, json!({"userName": "u"}), Dialect::tolerant()).is_err());
        for body in [
            json!({"schemas": [USER_URN], "userName": "u", "active": "True"}),
            json!({"schemas": [USER_URN], "userName": "u", "foo": 1}),
            json!({"schemas": [USER_URN, "urn:x"], "userName": "u"}),
            json!({"schemas": ["urn:scim:schemas:extension:enterprise:2.0"], "userName": "u"}),
            json!({"schemas": [USER_URN], "userName": "u", "emails": {"value": "x"}}),
        ] {
            assert!(read(ResourceKind::User, body.clone(), Dialect::strict()).is_err(), "{body}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let name = prop_oneof![
            Just("userName".to_owned()),
            Just("emails".into()),
            Just("name".into()),
            Just("value".into()),
            Just("type".into()),
            Just("primary".into()),
            Just("manager".into()),
            Just("active".into()),
            Just("name.givenName".into()),
            Just(ENTERPRISE_URN.to_owned()),
            Just(USER_URN.to_owned()),
            Just(format!("{ENTERPRISE_URN}:manager")),
            Just("members".into()),
            "[a-z.:$]{0,6}",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z{\\[]{0,4}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((name.clone(), inner), 0..5)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_what_was_read_reads_the_same(mut body in any_json(), strict in any::<bool>(), group in any::<bool>()) {
            let kind = if group { ResourceKind::Group } else { ResourceKind::User };
            if let Some(object) = body.as_object_mut() {
                object.insert("schemas".into(), json!([kind.urn()]));
                object.insert(if group { "displayName" } else { "userName" }.into(), "u".into());
            }
            if let Ok(first) = read(kind, body, Dialect { strict }) {
                let again = read(kind, Value::Object(first.document.clone()), Dialect::strict()).unwrap();
                prop_assert_eq!(Value::Object(again.document).to_string(), Value::Object(first.document).to_string());
            }
        }
    }
}
