//! The person as an app needs to know them, read from the user's SCIM document when a task is
//! planned, so that the task still works after the user is gone.

use serde_json::Value;

use crate::base::ids::UserId;
use crate::domain::member::Member;
use crate::domain::task::Principal;
use crate::scim::resource::Object;

/// The snapshot of a user who exists. E-mail: the one of type work, else the primary, else the
/// first, else the userName (DESIGN.md section 8; business-hubs.md section 5.1).
pub fn of_user(user: UserId, user_name: &str, document: &Object) -> Principal {
    let name = document.get("name");
    let part = |key: &str| text(name.and_then(|name| name.get(key)));
    Principal {
        external_id: Some(user.to_string()),
        user_name: user_name.to_owned(),
        email: email(document).unwrap_or_else(|| user_name.to_owned()),
        given_name: part("givenName"),
        family_name: part("familyName"),
        display_name: text(document.get("displayName")).or_else(|| part("formatted")),
    }
}

/// The snapshot after a SCIM DELETE: what the last task knew, else what the member's row kept.
pub fn of_leaver(member: &Member, last: Option<&Principal>) -> Principal {
    if let Some(last) = last {
        return last.clone();
    }
    let email = member.email_key.clone().unwrap_or_else(|| member.display.clone());
    Principal {
        external_id: member.user.map(|user| user.to_string()),
        user_name: email.clone(),
        email,
        given_name: None,
        family_name: None,
        display_name: Some(member.display.clone()).filter(|name| !name.is_empty()),
    }
}

/// What people read in lists.
pub fn display(principal: &Principal) -> String {
    principal.display_name.clone().unwrap_or_else(|| principal.user_name.clone())
}

/// What tells people apart: the userName, and where there is none what [`display`] shows.
pub fn named(principal: &Principal) -> String {
    match principal.user_name.as_str() {
        "" => display(principal),
        name => name.to_owned(),
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn email(document: &Object) -> Option<String> {
    let emails = document.get("emails")?.as_array()?;
    let value = |email: &Value| text(email.get("value"));
    let is_work = |email: &&Value| {
        email.get("type").and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case("work"))
    };
    let is_primary = |email: &&Value| email.get("primary").and_then(Value::as_bool).unwrap_or(false);
    emails
        .iter()
        .filter(is_work)
        .find_map(value)
        .or_else(|| emails.iter().filter(is_primary).find_map(value))
        .or_else(|| emails.iter().find_map(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(value: Value) -> Object {
        match value {
            Value::Object(object) => object,
            other => panic!("not an object: {other}"),
        }
    }

    #[test]
    fn the_work_address_comes_first_then_the_primary_then_any_then_the_user_name() {
        let cases = [
            (
                serde_json::json!({"emails": [{"value": "h@x", "type": "home", "primary": true}, {"value": "w@x", "type": "Work"}]}),
                "w@x",
            ),
            (serde_json::json!({"emails": [{"value": "a@x"}, {"value": "p@x", "primary": true}]}), "p@x"),
            (serde_json::json!({"emails": [{"type": "work"}, {"value": "a@x"}]}), "a@x"),
            (serde_json::json!({"emails": []}), "ann@example.com"),
            (serde_json::json!({}), "ann@example.com"),
        ];
        for (value, wanted) in cases {
            let ann = UserId::from_uuid(uuid::Uuid::from_u128(7));
            assert_eq!(of_user(ann, "ann@example.com", &document(value)).email, wanted);
        }
    }
}
