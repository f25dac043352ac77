//! The entries of a group's `members`, as every client writes them. Only `value`, `type` and `$ref`
//! say something; the server fills in the rest itself.

use std::collections::HashSet;

use serde_json::Value;

use super::dialect::Dialect;
use super::error::ScimError;
use super::resource::Object;
use super::schema::ResourceKind;
use super::value::identifier;

/// One entry of `members` as a client sends it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MemberValue {
    /// The id, as sent.
    pub value: String,
    /// What the client says it is (`type` or `$ref`).
    pub kind_hint: Option<ResourceKind>,
}

/// Read `members`: a list of entries, one entry, or ids as bare texts. Each member once.
pub(super) fn read_members(value: Value, dialect: Dialect) -> Result<Vec<MemberValue>, ScimError> {
    let entries = match value {
        Value::Null => Vec::new(),
        Value::Array(entries) => entries,
        entry @ (Value::Object(_) | Value::String(_)) if !dialect.strict => vec![entry],
        _ => return Err(ScimError::invalid_value("members must be a list of objects with a value.")),
    };
    let mut seen = HashSet::with_capacity(entries.len());
    let mut members = Vec::with_capacity(entries.len());
    for entry in entries {
        let member = read_member(entry, dialect)?;
        if seen.insert(member.value.clone()) {
            members.push(member);
        }
    }
    Ok(members)
}

/// Entra sends `$ref: null`, Okta `display`: only `value`, `type` and `$ref` say something.
fn read_member(entry: Value, dialect: Dialect) -> Result<MemberValue, ScimError> {
    let entry = match entry {
        Value::Object(entry) => entry,
        Value::String(value) if !dialect.strict => {
            let mut entry = Object::new();
            entry.insert("value".into(), Value::String(value));
            entry
        }
        _ => return Err(ScimError::invalid_value("Each member must be an object with a value.")),
    };
    let text = |name: &str| -> Result<Option<&str>, ScimError> {
        match entry.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|t| !t.is_empty())),
            Some(_) => Err(ScimError::invalid_value(format!("members.{name} must be a string."))),
        }
    };
    let (value, reference, kind) = (text("value")?, text("$ref")?, text("type")?);
    let from_reference = reference.map(|r| r.trim_end_matches('/').rsplit('/').next().unwrap_or_default());
    let value = match (value, from_reference) {
        (Some(value), Some(other)) if !other.contains('%') && value != other => {
            return Err(ScimError::invalid_value("A member's value and $ref name different resources."));
        }
        (Some(value), _) => value,
        (None, Some(id)) if !id.is_empty() => id,
        (None, _) => return Err(ScimError::invalid_value("Each member needs a value.")),
    };
    identifier("members.value", value)?;
    let names = |kind: ResourceKind| {
        let segment = kind.endpoint().trim_start_matches('/');
        reference.is_some_and(|r| r.rsplit('/').nth(1).is_some_and(|s| s.eq_ignore_ascii_case(segment)))
    };
    let kind_hint = match kind {
        Some(kind) => ResourceKind::ALL.into_iter().find(|k| k.name().eq_ignore_ascii_case(kind)),
        None => ResourceKind::ALL.into_iter().find(|k| names(*k)),
    };
    Ok(MemberValue { value: value.to_owned(), kind_hint })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::error::ScimType;
    use crate::scim::resource::read;
    use crate::scim::schema::GROUP_URN;
    use serde_json::json;

    #[test]
    fn groups_and_their_members() {
        let body = json!({
            "schemas": [GROUP_URN, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "displayName": "G", "externalId": "e",
            "members": [{"$ref": null, "value": "a", "display": null}, {"value": "a"}, {"$ref": "https://h/v2/Groups/b"},
                {"value": "c", "type": "user", "$ref": "Users/c"}],
        });
        let incoming = read(ResourceKind::Group, body, Dialect::tolerant()).unwrap();
        let member = |value: &str, kind_hint| MemberValue { value: value.into(), kind_hint };
        assert_eq!(
            incoming.members,
            Some(vec![
                member("a", None),
                member("b", Some(ResourceKind::Group)),
                member("c", Some(ResourceKind::User))
            ])
        );
        assert_eq!(
            Value::Object(incoming.document),
            json!({"schemas": [GROUP_URN], "externalId": "e", "displayName": "G"})
        );
        assert_eq!(incoming.ignored.len(), 1);
        for members in [
            json!("x"),
            json!([{"display": "x"}]),
            json!([{"value": 1}]),
            json!([{"value": "a", "$ref": "../Users/b"}]),
            json!(1),
        ] {
            let body = json!({"schemas": [GROUP_URN], "displayName": "G", "members": members});
            assert_eq!(
                read(ResourceKind::Group, body.clone(), Dialect::strict()).unwrap_err().scim_type,
                Some(ScimType::InvalidValue),
                "{body}"
            );
        }
        assert!(read(ResourceKind::Group, json!({"schemas": [GROUP_URN]}), Dialect::tolerant()).is_err());
    }
}
