//! What PATCH does: the shapes identity providers send, the RFC's rules, and properties.
#![expect(clippy::needless_pass_by_value, reason = "tables of cases read better with values")]

use serde_json::{Value, json};

use super::*;
use crate::scim::dialect::Dialect;
use crate::scim::error::{ScimError, ScimType};
use crate::scim::resource::{self, Object};
use crate::scim::schema::{ENTERPRISE_URN as E, ResourceKind, USER_URN};

pub(super) fn stored(body: Value) -> Object {
    let mut body = body;
    body["schemas"] = json!([USER_URN]);
    body.as_object_mut().unwrap().entry("userName").or_insert("u".into());
    resource::read(ResourceKind::User, body, Dialect::tolerant()).unwrap().document
}

pub(super) fn patched(before: &Object, operations: Value, dialect: Dialect) -> Result<Patched, ScimError> {
    let request = PatchRequest::read(json!({"schemas": [PATCH_URN], "Operations": operations}), dialect)?;
    apply_user(before, &request, dialect)
}

/// Apply in tolerant mode and show what is left of the document without schemas, userName, active.
fn after(before: Value, operations: Value) -> Value {
    let patched = patched(&stored(before), operations.clone(), Dialect::tolerant());
    let mut document = patched.unwrap_or_else(|e| panic!("{operations}: {e}")).document;
    for name in ["schemas", "userName", "active"] {
        document.remove(name);
    }
    Value::Object(document)
}

pub(super) fn mail() -> Value {
    json!({"emails": [{"type": "work", "value": "w@x", "primary": true}, {"type": "home", "value": "h@x"}]})
}

#[test]
fn single_values() {
    for (before, operations, wanted) in [
        (json!({}), json!([{"op": "add", "path": "title", "value": "T"}]), json!({"title": "T"})),
        (json!({"title": "A"}), json!([{"op": "Add", "path": "TITLE", "value": "T"}]), json!({"title": "T"})),
        (json!({}), json!([{"op": "Replace", "path": "title", "value": "T"}]), json!({"title": "T"})),
        (json!({"title": "A"}), json!([{"op": "Remove", "path": "title"}]), json!({})),
        (json!({"title": "A"}), json!([{"op": "replace", "path": "title", "value": ""}]), json!({})),
        (json!({"title": "A"}), json!([{"op": "add", "path": "title", "value": null}]), json!({})),
        (
            json!({"name": {"givenName": "G", "familyName": "F"}}),
            json!([{"op": "replace", "path": "name", "value": {"givenName": "H"}}]),
            json!({"name": {"givenName": "H", "familyName": "F"}}),
        ),
        (
            json!({"name": {"givenName": "G", "familyName": "F"}}),
            json!([{"op": "replace", "value": {"name": {"givenName": "H", "middleName": null}}}]),
            json!({"name": {"givenName": "H", "familyName": "F"}}),
        ),
        (
            json!({"name": {"givenName": "G", "familyName": "F"}}),
            json!([{"op": "replace", "value": {"name.givenName": "H", "displayName": "D"}}]),
            json!({"name": {"givenName": "H", "familyName": "F"}, "displayName": "D"}),
        ),
        (json!({"name": {"givenName": "G"}}), json!([{"op": "remove", "path": "name.givenName"}]), json!({})),
        (
            json!({"name": {"givenName": "G"}}),
            json!([{"op": "replace", "path": "name.givenName", "value": ""}]),
            json!({}),
        ),
        (
            json!({}),
            json!([{"op": "add", "value": {"id": "x", "schemas": ["a"], "meta": {}, "groups": [], "password": "p", "title": "T"}}]),
            json!({"title": "T"}),
        ),
        (json!({}), json!([{"op": "replace", "path": "password", "value": "p"}]), json!({})),
        (json!({}), json!([{"op": "add", "path": USER_URN, "value": {"title": "T"}}]), json!({"title": "T"})),
        (json!({}), json!([{"op": "add", "value": {USER_URN: {"title": "T"}}}]), json!({"title": "T"})),
        (json!({}), json!([{"op": "add", "path": "urn:custom:2.0:User:tag", "value": "T"}]), json!({})),
    ] {
        assert_eq!(after(before, operations.clone()), wanted, "{operations}");
    }
}

#[test]
fn active_in_every_shape() {
    for operations in [
        json!([{"op": "replace", "value": {"active": false}}]),
        json!([{"op": "Replace", "path": "active", "value": "False"}]),
        json!([{"op": "add", "path": "ACTIVE", "value": "false"}]),
        json!([{"op": "replace", "value": {"urn:ietf:params:scim:schemas:core:2.0:User:active": "FALSE"}}]),
    ] {
        let patched = patched(&stored(json!({})), operations, Dialect::tolerant()).unwrap();
        assert_eq!((patched.changed, &patched.document["active"]), (true, &json!(false)));
    }
}

#[test]
fn extensions_enter_and_leave_schemas() {
    let before = stored(json!({}));
    let paths = [format!("{E}:department"), format!("{E}.department"), format!("{}:DEPARTMENT", E.to_uppercase())];
    for path in paths {
        for operation in [
            json!({"op": "add", "path": path, "value": "D"}),
            json!({"op": "add", "value": {path.clone(): "D"}}),
            json!({"op": "replace", "value": {E: {"department": "D"}}}),
            json!({"op": "replace", "path": E, "value": {"department": "D"}}),
        ] {
            let with = patched(&before, json!([operation]), Dialect::tolerant()).unwrap().document;
            assert_eq!(with[E], json!({"department": "D"}));
            assert_eq!(with["schemas"], json!([USER_URN, E]));
            for operation in [
                json!({"op": "remove", "path": path}),
                json!({"op": "remove", "path": E}),
                json!({"op": "replace", "path": path, "value": ""}),
                json!({"op": "replace", "path": E, "value": null}),
            ] {
                assert_eq!(patched(&with, json!([operation]), Dialect::tolerant()).unwrap().document, before);
            }
        }
    }
    let both = json!([{"op": "add", "path": "schemas", "value": [E]}, {"op": "add", "path": format!("{E}:division"), "value": "D"}]);
    assert_eq!(after(json!({}), both), json!({E: {"division": "D"}}));
}

#[test]
fn managers() {
    let path = format!("{E}:manager");
    let old = json!({E: {"manager": {"value": "a", "$ref": "../Users/a"}}});
    for (operation, wanted) in [
        (json!({"op": "Add", "path": path, "value": "b"}), json!({"value": "b"})),
        (json!({"op": "replace", "path": path, "value": {"value": "b", "displayName": "B"}}), json!({"value": "b"})),
        (
            json!({"op": "Add", "path": path, "value": [{"$ref": "../Users/b", "value": "b"}]}),
            json!({"value": "b", "$ref": "../Users/b"}),
        ),
        (json!({"op": "replace", "path": format!("{path}.value"), "value": "b"}), json!({"value": "b"})),
        (json!({"op": "replace", "value": {path.clone(): "b"}}), json!({"value": "b"})),
        (json!({"op": "replace", "path": path, "value": {"value": "a"}}), json!({"value": "a", "$ref": "../Users/a"})),
    ] {
        assert_eq!(after(old.clone(), json!([operation]))[E]["manager"], wanted, "{operation}");
    }
    for operation in [
        json!({"op": "replace", "path": path, "value": ""}),
        json!({"op": "replace", "path": path, "value": null}),
        json!({"op": "Remove", "path": path}),
        json!({"op": "Remove", "path": path, "value": [{"value": "a"}]}),
        json!({"op": "remove", "path": format!("{path}.value")}),
        json!({"op": "replace", "path": path, "value": []}),
        json!({"op": "replace", "path": path, "value": {"value": ""}}),
    ] {
        assert_eq!(after(old.clone(), json!([operation])), json!({}), "{operation}");
    }
}

#[test]
fn lists() {
    let w = json!({"type": "work", "value": "w@x", "primary": true});
    let h = json!({"type": "home", "value": "h@x"});
    for (operation, wanted) in [
        (json!({"op": "add", "path": "emails", "value": [{"value": "n@x"}]}), json!([w, h, {"value": "n@x"}])),
        (json!({"op": "add", "path": "emails", "value": {"value": "n@x"}}), json!([w, h, {"value": "n@x"}])),
        (json!({"op": "add", "value": {"emails": [{"value": "n@x"}]}}), json!([w, h, {"value": "n@x"}])),
        (
            json!({"op": "add", "path": "emails", "value": [{"type": "WORK", "value": "W@x"}]}),
            json!([{"type": "WORK", "value": "W@x", "primary": true}, h]),
        ),
        (json!({"op": "add", "path": "emails", "value": []}), json!([w, h])),
        (
            json!({"op": "add", "path": "emails", "value": [{"value": "n@x", "primary": "True"}]}),
            json!([{"type": "work", "value": "w@x", "primary": false}, h, {"value": "n@x", "primary": true}]),
        ),
        (json!({"op": "replace", "path": "emails", "value": [{"value": "n@x"}]}), json!([{"value": "n@x"}])),
        (json!({"op": "replace", "value": {"emails": [{"value": "n@x"}]}}), json!([{"value": "n@x"}])),
        (json!({"op": "replace", "path": "emails", "value": []}), Value::Null),
        (json!({"op": "replace", "path": "emails", "value": null}), Value::Null),
        (json!({"op": "remove", "path": "emails"}), Value::Null),
        (json!({"op": "remove", "path": "emails", "value": []}), json!([w, h])),
        (json!({"op": "remove", "path": "emails", "value": [{"value": "H@X"}]}), json!([w])),
        (json!({"op": "remove", "path": "emails", "value": [{"value": "h@x", "type": "work"}]}), json!([w, h])),
        (json!({"op": "remove", "path": "emails", "value": [{"type": "home"}, {}, "x"]}), json!([w])),
        (json!({"op": "remove", "path": "emails[type eq \"home\"]"}), json!([w])),
        (json!({"op": "remove", "path": "emails[type eq \"work\" and value ew \"@y\"]"}), json!([w, h])),
        (
            json!({"op": "remove", "path": "emails[type eq \"work\"].primary"}),
            json!([{"type": "work", "value": "w@x"}, h]),
        ),
        (json!({"op": "remove", "path": "emails[type eq \"home\"].value"}), json!([w])),
        (json!({"op": "remove", "path": "emails.type"}), json!([{"value": "w@x", "primary": true}, {"value": "h@x"}])),
        (
            json!({"op": "Replace", "path": "emails[type EQ \"home\"].primary", "value": "True"}),
            json!([{"type": "work", "value": "w@x", "primary": false}, {"type": "home", "value": "h@x", "primary": true}]),
        ),
        (
            json!({"op": "replace", "path": "emails[primary eq \"True\"].value", "value": "n@x"}),
            json!([{"type": "work", "value": "n@x", "primary": true}, h]),
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"work\"]", "value": {"value": "n@x"}}),
            json!([{"type": "work", "value": "n@x"}, h]),
        ),
        (
            json!({"op": "add", "path": "emails[type eq \"work\"]", "value": {"display": "D"}}),
            json!([{"type": "work", "value": "w@x", "primary": true, "display": "D"}, h]),
        ),
        (
            json!({"op": "add", "path": "emails[value pr].display", "value": "D"}),
            json!([{"type": "work", "value": "w@x", "primary": true, "display": "D"}, {"type": "home", "value": "h@x", "display": "D"}]),
        ),
        (json!({"op": "replace", "path": "emails[type eq \"home\"].value", "value": ""}), json!([w])),
        (json!({"op": "replace", "path": "emails[type eq \"other\"].value", "value": ""}), json!([w, h])),
        (json!({"op": "replace", "path": "emails[type eq \"home\"]", "value": null}), json!([w])),
        (
            json!({"op": "add", "path": "emails[type eq \"other\"].value", "value": "o@x"}),
            json!([w, h, {"type": "other", "value": "o@x"}]),
        ),
        (
            json!({"op": "replace", "value": {"emails[type eq \"home\"].value": "n@x"}}),
            json!([w, {"type": "home", "value": "n@x"}]),
        ),
    ] {
        let left = after(mail(), json!([operation]));
        assert_eq!(left.get("emails").cloned().unwrap_or(Value::Null), wanted, "{operation}");
    }
}

#[test]
fn created_elements_meet_in_one() {
    for op in ["Add", "Replace"] {
        let operations = json!([
            {"op": op, "path": "addresses[type eq \"work\"].streetAddress", "value": "S"},
            {"op": op, "path": "addresses[type eq \"work\"].locality", "value": "L"},
            {"op": op, "path": "phoneNumbers[type eq \"mobile\" and primary eq \"True\"].value", "value": "1"},
            {"op": op, "path": "roles[primary eq \"True\"].display", "value": "R"},
            {"op": op, "path": "roles[primary eq \"True\"].value", "value": "r"},
            {"op": op, "path": "emails.value", "value": "a@x"},
        ]);
        assert_eq!(
            after(json!({}), operations),
            json!({"emails": [{"value": "a@x"}], "phoneNumbers": [{"type": "mobile", "primary": true, "value": "1"}],
                "addresses": [{"type": "work", "streetAddress": "S", "locality": "L"}], "roles": [{"primary": true, "display": "R", "value": "r"}]})
        );
    }
}

#[test]
fn entra_roles_as_json_in_a_text() {
    let role = r#"{"id":"g","value":"Writer","displayName":"The Writer"}"#;
    let wanted = json!({"roles": [{"value": "Auditor"}, {"value": "Writer", "display": "The Writer"}]});
    for value in [
        json!([{"value": role}]),
        json!({"value": role}),
        json!([role]),
        json!(format!("[{{\"value\":{}}}]", Value::from(role))),
    ] {
        let operations = json!([{"op": "Add", "path": "roles", "value": value}]);
        assert_eq!(after(json!({"roles": [{"value": "Auditor"}]}), operations), wanted, "{value}");
    }
}

#[test]
fn operations_apply_in_order() {
    let operations =
        json!([{"op": "remove", "path": "emails"}, {"op": "add", "path": "emails", "value": [{"value": "n@x"}]}]);
    assert_eq!(after(mail(), operations), json!({"emails": [{"value": "n@x"}]}));
}

#[test]
fn nothing_changed_is_seen() {
    let before = stored(json!({"title": "T", "emails": mail()["emails"], "name": {"givenName": "G"}}));
    for operations in [
        json!([{"op": "add", "path": "emails", "value": [{"type": "work", "value": "w@x"}]}]),
        json!([{"op": "replace", "path": "title", "value": "T"}]),
        json!([{"op": "replace", "value": {"name": {"givenName": "G"}, "active": "True"}}]),
        json!([{"op": "remove", "path": "nickName"}, {"op": "remove", "path": "emails[type eq \"x\"]"}]),
        json!([{"op": "add", "path": "nickName", "value": "N"}, {"op": "remove", "path": "nickName"}]),
        json!([{"op": "add", "path": "ims", "value": []}, {"op": "replace", "path": format!("{E}:department"), "value": ""}]),
        json!([{"op": "replace", "path": "password", "value": "x"}]),
    ] {
        let patched = patched(&before, operations.clone(), Dialect::tolerant()).unwrap();
        assert!(!patched.changed, "{operations}");
        assert_eq!(Value::Object(patched.document).to_string(), Value::Object(before.clone()).to_string());
    }
}

#[test]
fn what_is_refused() {
    use ScimType::{InvalidPath, InvalidValue, Mutability, NoTarget};
    let before = stored(mail());
    for (operation, kind) in [
        (json!({"op": "replace", "path": "id", "value": "x"}), Mutability),
        (json!({"op": "replace", "path": "meta.created", "value": "x"}), Mutability),
        (json!({"op": "add", "path": "groups", "value": [{"value": "g"}]}), Mutability),
        (json!({"op": "remove", "path": "groups[value eq \"g\"]"}), Mutability),
        (json!({"op": "replace", "path": format!("{E}:manager.displayName"), "value": "x"}), Mutability),
        (json!({"op": "remove", "path": "userName"}), Mutability),
        (json!({"op": "replace", "path": "userName", "value": null}), Mutability),
        (json!({"op": "remove", "path": "active"}), Mutability),
        (json!({"op": "replace", "value": {"active": ""}}), Mutability),
        (json!({"op": "replace", "path": "userName", "value": "  "}), InvalidValue),
        (json!({"op": "replace", "path": "userName", "value": 5}), InvalidValue),
        (json!({"op": "replace", "path": "active", "value": "maybe"}), InvalidValue),
        (json!({"op": "add", "path": "emails", "value": "a@x"}), InvalidValue),
        (
            json!({"op": "add", "path": "emails", "value": [{"value": "a", "primary": true}, {"value": "b", "primary": true}]}),
            InvalidValue,
        ),
        (json!({"op": "replace", "path": "emails[value pr].primary", "value": true}), InvalidValue),
        (json!({"op": "add", "path": "name", "value": "x"}), InvalidValue),
        (json!({"op": "add", "value": "x"}), InvalidValue),
        (json!({"op": "add", "path": E, "value": "x"}), InvalidValue),
        (json!({"op": "remove", "path": "emails", "value": true}), InvalidValue),
        (json!({"op": "add", "path": "foo.bar", "value": "x"}), InvalidPath),
        (json!({"op": "add", "path": "name[givenName eq \"x\"].value", "value": "x"}), InvalidPath),
        (json!({"op": "replace", "path": "emails.value", "value": "x"}), InvalidPath),
        (json!({"op": "replace", "path": "emails[type sw \"x\"].value", "value": "x"}), NoTarget),
        (json!({"op": "remove", "path": USER_URN}), NoTarget),
    ] {
        let error = patched(&before, json!([operation]), Dialect::tolerant()).unwrap_err();
        assert_eq!((error.status, error.scim_type), (400, Some(kind)), "{operation}: {error}");
    }
    for operation in [
        json!({"op": "add", "path": "emails[type eq \"other\"].value", "value": "x"}),
        json!({"op": "Add", "path": "title", "value": "x"}),
        json!({"op": "remove", "path": "emails", "value": [{"value": "h@x"}]}),
        json!({"op": "add", "path": format!("{E}:manager"), "value": "x"}),
        json!({"op": "add", "value": {"foo": 1}}),
        json!({"op": "replace", "path": "active", "value": "False"}),
        json!({"op": "add", "path": "urn:x:2.0:tag", "value": "x"}),
    ] {
        assert!(patched(&before, json!([operation]), Dialect::strict()).is_err(), "{operation}");
    }
}

/// The steps in short: `+a,b` joins, `-a` leaves, `=a` replaces, `0` empties, `?` by filter, `@` attributes.
pub(super) fn steps(operations: Value) -> Result<Vec<String>, ScimError> {
    let request = PatchRequest::read(json!({"schemas": [PATCH_URN], "Operations": operations}), Dialect::tolerant())?;
    let values = |members: Vec<crate::scim::resource::MemberValue>| {
        members.into_iter().map(|m| m.value).collect::<Vec<_>>().join(",")
    };
    let short = |step: GroupStep| match step {
        GroupStep::Attributes(op) => format!("@{}", op.value.map_or(String::new(), |v| v.to_string())),
        GroupStep::AddMembers(members) => format!("+{}", values(members)),
        GroupStep::RemoveMembers(ids) => format!("-{}", ids.join(",")),
        GroupStep::RemoveMembersWhere(_) => "?".into(),
        GroupStep::RemoveAllMembers => "0".into(),
        GroupStep::ReplaceMembers(members) => format!("={}", values(members)),
    };
    Ok(group_steps(&request, Dialect::tolerant())?.into_iter().map(short).collect())
}

#[test]
fn group_steps_of_every_client() {
    for (operations, wanted) in [
        (
            json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": "a"}, {"value": "b", "display": null}]}]),
            vec!["+a,b"],
        ),
        (json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "a"}]}]), vec!["-a"]),
        (json!([{"op": "remove", "path": "members[value eq \"a\"]"}]), vec!["-a"]),
        (json!([{"op": "remove", "path": "members[value eq \"a\" or VALUE eq \"b\"]"}]), vec!["-a,b"]),
        (
            json!([{"op": "remove", "path": "urn:ietf:params:scim:schemas:core:2.0:Group:members[value eq \"a\"]"}]),
            vec!["-a"],
        ),
        (json!([{"op": "remove", "path": "members[type eq \"User\"]"}]), vec!["?"]),
        (json!([{"op": "remove", "path": "members[not (value eq \"a\")]"}]), vec!["?"]),
        (json!([{"op": "remove", "path": "members"}]), vec!["0"]),
        (json!([{"op": "remove", "path": "members", "value": []}]), vec![]),
        (json!([{"op": "add", "path": "members", "value": []}]), vec![]),
        (json!([{"op": "replace", "path": "members", "value": [{"value": "a"}]}]), vec!["=a"]),
        (json!([{"op": "replace", "path": "members", "value": []}]), vec!["0"]),
        (json!([{"op": "add", "value": {"members": [{"value": "a"}]}}]), vec!["+a"]),
        (json!([{"op": "replace", "value": {"members": {"value": "a"}}}]), vec!["=a"]),
        (
            json!([{"op": "replace", "value": {"id": "g", "displayName": "N"}}]),
            vec!["@{\"id\":\"g\",\"displayName\":\"N\"}"],
        ),
        (
            json!([{"op": "replace", "value": {"displayName": "N", "members": []}}]),
            vec!["@{\"displayName\":\"N\"}", "0"],
        ),
        (
            json!([{"op": "add", "path": "members", "value": [{"value": "a"}]}, {"op": "add", "path": "members", "value": {"value": "b"}}, {"op": "add", "path": "members", "value": "a"}]),
            vec!["+a,b"],
        ),
        (
            json!([{"op": "remove", "path": "members[value eq \"a\"]"}, {"op": "remove", "path": "members[value eq \"b\"]"}, {"op": "add", "path": "members", "value": [{"value": "c"}]}]),
            vec!["-a,b", "+c"],
        ),
        (json!([{"op": "add", "path": "members[value eq \"a\"]", "value": {}}]), vec!["+a"]),
        (json!([{"op": "replace", "path": "displayName", "value": "N"}]), vec!["@\"N\""]),
    ] {
        assert_eq!(steps(operations.clone()).unwrap(), wanted, "{operations}");
    }
    use ScimType::{InvalidFilter, InvalidPath, InvalidValue, Mutability, NoTarget};
    for (operation, kind) in [
        (json!({"op": "replace", "path": "members[value eq \"a\"].value", "value": "b"}), Mutability),
        (json!({"op": "replace", "path": "members[value eq \"a\"]", "value": {"value": "b"}}), Mutability),
        (json!({"op": "add", "path": "members.value", "value": "b"}), Mutability),
        (json!({"op": "replace", "value": {"members.value": "b"}}), Mutability),
        (json!({"op": "replace", "value": {"members": null}}), InvalidValue),
        (json!({"op": "remove", "path": "members", "value": null}), InvalidValue),
        (json!({"op": "remove", "path": "members", "value": [{"display": "x"}]}), InvalidValue),
        (json!({"op": "add", "path": "members", "value": 5}), InvalidValue),
        (json!({"op": "add", "path": "members[type eq \"User\"]", "value": {}}), NoTarget),
        (json!({"op": "remove", "path": "members[foo eq \"x\"]"}), InvalidFilter),
        (json!({"op": "remove", "path": "foo"}), InvalidPath),
    ] {
        assert_eq!(steps(json!([operation])).unwrap_err().scim_type, Some(kind), "{operation}");
    }
}

#[test]
fn group_attributes() {
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "G"});
    let group = resource::read(ResourceKind::Group, body, Dialect::tolerant()).unwrap().document;
    let apply = |kind, path: Option<&str>, value: Value| {
        let operation = Operation { kind, path: path.map(str::to_owned), value: Some(value) };
        apply_group_attributes(&group, &operation, Dialect::tolerant())
    };
    let renamed = apply(Kind::Replace, None, json!({"id": "g", "displayName": "N", "externalId": "e"})).unwrap();
    assert_eq!((&renamed.document["displayName"], &renamed.document["externalId"]), (&json!("N"), &json!("e")));
    assert!(!apply(Kind::Replace, Some("displayName"), json!("G")).unwrap().changed);
    assert!(apply(Kind::Replace, Some("displayName"), json!("")).is_err());
    assert!(apply(Kind::Remove, Some("displayName"), Value::Null).is_err());
    assert!(apply(Kind::Add, Some("members"), json!([{"value": "a"}])).is_err());
}
