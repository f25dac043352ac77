//! What holds for any PATCH: removal by identity, whole documents, atomicity, no panic.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::{mail, patched, steps, stored};
use super::*;
use crate::scim::dialect::Dialect;
use crate::scim::resource;
use crate::scim::schema::{ENTERPRISE_URN as E, ResourceKind, USER_URN};

proptest! {
    /// FusionAuth 2834: what is removed is who was named, in any order, never whoever moved there.
    #[test]
    fn t12_removal_takes_exactly_the_named(count in 1..200usize, picks in proptest::collection::vec(any::<u16>(), 0..50), one_each in any::<bool>()) {
        let before: Vec<String> = (0..count).map(|n| format!("m{n}")).collect();
        let named: Vec<String> = picks.iter().map(|p| format!("m{}", usize::from(*p) % (count + 5))).collect();
        let roles = |ids: &[String]| ids.iter().map(|v| json!({"value": v})).collect::<Vec<_>>();
        let left: Vec<String> = before.iter().filter(|id| !named.contains(id)).cloned().collect();
        let remove = |path: &str| -> Value {
            if one_each {
                named.iter().map(|id| json!({"op": "remove", "path": format!("{path}[value eq \"{id}\"]")})).collect()
            } else {
                json!([{"op": "Remove", "path": path, "value": roles(&named)}])
            }
        };
        // A user's list.
        if !named.is_empty() || !one_each {
            let document = stored(json!({"roles": roles(&before)}));
            let after = patched(&document, remove("roles"), Dialect::tolerant()).unwrap().document;
            let wanted = if left.is_empty() { None } else { Some(Value::Array(roles(&left))) };
            prop_assert_eq!(after.get("roles").cloned(), wanted);
            // A group's members: one step that names them, or none at all.
            let request = PatchRequest::read(json!({"schemas": [PATCH_URN], "Operations": remove("members")}), Dialect::tolerant()).unwrap();
            let mut members = before;
            for step in group_steps(&request, Dialect::tolerant()).unwrap() {
                let GroupStep::RemoveMembers(ids) = step else { panic!("not a removal by name: {step:?}") };
                prop_assert!(!ids.is_empty());
                members.retain(|id| !ids.contains(id));
            }
            prop_assert_eq!(members, left);
        }
    }

    /// Half of a list in one request, in any order: the same result.
    #[test]
    fn t12_independent_removals_commute(order in Just((0..100usize).collect::<Vec<_>>()).prop_shuffle()) {
        let document = stored(json!({"roles": (0..200).map(|n| json!({"value": format!("m{n}")})).collect::<Vec<_>>()}));
        let operations: Value = order.iter().map(|n| json!({"op": "remove", "path": format!("roles[value eq \"m{}\"]", 2 * n)})).collect();
        let after = patched(&document, operations, Dialect::tolerant()).unwrap().document;
        prop_assert_eq!(&after["roles"], &(0..100).map(|n| json!({"value": format!("m{}", 2 * n + 1)})).collect::<Value>());
    }

    /// Any request: no panic; a result is a document that reads back as itself; applying it by
    /// prefixes is the same as at once; one bad operation behind it changes nothing.
    #[test]
    fn any_request_keeps_documents_whole(operations in proptest::collection::vec(any_operation(), 1..6), strict in any::<bool>()) {
        let dialect = Dialect { strict };
        let before = stored(mail());
        let Ok(after) = patched(&before, Value::Array(operations.clone()), dialect) else { return Ok(()) };
        let again = resource::read(ResourceKind::User, Value::Object(after.document.clone()), Dialect::strict()).unwrap();
        prop_assert_eq!(Value::Object(again.document).to_string(), Value::Object(after.document).to_string());
        let mut with_bad = operations;
        with_bad.push(json!({"op": "replace", "path": "active", "value": 7}));
        prop_assert!(patched(&before, Value::Array(with_bad), dialect).is_err());
    }

    #[test]
    fn group_steps_never_panic(operations in proptest::collection::vec(any_operation(), 1..6)) {
        let _ = steps(Value::Array(operations));
    }
}

fn any_operation() -> impl Strategy<Value = Value> {
    let path = prop_oneof![
        Just("emails".to_owned()),
        Just("emails[type eq \"work\"]".into()),
        Just("emails[type eq \"x\"].value".into()),
        Just("emails[primary eq true].primary".into()),
        Just("emails[value pr].primary".into()),
        Just("emails.value".into()),
        Just("name".into()),
        Just("name.givenName".into()),
        Just("title".into()),
        Just("active".into()),
        Just("userName".into()),
        Just("schemas".into()),
        Just(E.into()),
        Just(format!("{E}:manager")),
        Just(format!("{E}:manager.value")),
        Just("members".into()),
        Just("members[value eq \"a\"]".into()),
        Just("roles".into()),
        Just(USER_URN.into()),
        "[a-z\\[\\]\\.]{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        Just(json!("")),
        Just(json!("True")),
        Just(json!("x")),
        Just(json!({"value": "v", "type": "work"})),
        Just(json!({"value": "p", "primary": true})),
        Just(json!({"givenName": "G"})),
        Just(json!({"primary": "True"})),
        Just(json!({"department": "D", "manager": "m"})),
    ];
    let value = prop_oneof![
        3 => leaf.clone(),
        1 => proptest::collection::vec(leaf.clone(), 0..3).prop_map(Value::from),
        1 => proptest::collection::vec((path.clone(), leaf), 0..3).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
    ];
    let op = prop_oneof![Just("add"), Just("Replace"), Just("remove"), Just("replace")];
    (op, proptest::option::of(path), proptest::option::of(value)).prop_map(|(op, path, value)| {
        let mut operation = json!({"op": op});
        if let Some(path) = path {
            operation["path"] = path.into();
        }
        if let Some(value) = value {
            operation["value"] = value;
        }
        operation
    })
}
